"""A column turns against the model that reads it: the one that does without it answers first."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from period_world import FIRST, Small, customers
from small_world import COMPLAINTS, LEAVERS

from tamid.adapters.keys import Keys
from tamid.core import events as ev
from tamid.core.ladder import CHAMPION, REDUCED
from tamid.core.values import ENTITY
from tamid.stages import dataset

COUNT, WEEK, TURNS = 800, timedelta(weeks=1), 14
CONTRACT = LEAVERS.format(name="small", labels_owner="") + COMPLAINTS + """\
monitoring: {every: 3d, quality: {metric: f1, at_least: 0.6}}
retraining: {on: [age], max_age: 52w}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}], reasons: 0}
"""  # fmt: skip


def rows(k: int) -> pl.DataFrame:
    """Return a week's customers; who complains is the same mix in every week."""
    some = np.random.default_rng([17, k]).exponential(size=COUNT).round(3)
    frame = customers(k, FIRST + k * WEEK, COUNT)
    return frame.with_columns(complaints=pl.Series(some))


def labels(k: int) -> pl.DataFrame:
    """Return who left; from the turn on those stay who complain, since they are cared for."""
    frame, rng = rows(k), np.random.default_rng([18, k])
    moved = 1.2 if k < TURNS else -1.2
    complaints = frame["complaints"].to_numpy() - 1.0
    pull = 2.0 * frame["usage"].to_numpy() + moved * complaints
    left = rng.random(COUNT) < 1 / (1 + np.exp(-pull))
    return frame.select("customer", "week").with_columns(left=pl.Series(left.astype(int)))


def f1(frame: pl.DataFrame) -> float:
    """Return the F1 of the decisions that were handed out."""
    said, left = frame["decision"].to_numpy(), frame["left"].to_numpy()
    return float(2 * (said * left).sum() / (said.sum() + left.sum()))


def test_the_model_without_a_column_that_turned_answers_first(keys: Keys) -> None:
    """Once the fall is confirmed; both are measured on each drifted week, whoever answered it.

    Each by its own threshold: what is told of the second model is what its decisions reached.
    """
    small = Small(keys, CONTRACT, rows, labels, every=WEEK, past=12)
    state = small.live(TURNS - 12 + 4)
    (moved,) = small.happened(ev.RungSet)
    assert moved.rung == state.rung == REDUCED
    assert moved.measured[REDUCED] > moved.measured[CHAMPION] + 0.05 > moved.measured["default"]
    answered = [dict(state.scored[p].rungs) for p in sorted(state.scored)]
    assert answered == [{CHAMPION: COUNT}] * 4 + [{REDUCED: COUNT}] * 2
    week = TURNS + 2
    period = small.start(week).date().isoformat()
    served = state.measure("served", 1, period)
    assert served is not None
    given = dataset.in_force(small.tables, state, state.pins["small.predictions"], [period])
    truth = labels(week).select(pl.col("customer").alias(ENTITY), "left")
    assert served.value == pytest.approx(f1(given.join(truth, on=ENTITY)))
    drifted = {e.period: e.rows for e in small.happened(ev.Measured) if e.signal == "rung/champion"}
    assert drifted[period] == 3 * COUNT
    assert list(state.runs) == ["run-0001"]
