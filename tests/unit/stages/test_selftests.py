"""Generated tests of user code: sound code passes them, and each planted fault is found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.random import default_rng

from tamid.adapters.inline import TinyLearner, TinyModel, load
from tamid.core.errors import OutOfTime, UserCodeError
from tamid.core.learning.model import FeatureTable, Floats, Param
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task, jsonable
from tamid.ports import TrainingJob
from tamid.stages.fitting import Tools
from tamid.stages.selftests import Tried, outcomes, run_tests
from tamid.workshop import parse, tools

ROWS = 200
CONTRACT = """\
tamid: 1
name: toy
task: binary
data:
  source: {path: rows/*.csv, owner: mlops_engineer}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, reporting_lag: 2d}
  schema:
    minutes: {type: number, min: 0, max: 10080}
    calls: {type: number, min: 0, nullable: true}
    plan: {type: category, allowed: [basic, plus]}
    city: {type: text, nullable: true}
training: {model: logistic}
"""
WITH_CODE = CONTRACT + "features: {code: features.py:build}\n"
SOUND = "def build(rows):\n    return rows.with_columns(half=rows['minutes'] / 2)\n"


def rows() -> pl.DataFrame:
    """Labelled rows that keep the contract."""
    rng = default_rng(1)
    minutes = rng.uniform(0, 1000, ROWS)
    return pl.DataFrame(
        {
            ENTITY: [f"c{n}" for n in range(ROWS)],
            TIME: pl.Series([None] * ROWS, dtype=pl.Datetime("us", "UTC")),
            PERIOD: ["2026-03-01"] * ROWS,
            LABEL: (minutes < 300).astype(np.float64),
            WEIGHT: np.ones(ROWS),
            "minutes": minutes,
            "calls": rng.integers(1, 20, ROWS).astype(np.float64),
            "plan": rng.choice(["basic", "plus"], ROWS),
            "city": rng.choice(["Haifa", "Acre"], ROWS),
        }
    )


def job(code: str = "") -> TrainingJob:
    """A job with this feature code, or none."""
    return TrainingJob(
        run="t", contract=WITH_CODE if code else CONTRACT,
        code={"features.py": code} if code else {}, frame=rows(), windows={}, holdout=(), seed=7,
    )  # fmt: skip


def results(code: str = "") -> dict[str, Tried]:
    """Run the tests with the learner that needs only numpy."""
    told = tools.code_tests(job(code), tiny=True)
    return {f"{one['what']}/{one['name']}": Tried(**one) for one in told}


def test_sound_code_passes_everything() -> None:
    """And a test without a matter is skipped, not passed."""
    found = results(SOUND)
    assert {r.outcome for r in found.values()} == {"pass"}
    assert len(found) == 14
    bare = results()
    assert bare["features/no feature code"].outcome == "skipped"
    assert bare["model/fits a batch"].outcome == "pass"


FAULTS = {
    "features/shuffled rows": "rows.with_columns(turn=rows['minutes'].cum_sum())",
    "features/one row = batch": "rows.with_columns(share=rows['minutes'] / rows['minutes'].max())",
    "features/twice the same": "rows.with_columns(luck=pl.Series(np.random.rand(rows.height)))",
    "features/nulls": "rows.with_columns(n=pl.Series([int(v) for v in rows['calls']]))",
    "features/unseen level": "rows.with_columns("
    "c=pl.Series([{'Haifa': 1, 'Acre': 2, None: 0}[v] for v in rows['city']]))",
    "features/extremes from the schema": "rows.with_columns("
    "r=pl.Series([1 / v for v in rows['minutes']]))",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name: str) -> None:
    """By the test that is about it."""
    code = f"import numpy as np\nimport polars as pl\ndef build(rows):\n    return {FAULTS[name]}\n"
    found = results(code)[name]
    assert found.outcome == "fail"
    assert found.message


def test_the_message_says_which_value_broke_it() -> None:
    """So that nobody has to search for the row."""
    code = "import polars as pl\ndef build(rows):\n    return " + FAULTS["features/unseen level"]
    assert "a word in 'city'" in results(code)["features/unseen level"].message


class Faulty(TinyLearner):
    """A learner whose models do something that none may."""

    def __init__(self, fault: type[TinyModel]) -> None:
        super().__init__(Task.BINARY)
        self._fault = fault

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> TinyModel:
        model = super().fit(x, y, weight, params, seed)
        model.__class__ = self._fault
        return model


class OfTheBatch(TinyModel):
    """Its answers follow from who comes along."""

    def predict(self, x: FeatureTable) -> Floats:
        return np.clip(super().predict(x) * len(x) / ROWS, 0, 1)


class Endless(TinyModel):
    """It knows no bounds."""

    def predict(self, x: FeatureTable) -> Floats:
        return super().predict(x) * np.where((x.values > 10_000).any(axis=1), np.nan, 1)


class Forgetful(TinyModel):
    """What it stores is not what it is."""

    def predict(self, x: FeatureTable) -> Floats:
        return super().predict(x) / 2


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (OfTheBatch, "one row = batch"),
        (Endless, "extremes from the schema"),
        (Forgetful, "save and load equal"),
    ],
)
def test_a_faulty_model_is_found(fault: type[TinyModel], name: str) -> None:
    """The other tests still run."""
    mine = job()
    contract = parse(mine.contract)
    box = Tools(
        learner=Faulty(fault), baselines={}, load=lambda stored, schema: load(stored),
        generator=default_rng, seconds=monotonic,
    )  # fmt: skip
    found = {r.name: r for r in run_tests(mine, contract, box) if r.what == "model"}
    assert found[name].outcome == "fail"
    assert found["fits a batch"].outcome == "pass"
    assert len(found) == 8


class Place:
    """A place to test that answers what it is told to."""

    def __init__(self, answer: Sequence[Mapping[str, Any]] | Exception) -> None:
        self._answer = answer

    def try_out(self, job: TrainingJob, timeout: timedelta) -> Mapping[str, object]:
        return {}

    def test(self, job: TrainingJob, timeout: timedelta) -> Sequence[Mapping[str, Any]]:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize("error", [UserCodeError("line 3 fails"), OutOfTime("took longer")])
def test_code_that_does_not_load_or_end_is_a_failed_test(error: Exception) -> None:
    """Not an error of the command."""
    (found,) = outcomes(job(), Place(error), timedelta(seconds=1))
    assert (found.what, found.name, found.outcome) == ("code", "loads and ends", "fail")
    assert str(error) in found.message


def test_what_the_worker_tells_is_read_back() -> None:
    """One result in front: that the code loads."""
    told = [jsonable(Tried(what="model", name="nulls", outcome="skipped", message="none"))]
    first, second = outcomes(job(), Place(told), timedelta(seconds=1))
    assert (first.name, first.outcome) == ("loads and ends", "pass")
    assert second == Tried(what="model", name="nulls", outcome="skipped", message="none")
