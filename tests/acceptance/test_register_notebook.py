"""From a pipeline in Python, or a file, to a registered champion that answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import skops.io
from in_process import here
from processes import BROUGHT, present
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import tamid as house
from tamid.cli.main import main
from tamid.core.errors import UsageError, UserCodeError


def notebook(seed: int = 0) -> tuple[Pipeline, pl.DataFrame, np.ndarray[Any, Any]]:
    """Return what stands in a notebook's cells: a fitted pipeline, its rows and their labels."""
    rng = np.random.default_rng(seed)
    n = 2500
    rows = pl.DataFrame(
        {
            "customer": [f"c{i}" for i in range(n)],
            "tenure": rng.integers(0, 60, n),
            "calls": rng.normal(size=n),
            "plan": rng.choice(["basic", "fibre", "plus"], n),
        }
    )
    pull = 1.8 * rows["calls"].to_numpy() + 1.5 * (rows["plan"] == "fibre").to_numpy() - 0.5
    y = np.where(rng.random(n) < 1 / (1 + np.exp(-pull)), "yes", "no")
    parts = ColumnTransformer(
        [
            ("n", SimpleImputer(), ["tenure", "calls"]),
            ("w", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ]
    )
    pipeline = Pipeline([("parts", parts), ("model", LogisticRegression(max_iter=500))])
    return pipeline.fit(rows, y), rows, y


def test_from_a_pipeline_in_a_notebook_to_a_champion(tmp_path: Path) -> None:
    """One call in an empty folder: a contract, a signed bundle, a champion with its scores."""
    pipeline, rows, y = notebook()
    found = house.Project(tmp_path).register(
        pipeline, rows, y, name="churn", label="left", entity="customer"
    )
    assert (found.outcome, found.version, found.champion) == ("promote", 1, 1), found
    assert found.metrics["auc"] > 0.8
    checked = here(tmp_path, "contract", "check")
    assert checked.returncode == 0, checked.stdout
    state = present(tmp_path)
    assert state.scored["static"].rungs == {"champion": rows.height}
    proof = here(tmp_path, "verify")
    assert proof.returncode == 0, proof.stdout
    again = house.Project(tmp_path).register(pipeline, rows, y)
    assert again.outcome in ("keep", "undecided"), again
    assert present(tmp_path).champion == 1


def test_what_cannot_be_handed_over_is_said_in_python(tmp_path: Path) -> None:
    """A pipeline that cannot be stored, or does not fit, is refused with why and what to do."""
    pipeline, rows, y = notebook()
    with pytest.raises(UsageError, match="X lacks what the pipeline reads: calls") as raised:
        house.Project(tmp_path).register(pipeline, rows.drop("calls"), y)
    assert any("What to do" in note for note in raised.value.__notes__)
    with pytest.raises(UsageError, match="2 values for 2500 rows"):
        house.Project(tmp_path).register(pipeline, rows, ["yes", "no"])
    with pytest.raises(UsageError, match="X has no column 'nobody'"):
        house.Project(tmp_path).register(pipeline, rows, y, entity="nobody")
    with pytest.raises(UserCodeError, match="is a str, no estimator"):
        house.Project(tmp_path).register("model", rows, y)
    mute = make_pipeline(StandardScaler(), LinearSVC()).fit(rows.select("tenure", "calls"), y)
    with pytest.raises(UserCodeError, match="failed to predict_proba"):
        house.Project(tmp_path).register(mute, rows, y)
    left = [p.name for p in tmp_path.iterdir() if p.name != ".tamid"]
    assert not left, "a draft that nothing came of is taken back"
    odd = Pipeline([("own", Own()), ("model", LogisticRegression())])
    with pytest.raises(UserCodeError, match="cannot be stored safely"):
        house.Project(tmp_path / "odd").register(odd, rows.select("tenure", "calls"), y)


class Own:
    """A step that nobody else has."""

    def fit(self, x: object, y: object = None) -> Own:
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, x: object) -> object:
        """Change nothing."""
        return x


def test_a_file_that_does_not_fit_is_said_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pickle, or a column that the contract does not offer: refused, and no run is recorded."""
    pipeline, rows, y = notebook(1)
    rows.with_columns(pl.Series("left", y)).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(pipeline))
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    (tmp_path / "contract.yaml").write_text(CONTRACT, "utf-8")

    def refused(file: str, status: int) -> str:
        words = ["--contract", str(tmp_path / "contract.yaml")]
        words += ["--data", str(tmp_path / "rows.parquet")]
        assert main(["-C", str(tmp_path), "-q", "register", str(tmp_path / file), *words]) == status
        return capsys.readouterr().err

    assert "skops.io.dump" in refused("model.pkl", 2)
    assert "does not offer this column" in refused("model.skops", 1)
    assert not present(tmp_path).runs


CONTRACT = (
    BROUGHT
    + """\
  label: {column: left, positive: "yes"}
  schema:
    tenure: {type: integer, min: 0, feature: false}
    calls: {type: number}
    plan: {type: category, allowed: [basic, fibre, plus]}
    left: {type: category, allowed: ["yes", "no"], nullable: true}
"""
)
