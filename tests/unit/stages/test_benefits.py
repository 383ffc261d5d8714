"""What a feature is worth: found where it is planted, bounded in cost, silent where unknown."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.random import default_rng

from tamid.adapters.inline import TinyLearner, load
from tamid.core.learning.benefit import Benefit
from tamid.core.learning.choice import tune
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task
from tamid.ports import TrainingJob
from tamid.stages import benefits
from tamid.stages.fitting import Bench, Tools
from tamid.workshop import parse

WEEKS, PEOPLE = 10, 120
CONTRACT = """\
tamid: 1
name: toy
task: binary
data:
  source: {path: rows/*.csv, owner: mlops_engineer}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, reporting_lag: 2d}
training: {model: logistic}
"""


def frame(**columns: Any) -> pl.DataFrame:
    """Weekly rows: `slow` stands still from week to week, `fresh` does not, `noise` is noise."""
    rng = default_rng(3)
    slow = np.repeat(rng.normal(size=PEOPLE)[None], WEEKS, axis=0).ravel()
    fresh, noise = rng.normal(size=(2, WEEKS * PEOPLE))
    left = (slow + fresh + 0.3 * rng.normal(size=WEEKS * PEOPLE) > 0.5).astype(np.float64)
    weeks = [datetime(2026, 3, 1, tzinfo=UTC) + timedelta(weeks=w) for w in range(WEEKS)]
    return pl.DataFrame(
        {
            ENTITY: [f"c{n}" for _ in weeks for n in range(PEOPLE)],
            TIME: pl.Series(
                [w for w in weeks for _ in range(PEOPLE)], dtype=pl.Datetime("us", "UTC")
            ),
            PERIOD: [w.date().isoformat() for w in weeks for _ in range(PEOPLE)],
            LABEL: left,
            WEIGHT: np.ones(len(left)),
            "slow": slow,
            "fresh": fresh,
            "noise": noise,
            **columns,
        }
    )  # fmt: skip


def measured(
    rows: pl.DataFrame,
    seconds: Callable[[], float] = lambda: 0.0,
    code: Callable[[pl.DataFrame], pl.DataFrame] | None = None,
) -> dict[str, Benefit]:
    """Measure the features of a model that was fitted on all weeks but the last four."""
    contract = parse(CONTRACT)
    periods = tuple(sorted(rows.get_column(PERIOD).unique().to_list()))
    job = TrainingJob(
        run="run-0001", contract=CONTRACT, code={}, frame=rows, windows={"all": periods},
        holdout=periods[-4:], seed=7,
    )  # fmt: skip
    tools = Tools(
        learner=TinyLearner(Task.BINARY), baselines={}, load=lambda stored, schema: load(stored),
        generator=default_rng, seconds=seconds, code=code,
    )  # fmt: skip
    bench = Bench(job, contract, tools)
    fold = bench.plan.judging("all")
    model = bench.fit("all", fold.fit, {}, "judged")
    raw = model.predict(bench.table.take(fold.seen))
    chosen = tune(contract, "all", bench.y[fold.seen], raw, bench.weight[fold.seen])
    return {b.feature: b for b in benefits.measured(bench, model, chosen, fold)}


def test_a_feature_that_tells_is_told_from_noise() -> None:
    """The interval of the one lies above zero, the other's holds it."""
    found = measured(frame())
    assert list(found)[-1] == "noise"
    for name in ("slow", "fresh"):
        benefit = found[name].benefit
        assert benefit is not None
        assert benefit.low > 0.05
        assert benefit.low < benefit.point < benefit.high
    noise = found["noise"].benefit
    assert noise is not None
    assert noise.low <= 0 <= noise.high


def test_what_was_known_earlier_has_a_lead() -> None:
    """A value that stands still told the same four weeks ago; a fresh one did not."""
    found = measured(frame())
    assert found["slow"].lead == 4
    assert found["fresh"].lead == 0
    assert found["noise"].lead is None


def test_missing_values_are_counted() -> None:
    """As a share of the judged rows."""
    rows = frame().with_columns(
        pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise("noise").alias("noise")
    )
    assert measured(rows)["noise"].nulls == pytest.approx(0.25)


def test_code_has_a_cost_and_columns_have_none() -> None:
    """What the user's code makes is timed, its columns share the time."""
    ticking = itertools.count(0.0, 0.001)
    found = measured(
        frame(), lambda: next(ticking), lambda rows: rows.with_columns(sum=pl.col("slow") * 2)
    )
    assert found["sum"].source == "code"
    assert found["sum"].ms == pytest.approx(1.0)
    assert (found["slow"].source, found["slow"].ms) == ("column", 0.0)


def test_what_takes_too_long_stays_unmeasured_and_says_so() -> None:
    """The budget holds whatever the model costs; nothing is made up."""
    slow = itertools.count(0.0, benefits.BUDGET_S / 1.5)
    found = measured(frame(), lambda: next(slow))
    known = [b for b in found.values() if b.benefit is not None]
    assert 0 < len(known) < len(found)
    assert all(b.lead is None for b in found.values())


def test_many_rows_are_sampled_by_entity(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is drawn are customers with all their weeks, as the interval assumes."""
    monkeypatch.setattr(benefits, "MOST_ROWS", 200)
    found = measured(frame())
    benefit = found["slow"].benefit
    assert benefit is not None
    assert benefit.low > 0


def test_without_history_nothing_is_said_about_age() -> None:
    """Every row is another customer's."""
    rows = frame().with_columns(pl.Series(ENTITY, [f"n{i}" for i in range(WEEKS * PEOPLE)]))
    found = measured(rows)
    assert found["slow"].benefit is not None
    assert {b.lead for b in found.values()} == {None}
