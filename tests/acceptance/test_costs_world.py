"""A concept drifts for good: whether the loop trains is a matter of two costs in the contract."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import period_world
import polars as pl
from small_world import LEAVERS

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.stages.audit import audit
from tamid.stages.loop import conclude

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
ROWS, PAST, MOVES = 1200, 12, 2
CONTRACT = (
    LEAVERS.format(name="small", labels_owner=", owner: ml_developer")
    + "  schema:\n    a: {type: number}\n    b: {type: number}\n"
    + """\
training: {model: logistic}
gates: {minimum: {f1: 0.5}, baselines: [majority], calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [previous, default: 0.5]}
release: {path: [live], approval: auto}
monitoring: {every: 7d, quality: {metric: f1, at_least: OWED}}
retraining: {cooldown: 1d, max_age: 52w, costs: {run: RUN ILS, error: 2 ILS}}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}], reasons: 0}
"""
)


def rows(k: int) -> pl.DataFrame:
    """Two numbers that never drift."""
    rng = np.random.default_rng([4, k])
    when = pl.Series([period_world.FIRST + k * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC"))
    found = pl.DataFrame({"customer": [f"c{k}-{n}" for n in range(ROWS)], "week": when})
    numbers = rng.normal(size=(2, ROWS)).round(4)
    return found.with_columns(pl.Series("a", numbers[0]), pl.Series("b", numbers[1]))


def labels(k: int) -> pl.DataFrame:
    """Who leaves hangs on one number at first, and later on the other as much."""
    frame, rng = rows(k), np.random.default_rng([5, k])
    other = 0.0 if k < PAST + MOVES else 0.6
    pull = frame["a"].to_numpy() + other * frame["b"].to_numpy() + 0.4 * rng.normal(size=ROWS)
    left = (pull > 0.3).astype(np.int64)
    return frame.select("customer", "week").with_columns(pl.Series("left", left))


def lived(keys: Keys, run: int, owed: float) -> period_world.Small:
    """Live on until the drift is well known."""
    text = CONTRACT.replace("OWED", f"{owed}").replace("RUN", f"{run}")
    world = period_world.Small(keys, text, rows, labels, every=WEEK, past=PAST, later=8 * DAY)
    world.live(MOVES + 5)
    return world


def triggers(world: period_world.Small) -> list[str]:
    """Return what each run was started for."""
    return [r.started.trigger for r in world.state.runs.values()]


def test_a_run_that_costs_more_than_the_fall_is_not_started(keys: Keys) -> None:
    """The alarm stays open, decisions say why they wait, and an audit repeats them."""
    world = lived(keys, 1_000_000, 0.4)
    assert triggers(world) == ["first"]
    assert [a.raised.signal for a in world.state.open_alarms.values()] == ["quality"]
    moment = world.start(PAST + MOVES + 5)
    rig = world.opened(SimulatedClock(moment))
    _, decision = conclude(rig, world.state, moment)
    waiting = [text for text in decision.waiting if "no run for a fall of f1" in text]
    assert len(waiting) == 1
    assert "1,000,000 ILS" in waiting[0]
    found = audit(rig, world.ledger.read("small"))
    assert found.same


def test_a_run_that_costs_less_is_started(keys: Keys) -> None:
    """The same fall, a tenth of its worth."""
    assert triggers(lived(keys, 100, 0.4))[:2] == ["first", "quality"]


def test_below_the_contract_the_promise_is_kept(keys: Keys) -> None:
    """The same fall and the same price, but more is owed than is left."""
    assert triggers(lived(keys, 1_000_000, 0.85))[:2] == ["first", "quality"]
