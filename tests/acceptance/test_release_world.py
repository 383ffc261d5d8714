"""Releases judged on live rows: what is harmful goes back, what is harmless stays."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import period_world
import polars as pl

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.paging import HINDSIGHT
from tamid.core.state import State
from tamid.core.watching import AFTER, FIRST_ANSWERS, SHADOW, watched
from tamid.stages.audit import audit
from tamid.stages.loop import conclude

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
ROWS, PAST = 400, 12
CONTRACT = """\
tamid: 1
name: small
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows/*.parquet, owner: mlops_engineer}
  entity: customer
  time: week
  label:
    column: left
    positive: 1
    horizon: HORIZON
    reporting_lag: LAG
    source: {path: labels/*.parquet, owner: ml_developer}
  schema:
    usage: {type: number}
    calls: {type: number}
training: {model: logistic}
gates: {minimum: {f1: 0.6}, baselines: [majority], calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, fallback: [previous, default: 0.5]}
release: {path: [shadow, live], approval: auto}
monitoring: {every: EVERY, quality: {metric: f1, at_least: 0.75}}
retraining: {cooldown: 1h, max_age: 52w}
delivery: {every: EVERY, to: [{csv: "out/{period}.csv"}], reasons: 0}
"""


def contract(every: str, horizon: str, lag: str) -> str:
    """Return the contract of a rhythm."""
    text = CONTRACT.replace("EVERY", every).replace("HORIZON", horizon)
    return text.replace("LAG", lag)


def world(keys: Keys, every: timedelta, turned: range, later: timedelta) -> period_world.Small:
    """A world in which little usage leads away, and much usage in the periods `turned`."""

    def rows(k: int) -> pl.DataFrame:
        return period_world.customers(k, period_world.FIRST + k * every, ROWS)

    def labels(k: int) -> pl.DataFrame:
        noise = np.random.default_rng([7, k]).normal(size=ROWS) * 0.3
        usage = rows(k).get_column("usage").to_numpy() * (-1 if k in turned else 1)
        left = (usage + noise < -0.2).astype(np.int64)
        return rows(k).select("customer", "week").with_columns(pl.Series("left", left))

    text = contract("7d", "7d", "1d") if every == WEEK else contract("1d", "12h", "1h")
    return period_world.Small(keys, text, rows, labels, every=every, past=PAST, later=later)


def test_a_release_that_harms_is_rolled_back_and_one_that_helps_is_not(keys: Keys) -> None:
    """The world turns for two weeks and back again: version 2 was right, then it is wrong."""
    w = world(keys, WEEK, range(PAST + 2, PAST + 4), 8 * DAY)
    state = w.live(6)
    assert state.champion == 2
    helped = watched(state, AFTER, 2)
    assert helped is None or not helped.harms
    _was_asked_in_hindsight(w, state)
    state = w.live(2)
    back = w.happened(ev.RolledBack)
    assert [(e.number, e.back_to) for e in back] == [(2, 1)]
    assert "evidence" in back[0].reason
    assert state.versions[2].stopped
    seen = [e for e in w.happened(ev.Measured) if e.signal == AFTER and e.model_version == 2]
    assert seen[-1].value < -0.3
    assert seen[-1].band is not None
    assert seen[-1].band.high < 0
    answers = [e for e in w.happened(ev.Measured) if e.signal == FIRST_ANSWERS]
    assert {e.value for e in answers} == {1.0}
    # A week of rest, by the rules of today; decisions are repeated by those of their time.
    moment = state.reigns[-1].since + DAY
    rig = w.opened(SimulatedClock(moment))
    assert conclude(rig, state, moment)[0].cooling
    assert not conclude(rig, state, moment, 1)[0].cooling
    assert audit(rig, rig.ledger.read(rig.model)).same


def _was_asked_in_hindsight(w: period_world.Small, state: State) -> None:
    """Labels that came for what version 1 answered last are held against version 2, each once."""
    told = [e for e in w.happened(ev.Measured) if e.signal == HINDSIGHT and e.model_version == 2]
    through = state.versions[2].registered.trained_through
    asked = {p for p, s in state.scored.items() if s.number == 1 and p > through}
    assert {e.period for e in told} == asked & set(state.measured["quality@1"])
    assert len(told) == len({e.period for e in told}) > 0
    for e in told:
        # Version 2 has learnt what the world turned to, version 1 has not.
        mine = state.measured["quality@1"][e.period]
        assert e.rows == mine.rows
        assert abs(e.value - mine.value) > 0.3


def test_in_shadow_labels_that_come_in_time_decide(keys: Keys) -> None:
    """Daily labels: the world has turned back while version 2 stands in shadow: it is withdrawn."""
    w = world(keys, DAY, range(PAST + 3, PAST + 5), timedelta(hours=13))
    state = w.live(8)
    assert state.champion == 1
    stopped = w.happened(ev.ReleaseStopped)
    assert [e.number for e in stopped] == [2]
    assert "shown to be worse in shadow" in stopped[0].reason
    told = [e for e in w.happened(ev.Measured) if e.signal == SHADOW]
    assert told
    assert not w.happened(ev.RolledBack)


def test_in_shadow_a_better_version_goes_live_when_it_is_shown(keys: Keys) -> None:
    """Daily labels in a world that stays turned: version 2 goes live with its evidence told."""
    w = world(keys, DAY, range(PAST + 3, PAST + 99), timedelta(hours=13))
    state = w.live(7)
    assert state.champion == 2
    promoted = w.happened(ev.Promoted)[-1]
    assert "better on live rows" in promoted.reason
    assert not w.happened(ev.RolledBack)


def test_rows_that_moved_for_both_versions_are_no_fault_of_the_new_one(keys: Keys) -> None:
    """Little usage becomes common just after a release: each version scores otherwise than usual.

    Both are held against the weeks that they were judged on, by one measure; nothing goes back.
    """
    count, moves = 1200, PAST + 5

    def rows(k: int) -> pl.DataFrame:
        frame = period_world.customers(k, period_world.FIRST + k * WEEK, count)
        return frame.with_columns(pl.col("usage") - (0.8 if k >= moves else 0.0))

    def labels(k: int) -> pl.DataFrame:
        noise = np.random.default_rng([7, k]).normal(size=count) * 0.3
        turned = -1 if k > PAST else 1
        left = (rows(k).get_column("usage").to_numpy() * turned + noise < -0.2).astype(np.int64)
        return rows(k).select("customer", "week").with_columns(pl.Series("left", left))

    text = contract("7d", "7d", "1d")
    w = period_world.Small(keys, text, rows, labels, every=WEEK, past=PAST, later=8 * DAY)
    state = w.live(6)
    assert state.champion == 2
    first = [e for e in w.happened(ev.Measured) if e.signal == FIRST_ANSWERS]
    *still, last = [e.detail for e in first if e.model_version == 2]
    assert still
    assert all(d["moved"] < 0.1 and "previous_moved" not in d for d in still)
    assert last["moved"] > 0.25
    assert abs(last["previous_moved"] - last["moved"]) < 0.1
    assert not w.happened(ev.RolledBack)
