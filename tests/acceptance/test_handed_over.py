"""A finished model on its way: handed over, sent back, accepted, champion, answering."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import pytest
from processes import BROUGHT
from serving_world import Server

from tamid.cli.main import main

ROWS = 1600
CONTRACT = (
    BROUGHT
    + """\
  label: {column: left, positive: true}
  schema:
    tenure: {type: integer, min: 0}
    calls: {type: number}
    left: {type: boolean, nullable: true}
delivery: {to: [{csv: "out/{period}.csv"}]}
handoff:
  ml_developer: [model, schema, golden, card, metrics, profile]
  mlops_engineer: [data, labels, targets, fallback]
  accept: mlops_engineer
"""
)


def put(folder: Path, learnt: int = 300) -> tuple[lightgbm.Booster, pl.DataFrame]:
    """Put down what a developer brings: rows, a model's text, a card."""
    rng = np.random.default_rng(0)
    rows = pl.DataFrame(
        {
            "customer": [f"c{i}" for i in range(ROWS)],
            "tenure": rng.integers(0, 60, ROWS),
            "calls": rng.normal(size=ROWS),
        }
    )
    pull = 2 * rows["calls"].to_numpy() - 0.04 * rows["tenure"].to_numpy()
    left = rng.random(ROWS) < 1 / (1 + np.exp(-pull))
    rows.with_columns(left=pl.Series(left)).write_parquet(folder / "rows.parquet")
    read = rows.select("tenure", "calls").to_numpy()[:learnt]
    told = lightgbm.Dataset(read, left[:learnt].astype(int), feature_name=["tenure", "calls"])
    model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, told, 15)
    model.save_model(str(folder / "model.txt"))
    (folder / "card.md").write_text("For letters to customers; not for the young.\n", "utf-8")
    return model, rows


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in the folder; return its JSON, or what it says of an error."""

    def said(*words: str, status: int = 0) -> dict[str, Any]:
        code = main(["-C", str(tmp_path), "--json", "-q", *words])
        out, err = capsys.readouterr()
        assert code == status, out + err
        found = json.loads(out or err)
        assert isinstance(found, dict)
        return found

    return said


def test_a_finished_model_is_accepted_and_answers(
    tmp_path: Path, say: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused without its card; waits for the engineer; then the server answers with it."""
    model, rows = put(tmp_path)
    (tmp_path / "contract.yaml").write_text(CONTRACT, "utf-8")
    file = ("register", str(tmp_path / "model.txt"), "--trained-through", "none")
    begin = ["--contract", str(tmp_path / "contract.yaml")]
    begin += ["--data", str(tmp_path / "rows.parquet")]
    assert main(["-C", str(tmp_path / "other"), "-q", *file, *begin]) == 2
    assert "is no workspace, and" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    refused = say(*file, *begin, status=3)
    assert "--card FILE" in refused["error"]["why"]
    made = say("--as", "ml_developer", *file, *begin, "--card", str(tmp_path / "card.md"))
    assert (made["run"]["outcome"], made["run"]["version"]) == ("promote", 1)
    (waits,) = made["awaited"]
    assert waits["who"] == "mlops_engineer"
    assert "accept or reject the hand-over of version 1" in waits["what"]
    say("--as", "ml_developer", "approve", "1", "--reason", "mine", status=2)
    (waits,) = (a for a in say("status")["models"][0]["awaited"] if a["who"] != "time")
    assert "accept or reject" in waits["what"]
    say("--as", "mlops_engineer", "approve", "1", "--reason", "card and slices read")
    say("tick")
    (scores,) = (tmp_path / "out").glob("*.csv")
    batch = dict(pl.read_csv(scores).select("entity", "score").iter_rows())
    own = np.asarray(model.predict(rows.select("tenure", "calls").to_numpy()))
    with Server(tmp_path) as server:
        for i in (int(own.argmin()), int(own.argmax())):
            status, answer = server.predict({k: rows[k][i] for k in ("tenure", "calls")})
            assert (status, answer["version"], answer["rung"]) == (200, 1, "champion")
            assert answer["score"] == pytest.approx(batch[f"c{i}"], abs=1e-9)
    asked = np.array([batch[f"c{i}"] for i in range(ROWS)])
    assert (np.diff(asked[np.argsort(own)]) >= -1e-9).all(), "calibration keeps the model's order"


@pytest.mark.integration
def test_data_and_a_model_become_a_champion_in_one_command(tmp_path: Path, say: Any) -> None:
    """`tamid adopt DATA DIR --model FILE`: contract, run, champion and scores from two files."""
    put(tmp_path, learnt=ROWS)  # good enough for what the draft demands
    root = tmp_path / "new"
    made = say("adopt", str(tmp_path / "rows.parquet"), str(root), "--label", "left", "--model",
               str(tmp_path / "model.txt"), "--trained-through", "none")  # fmt: skip
    assert (made["run"]["trigger"], made["run"]["version"]) == ("given", 1)
    assert "contract.yaml" in made["files"]
    (scores,) = (root / "out").glob("*.csv")
    assert set(pl.read_csv(scores).get_column("rung")) == {"champion"}
