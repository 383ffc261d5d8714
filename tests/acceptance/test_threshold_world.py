"""Only the share of positives moves: another threshold repairs it, or it does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import period_world
import polars as pl
from small_world import LEAVERS

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.actions import MoveThreshold
from tamid.core.state import State
from tamid.stages.audit import audit, prove
from tamid.stages.registry import overlay_of, threshold_at
from tamid.stages.rig import Rig
from tamid.stages.thresholds import move_threshold

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
ROWS, PAST, COLUMNS, MOVES = 2400, 12, 6, 2
# Distance of leavers from the others, in standard deviations, over all columns together.
APART = 2.5
CONTRACT = (
    LEAVERS.format(name="small", labels_owner=", owner: ml_developer")
    + "".join(f"    x{i}: {{type: number}}\n" for i in range(COLUMNS)).join(("  schema:\n", ""))
    + """\
training: {model: logistic}
gates: {minimum: {f1: 0.6}, baselines: [majority], calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [previous, default: 0.5]}
release: {path: [shadow, live], approval: auto}
monitoring: {every: 7d, quality: {metric: f1, at_least: OWED}}
retraining: {cooldown: 1d, max_age: 52w}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}], reasons: 0}
"""
)


def leavers(k: int) -> np.ndarray:
    """Half leave, later three in twenty; how many differs a little from week to week."""
    rng = np.random.default_rng([3, k])
    share = (0.5 if k < PAST + MOVES else 0.15) + rng.normal() * 0.02
    return (rng.random(ROWS) < share).astype(np.int64)


def rows(k: int) -> pl.DataFrame:
    """Those who leave look alike whatever their number is."""
    rng = np.random.default_rng([4, k])
    x = rng.normal(size=(ROWS, COLUMNS)) + APART / np.sqrt(COLUMNS) * leavers(k)[:, None]
    when = pl.Series([period_world.FIRST + k * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC"))
    found = pl.DataFrame({"customer": [f"c{k}-{n}" for n in range(ROWS)], "week": when})
    return found.with_columns(pl.Series(f"x{i}", x[:, i].round(4)) for i in range(COLUMNS))


def labels(k: int) -> pl.DataFrame:
    """Who left."""
    return rows(k).select("customer", "week").with_columns(pl.Series("left", leavers(k)))


def world(keys: Keys, owed: float, training: str = "model: logistic") -> period_world.Small:
    """The world under a contract that demands a least F1."""
    text = CONTRACT.replace("OWED", f"{owed}").replace("model: logistic", training)
    return period_world.Small(keys, text, rows, labels, every=WEEK, past=PAST, later=8 * DAY)


def test_the_threshold_alone_repairs_it_and_nobody_retrains(keys: Keys) -> None:
    """A signed overlay, no run, no open alarm, and quality as owed from the next scores on."""
    w = world(keys, 0.7)
    state = w.live(MOVES + 4)
    (moved,) = w.happened(ev.ThresholdMoved)
    assert moved.threshold > moved.before + 0.1
    assert [r.started.trigger for r in state.runs.values()] == ["first"]
    assert not [a for a in state.open_alarms.values() if a.raised.signal == "quality"]
    rig = w.opened(SimulatedClock(w.start(PAST)))
    ref = state.versions[1].registered.ref
    assert ref.overlay == moved.overlay
    assert overlay_of(rig, ref.overlay).threshold == moved.threshold
    seen = state.measured["quality@1"]
    before, after = (min(seen), max(seen))
    assert threshold_at(rig, state, 1, before) == moved.before
    assert threshold_at(rig, state, 1, after) == moved.threshold
    assert seen[after].value > 0.74
    found = audit(rig, w.ledger.read("small"))
    assert found.same
    assert not prove(rig, w.ledger.read("small")).faults
    _rests_on_its_own_scores(rig, state, moved)


def _rests_on_its_own_scores(rig: Rig, state: State, moved: ev.ThresholdMoved) -> None:
    """A period that another version answered, seen in hindsight, says nothing of a threshold."""
    alarm, before = state.alarms[moved.alarm], min(state.scored)
    raised = replace(alarm.raised, periods=(before, *alarm.raised.periods))
    told = replace(
        state,
        alarms={**state.alarms, moved.alarm: replace(alarm, raised=raised)},
        scored={**state.scored, before: replace(state.scored[before], number=2)},
    )
    action = MoveThreshold(
        key="again", reason="t", alarm=moved.alarm, number=1, threshold=moved.threshold,
        period=max(moved.periods),
    )  # fmt: skip
    contract, now = rig.contract(state.contract), rig.clock.now()
    plain, again = (move_threshold(rig, contract, s, action, now) for s in (state, told))
    assert before not in moved.periods
    assert again == plain


def test_where_no_threshold_repairs_it_the_loop_retrains(keys: Keys) -> None:
    """More is owed than any threshold reaches: it is tried, told, and a run is started."""
    w = world(keys, 0.86)
    state = w.live(MOVES + 2)
    assert not w.happened(ev.ThresholdMoved)
    tried = [e for e in w.happened(ev.Measured) if e.signal == "threshold"]
    assert tried[0].detail["repairs"] == 0.0
    assert tried[0].interval is not None
    assert tried[0].interval.low < 0.86
    assert [r.started.trigger for r in state.runs.values()][:2] == ["first", "quality"]


def test_where_no_threshold_may_be_moved_the_loop_retrains(keys: Keys) -> None:
    """The contract holds it fixed: the diagnosis says what is left, and a run is started."""
    w = world(keys, 0.7, "model: logistic, threshold: 0.5")
    state = w.live(MOVES + 2)
    assert not w.happened(ev.ThresholdMoved)
    assert not [e for e in w.happened(ev.Measured) if e.signal == "threshold"]
    told = next(e for e in w.happened(ev.Diagnosed) if e.alarm.startswith("quality/"))
    assert (told.cause, told.retraining) == ("prevalence", "needed")
    assert "a model that knows the share may" in told.reasons[-1]
    assert [r.started.trigger for r in state.runs.values()][:2] == ["first", "quality"]
