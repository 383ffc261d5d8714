"""Engines keep the laws of RowModel: each of them, for each task."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tamid.core.learning.bundle import Overlay, read_schema
from tamid.core.learning.model import StoredModel
from tamid.core.stats.calibration import calibration_from
from tamid.core.values import PERIOD
from tamid.ports import GivenModel, RowModel
from tamid.stages.answering import calibrated, encode, score_columns
from tamid.testing.candidates import contract_text, history, job
from tamid.testing.rowmodel_suite import RowModelSuite
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer, open_row_model
from tamid.workshop.tools import load_model

ASSETS = Path(__file__).parents[1] / "assets" / "models"
INPUTS = ["age", "calls", "minutes", "plan"]
# LightGBM's library runs its own models only; the plain engine is one for all of them.
CASES = [
    *(("kernel", "lightgbm", task) for task in ("binary", "multiclass", "regression")),
    *(("lightgbm", "lightgbm", task) for task in ("binary", "multiclass", "regression")),
    ("kernel", "logistic", "binary"), ("kernel", "logistic", "multiclass"),
    ("kernel", "ridge", "regression"), ("kernel", "tiny", "binary"),
    ("plain", "lightgbm", "binary"), ("plain", "logistic", "multiclass"),
    ("onnx", "onnx", "binary"),
]  # fmt: skip


@functools.lru_cache(maxsize=16)
def made(model: str, task: str) -> tuple[Mapping[str, bytes], Overlay]:
    """Return a candidate's files and overlay."""
    given = None
    if model == "onnx":
        content = (ASSETS / "columns.onnx").read_bytes()
        rows = history(80, 10)
        half = rows.get_column(PERIOD).unique().sort()[4]
        given = GivenModel(name="m.onnx", kind="onnx", content=content, inputs=(), through=half)
        model = "lightgbm"
    text = contract_text(
        task=task, model="lightgbm" if model == "tiny" else model, features="{}",
        training=", params: {num_iterations: 25}" if model == "lightgbm" else "",
    )  # fmt: skip
    trainer = inline_trainer(tiny=model == "tiny")
    wanted = replace(job(history(80, 10, task=task), contract=text, code={}), given=given)
    result = train(trainer, wanted)
    overlay: Any = result.overlay
    return result.files, Overlay(
        bundle="",
        vouched="",
        threshold=float(overlay["threshold"]),
        calibration=calibration_from(overlay["calibration"]),
    )


class TestRowModels(RowModelSuite):
    """Every engine that can run a model, on candidates as a worker makes them."""

    @pytest.fixture(params=CASES, ids="-".join)
    def case(self, request: pytest.FixtureRequest) -> tuple[str, str, str]:
        """The engine, the model and its task."""
        case: tuple[str, str, str] = request.param
        return case

    @pytest.fixture
    def model(self, case: tuple[str, str, str]) -> RowModel:
        engine, *what = case
        files, overlay = made(*what)
        found = open_row_model(files, overlay, engines=[engine])
        assert found.engine == engine
        return found

    @pytest.fixture
    def rows(self, case: tuple[str, str, str]) -> Sequence[Mapping[str, Any]]:
        frame = history(20, 3, seed=9, task=case[2]).select(INPUTS)
        odd = [{"age": None, "calls": None, "minutes": None, "plan": None}]
        zero = [{"age": 0, "calls": True, "minutes": -1, "plan": "plus"}]
        return [*frame.to_dicts(), *odd, *zero]

    @pytest.fixture
    def wanted(self, case: tuple[str, str, str], rows: Sequence[Mapping[str, Any]]) -> list[float]:
        files, overlay = made(*case[1:])
        schema = read_schema(json.loads(files["schema.json"]))
        parts = {p.removeprefix("model/"): c for p, c in files.items() if p.startswith("model/")}
        stored = load_model(StoredModel(format=schema.format, files=parts), schema)
        types = {"age": pl.Float64, "calls": pl.Float64, "minutes": pl.Float64, "plan": pl.String}
        frame = pl.DataFrame(rows, schema=types, strict=False)
        table = encode(frame, schema.features)
        scores = calibrated(stored.predict(table), overlay.calibration)
        found: list[float] = score_columns(scores, schema)["score"].to_list()
        return found

    @pytest.fixture
    def rounding(self, case: tuple[str, str, str]) -> float:
        # ONNX adds in 32 bits, one row otherwise than many.
        return 1e-6 if case[0] == "onnx" else 1e-12

    @pytest.fixture
    def number(self) -> str:
        return "calls"

    @pytest.fixture
    def word(self) -> str:
        return "plan"
