"""`tamid runs`, `runs show` and `runs diff` on a workspace that trained twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lab
import pytest

from tamid.cli.main import main
from tamid.cli.turning import turn
from tamid.core.values import Role
from tamid.stages import byhand

FEATURES = "def build(rows):\n    return rows.with_columns(twice=rows['minutes'] * 2)\n"
CLEAN = "clean: [blank: {columns: [minutes], low: 0}, fill: {columns: [minutes], value: 5}]\n"


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a first version, and a second run with feature code and a larger seed."""
    root = lab.ticked(lab.make(tmp_path_factory.mktemp("lab") / "twice"))
    text = lab.CONTRACT.replace("training: {model: logistic}", "training: {seed: 8}")
    (root / "contract.yaml").write_text(text + "features: {code: features.py:build}\n" + CLEAN)
    (root / "features.py").write_text(FEATURES)
    app = lab.Lab(root)
    try:
        app.adopt(lab.MODEL)
        wish = byhand.Wish(actor="dana", role=Role.ML_DEVELOPER, reason="twice the minutes")
        byhand.train(app.rig(lab.MODEL), app.holder, wish)
        turn(app, lab.MODEL)
    finally:
        app.close()
    return root


def asked(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """Return what a command says as JSON."""
    assert main(["-C", str(root), "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def told(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return what a command says to a person."""
    assert main(["-C", str(root), *words]) == 0
    return capsys.readouterr().out


def test_runs_are_listed_with_metrics_pins_and_cost(
    twice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same data, other recipe: the one digest is the same in both lines, the other is not."""
    first, second = asked(twice, capsys, "runs")["models"]["churn"]
    assert (first["run"], first["outcome"], first["version"]) == ("run-0001", "promote", 1)
    assert first["data"] == second["data"]
    assert first["code"] != second["code"]
    assert first["metrics"]["f1"] > 0.3
    assert first["seconds"] > 0
    assert not second["experiment"]
    lines = told(twice, capsys, "runs").splitlines()
    assert lines[0].split()[-7:] == ["f1", "data", "recipe", "commit", "s", "version", "why"]
    assert first["data"].removeprefix("sha256:")[:8] in lines[1]
    assert first["data"].removeprefix("sha256:")[:8] in lines[2]


def test_a_run_is_shown_whole(twice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its number: reason, code, pins, what was chosen, metrics and gates."""
    body = asked(twice, capsys, "runs", "show", "2")["run"]
    assert body["seed"] == 8
    assert list(body["code"]) == ["features.py"]
    assert {pin["table"] for pin in body["pins"]} == {"churn.rows", "churn.labels"}
    assert body["report"]["threshold"] > 0
    text = told(twice, capsys, "runs", "show", "run-0002")
    assert "twice the minutes" in text
    rows = body["report"]["rows"]["given"]
    assert body["report"]["cleaned"] == {"1 blank": [rows, rows, 0], "2 fill": [rows, rows, 0]}
    assert f"cleaned      2 fill: {rows} rows before, {rows} after, 0 values changed" in text
    assert "code         features.py" in text
    assert "minimum f1: pass" in text
    assert "tamid reproduce run-0002" in text


def test_a_difference_names_parameters_code_and_metrics(
    twice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And compares both on the rows that both were judged on, with an interval."""
    found = asked(twice, capsys, "runs", "diff", "1", "last")["diff"]
    changed = {c["name"]: (c["before"], c["after"]) for c in found["parameters"]}
    assert changed["training.seed"] == ("7", "8")
    assert changed["seed"] == ("7", "8")
    assert found["data"] == []
    assert found["environment"] == []
    (file,) = found["code"]
    assert (file["path"], file["how"]) == ("features.py", "added")
    assert "+def build(rows):" in file["lines"]
    pair = next(p for p in found["metrics"] if p["name"] == "f1")
    assert pair["before"] is not None
    assert found["shared_rows"] == 600
    assert found["shared"]["low"] <= found["shared"]["point"] <= found["shared"]["high"]
    text = told(twice, capsys, "runs", "diff", "1", "2")
    assert "training.seed: 7 -> 8" in text
    assert "600 rows that both were judged on" in text


def test_a_run_does_not_differ_from_itself(twice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No parameter, no table, no file, no package."""
    body = asked(twice, capsys, "runs", "diff", "2", "run-2")
    assert body["same_inputs"]
    assert "the same parameters" in told(twice, capsys, "runs", "diff", "2", "2")


@pytest.mark.parametrize("name", ["9", "run-x", "exp-1", ""])
def test_an_unknown_run_is_refused_with_those_that_there_are(
    twice: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and no traceback."""
    assert main(["-C", str(twice), "runs", "show", name]) == 2
    said = capsys.readouterr().err
    assert "run-0001, run-0002" in said
    assert "tamid runs" in said


def test_a_lost_report_is_told_as_such(
    twice: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 6: the record is broken, which is another matter than a wrong command."""
    report = asked(twice, capsys, "runs", "show", "1")["run"]
    assert report["report"]
    root = shutil.copytree(twice, tmp_path / "broken")
    app = lab.Lab(root)
    run = app.state(lab.MODEL).runs["run-0001"]
    app.close()
    assert run.finished is not None
    digest = run.finished.report.removeprefix("sha256:")
    (lost,) = [
        p for p in (root / ".tamid" / "blobs").rglob("*") if p.is_file() and digest.endswith(p.name)
    ]
    lost.unlink()
    assert main(["-C", str(root), "runs", "show", "1"]) == 6
    assert "a run's report is missing" in capsys.readouterr().err
