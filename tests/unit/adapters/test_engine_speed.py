"""Engines held against the libraries whose models they run, as ratios of one run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from time import process_time

import numpy as np
import polars as pl
import pytest

from tamid.adapters.engines import CompiledRowModel
from tamid.core.learning.bundle import Overlay
from tamid.core.learning.model import FeatureTable, StoredModel
from tamid.stages.answering import encode
from tamid.testing.candidates import contract_text, history, job
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer, open_row_model
from tamid.workshop.tools import load_model

pytestmark = pytest.mark.bench

OVERLAY = Overlay(bundle="", vouched="", threshold=0.5)
COLUMNS = ["age", "calls", "minutes", "plan"]
PIPELINE = """\
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

def build():
    words = OneHotEncoder(handle_unknown="ignore")
    parts = ColumnTransformer(
        [("n", SimpleImputer(), ["age", "calls", "minutes"]), ("w", words, ["plan"])]
    )
    forest = RandomForestClassifier(n_estimators=60, max_depth=8, n_jobs=1)
    return Pipeline([("parts", parts), ("model", forest)])
"""
# Rounds of each, one after the other, so that a slow moment falls on all.
_ROUNDS = 7


def medians(runs: Mapping[str, Callable[[], object]], rows: int) -> dict[str, float]:
    """Return each run's median processor time per row, in microseconds."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            started = process_time()
            run()
            found[name].append((process_time() - started) / rows * 1e6)
    return {name: statistics.median(times) for name, times in found.items()}


def candidate(model: str, code: Mapping[str, str]) -> Mapping[str, bytes]:
    """Return a candidate's files."""
    text = contract_text(features="{}", model=model)
    return train(inline_trainer(), job(contract=text, code=dict(code))).files


def test_the_kernel_is_faster_than_lightgbm() -> None:
    """A row of a dictionary in, a score out: against LightGBM's own fastest call, and Python's."""
    files = candidate("lightgbm", {})
    rows = history(120, 8, seed=5).select(COLUMNS).to_dicts()
    engines = {n: open_row_model(files, OVERLAY, engines=[n]) for n in ("kernel", "lightgbm")}
    model = engines["kernel"]
    assert isinstance(model, CompiledRowModel)
    text = StoredModel(format="lightgbm-text", files={"model.txt": files["model/model.txt"]})
    schema = model.program.features
    frame = encode(pl.DataFrame(rows), schema)
    stored = load_model(text, None)  # type: ignore[arg-type] # the text needs no schema
    one = [FeatureTable(features=schema, values=v[None, :]) for v in frame.values[:100]]
    found = medians(
        {
            "kernel": lambda: [engines["kernel"].score(row) for row in rows],
            "capi": lambda: [engines["lightgbm"].score(row) for row in rows],
        },
        len(rows),
    )
    found |= medians({"booster": lambda: [stored.predict(t) for t in one]}, len(one))
    print({name: round(us, 2) for name, us in found.items()})  # noqa: T201 - a benchmark tells
    assert found["kernel"] * 1.2 < found["capi"]
    assert found["kernel"] * 3 < found["booster"]


def test_ten_thousand_rows_cost_little_more_than_the_kernel() -> None:
    """Coding the rows of a batch takes less time than scoring them."""
    files = candidate("lightgbm", {})
    model = open_row_model(files, OVERLAY, engines=["kernel"])
    assert isinstance(model, CompiledRowModel)
    rows = history(500, 20, seed=5).select(COLUMNS).to_dicts()
    table = encode(pl.DataFrame(rows), model.program.features).values
    stored = load_model(
        StoredModel(format="lightgbm-text", files={"model.txt": files["model/model.txt"]}),
        None,  # type: ignore[arg-type] # the text needs no schema
    )
    whole = FeatureTable(features=model.program.features, values=np.ascontiguousarray(table))
    found = medians(
        {"rows": lambda: model.scores(rows), "booster": lambda: stored.predict(whole)}, len(rows)
    )
    print({name: round(us, 2) for name, us in found.items()})  # noqa: T201 - a benchmark tells
    assert found["rows"] < 1.5 * found["booster"]


def test_a_pipeline_is_answered_a_hundred_times_as_fast() -> None:
    """Imputer, one-hot words and sixty trees: against scikit-learn with its rows ready."""
    files = candidate("pipeline.py:build", {"pipeline.py": PIPELINE})
    model = open_row_model(files, OVERLAY, engines=["kernel"])
    assert isinstance(model, CompiledRowModel)
    rows = history(40, 5, seed=5).select(COLUMNS).to_dicts()
    parts = {p.removeprefix("model/"): c for p, c in files.items() if p.startswith("model/")}
    from tamid.core.compiled.bundled import bundled_schema

    schema = bundled_schema(files)
    stored = load_model(StoredModel(format="skops", files=parts), schema)
    table = encode(pl.DataFrame(rows), schema.features)
    one = [table.take(np.array([i])) for i in range(40)]
    found = medians({"kernel": lambda: [model.score(row) for row in rows]}, len(rows))
    found |= medians({"sklearn": lambda: [stored.predict(t) for t in one]}, len(one))
    print({name: round(us, 2) for name, us in found.items()})  # noqa: T201 - a benchmark tells
    assert found["kernel"] * 100 < found["sklearn"]
