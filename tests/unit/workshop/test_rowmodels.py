"""A bundle answers row by row, or says why only a worker can."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tamid.core.compiled import codec
from tamid.core.compiled.bundled import COMPILED, PROGRAM
from tamid.core.errors import IntegrityError, Uncompilable
from tamid.core.learning.bundle import Overlay
from tamid.core.stats.calibration import Calibration, apply_calibration
from tamid.testing.candidates import contract_text, history, job
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_trainer, open_row_model

OVERLAY = Overlay(bundle="", vouched="", threshold=0.5)
ROW = {"age": 1.0, "calls": 0.5, "minutes": None, "plan": "fibre"}
PIPELINE = """\
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.{module} import {name}
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

def build():
    words = OneHotEncoder(handle_unknown="ignore")
    parts = ColumnTransformer(
        [("n", SimpleImputer(), ["age", "calls", "minutes"]), ("w", words, ["plan"])]
    )
    return Pipeline([("parts", parts), ("model", {name}())])
"""


@pytest.fixture(scope="module")
def files() -> Mapping[str, bytes]:
    """A candidate of a few trees."""
    text = contract_text(features="{}", training=", params: {num_iterations: 8}")
    return train(inline_trainer(), job(history(60, 10), contract=text, code={})).files


def of_pipeline(module: str, name: str) -> Mapping[str, bytes]:
    """Return a candidate of a user's pipeline."""
    text = contract_text(features="{}", model="pipeline.py:build")
    code = {"pipeline.py": PIPELINE.format(module=module, name=name)}
    return train(inline_trainer(), job(history(60, 10), contract=text, code=code)).files


def test_a_candidate_ships_its_program_and_how_well_it_agrees(files: Mapping[str, bytes]) -> None:
    """The bundle holds the program, and that no held-out row differs beyond rounding."""
    told = json.loads(files[COMPILED])
    assert told["agreement"]["rows"] > 0
    assert told["agreement"]["differing"] == 0
    assert told["agreement"]["largest_difference"] < 1e-12
    assert codec.read(files[PROGRAM]).explain == "shap"
    assert open_row_model(files, OVERLAY).engine == "kernel"


def test_a_users_pipeline_answers_without_its_library() -> None:
    """Imputer, one-hot words and weights become a program that the golden rows pass."""
    files = of_pipeline("linear_model", "LogisticRegression")
    assert json.loads(files[COMPILED])["agreement"]["differing"] == 0
    model = open_row_model(files, OVERLAY)
    assert 0 < model.score(ROW) < 1


def test_a_model_that_cannot_be_compiled_says_why() -> None:
    """Training goes on, the bundle carries the reason, and opening raises it."""
    files = of_pipeline("naive_bayes", "GaussianNB")
    assert PROGRAM not in files
    with pytest.raises(Uncompilable, match="GaussianNB"):
        open_row_model(files, OVERLAY)


def test_features_of_own_code_are_refused(files: Mapping[str, bytes]) -> None:
    """User code is the worker's."""
    text = files["contract.yaml"].decode()
    text = text.replace("features: {}", 'features: {code: "features.py:build"}')
    with pytest.raises(Uncompilable, match=r"features\.py:build"):
        open_row_model({**files, "contract.yaml": text.encode()}, OVERLAY)


@pytest.mark.parametrize(
    ("clean", "fits"),
    [("", True), ("clean: [{blank: {columns: [calls], low: 1e6}}]\n", True),
     ("clean: [{blank: {columns: [minutes], low: 1e6}}]\n", False)],
    ids=["none", "of what is joined", "of the row"],
)  # fmt: skip
def test_numbers_out_of_event_tables_are_inputs_and_are_not_cleaned(
    files: Mapping[str, bytes], clean: str, fits: bool
) -> None:
    """They come with the row; a step that would blank them does not reach them, golden rows say."""
    joined = "features: {aggregates: {calls: {table: t, function: count, window: 7d}}}"
    text = files["contract.yaml"].decode()
    assert "features: {}" in text
    text = clean + text.replace("features: {}", joined)
    told = {**files, "contract.yaml": text.encode()}
    if fits:
        assert open_row_model(told, OVERLAY).score(ROW) == open_row_model(files, OVERLAY).score(ROW)
    else:
        with pytest.raises(Uncompilable, match="golden rows"):
            open_row_model(told, OVERLAY)


def test_an_older_bundle_is_compiled_from_its_text(files: Mapping[str, bytes]) -> None:
    """A bundle from before programs were shipped answers the same."""
    old = {p: c for p, c in files.items() if p not in (PROGRAM, COMPILED)}
    assert open_row_model(old, OVERLAY).score(ROW) == open_row_model(files, OVERLAY).score(ROW)


def test_every_engine_explains_alike(files: Mapping[str, bytes]) -> None:
    """Contributions are the same numbers, whether C, LightGBM or the reference tells them."""
    rows = [ROW, {**ROW, "calls": -2.0, "plan": None}, {**ROW, "minutes": 9.0, "age": None}]
    told = [
        [open_row_model(files, OVERLAY, engines=[name]).contributions(row) for row in rows]
        for name in ("kernel", "lightgbm", "plain")
    ]
    for other in told[1:]:
        for one, two in zip(told[0], other, strict=True):
            assert dict(one) == pytest.approx(dict(two), abs=1e-9)
    assert any(abs(v) > 0.1 for one in told[0] for v in one.values())


def test_the_overlay_calibrates(files: Mapping[str, bytes]) -> None:
    """Scores follow the overlay in force, as those of a batch do."""
    raw = open_row_model(files, OVERLAY).score(ROW)
    for curve in (
        Calibration(kind="platt", slope=0.7, intercept=0.2),
        Calibration(kind="isotonic", x=(0.0, 0.4, 1.0), y=(0.1, 0.2, 0.9)),
    ):
        model = open_row_model(files, dataclasses.replace(OVERLAY, calibration=curve))
        assert model.score(ROW) == pytest.approx(apply_calibration(curve, [raw])[0], rel=1e-14)
        assert model.scores([ROW, ROW]) == [model.score(ROW)] * 2


def _golden(files: Mapping[str, bytes]) -> dict[str, bytes]:
    stored: Any = json.loads(files["golden.json"])
    stored["expected"][3][0] += 1e-6
    return {**files, "golden.json": json.dumps(stored).encode()}


def _program(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {**files, PROGRAM: files[PROGRAM][:-8]}


def _other(files: Mapping[str, bytes]) -> dict[str, bytes]:
    program = codec.read(files[PROGRAM])
    features = (dataclasses.replace(program.features[0], name="other"), *program.features[1:])
    return {**files, PROGRAM: codec.write(dataclasses.replace(program, features=features))}


def test_what_does_not_fit_together_never_answers(files: Mapping[str, bytes]) -> None:
    """Golden rows that are not reproduced, a cut program and one of other features are refused."""
    with pytest.raises(Uncompilable, match="golden rows"):
        open_row_model(_golden(files), OVERLAY)
    with pytest.raises(IntegrityError, match="damaged"):
        open_row_model(_program(files), OVERLAY)
    with pytest.raises(IntegrityError, match="other features"):
        open_row_model(_other(files), OVERLAY)
