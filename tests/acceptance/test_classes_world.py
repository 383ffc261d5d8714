"""Three classes: when their chances move, the spread of scores pages, and names the class."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import period_world
import polars as pl
import pytest
from small_world import LEAVERS

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.ports import Clock
from tamid.stages.moved import usual_of
from tamid.stages.normal import accept_normal
from tamid.stages.rig import Rig
from tamid.workshop import inline_trainer

WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
ROWS, PAST, MOVES = 400, 24, 3
PLANS = ("basic", "fibre", "plus")
CONTRACT = (
    LEAVERS.format(name="small", labels_owner=", owner: ml_developer")
    .replace("task: binary", "task: multiclass")
    .replace("column: left", "column: plan")
    .replace("    positive: 1\n", "")
    + "  schema:\n    a: {type: number}\n    b: {type: number}\n"
    + "    plan: {type: category, allowed: [basic, fibre, plus]}\n"
    + """\
training: {model: logistic}
gates: {minimum: {macro_f1: 0.4}}
service: {p99_ms: 60000, start_s: 600, fallback: [previous]}
release: {path: [live], approval: auto}
monitoring: {every: 7d, quality: {metric: macro_f1, at_least: 0.4}}
retraining: {cooldown: 1d, max_age: 52w}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}], reasons: 0}
"""
)


class World(period_world.Small):
    """The small model with a learner that knows classes."""

    def opened(self, clock: Clock) -> Rig:
        """Open the ports as a fresh process does."""
        return replace(super().opened(clock), trainer=inline_trainer())


def rows(k: int) -> pl.DataFrame:
    """Two numbers; the first moves up for good: `plus` becomes likely."""
    rng = np.random.default_rng([4, k])
    when = pl.Series([period_world.FIRST + k * WEEK] * ROWS, dtype=pl.Datetime("us", "UTC"))
    found = pl.DataFrame({"customer": [f"c{k}-{n}" for n in range(ROWS)], "week": when})
    a, b = rng.normal(size=(2, ROWS)).round(4)
    return found.with_columns(pl.Series("a", a + (1.2 if k >= PAST + MOVES else 0.0)), b=b)


def labels(k: int) -> pl.DataFrame:
    """Which plan is chosen hangs on the first number, then as before."""
    frame, rng = rows(k), np.random.default_rng([5, k])
    pull = frame["a"].to_numpy() + 0.5 * rng.normal(size=ROWS)
    plan = np.array(PLANS)[np.digitize(pull, [-0.4, 0.6])]
    return frame.select("customer", "week").with_columns(pl.Series("plan", plan))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world, lived through until two weeks after the move."""
    keys = Keys(tmp_path_factory.mktemp("keys"))
    keys.create()
    made = World(keys, CONTRACT, rows, labels, every=WEEK, past=PAST, later=8 * DAY)
    made.live(MOVES + 2)
    return made


def test_each_class_has_a_reference_and_is_watched(world: World) -> None:
    """A score for each class, in the bundle, the weeks, and the record of every period."""
    usual = usual_of(world.opened(SimulatedClock(world.start(PAST))), world.state, 1)
    assert [p.column for p in usual.scores] == [f"class_{plan}" for plan in PLANS]
    assert set(usual.score_weeks.counts) == {f"class_{plan}" for plan in PLANS}
    reference = world.state.versions[1].registered.reference
    assert len(reference["score_psi"]) >= 20
    seen = world.state.measured["score_psi@1"]
    assert all(set(m.detail) == set(PLANS) for m in seen.values())
    before = [m.value for p, m in seen.items() if p < world.start(PAST + MOVES).date().isoformat()]
    after = [m.value for p, m in seen.items() if p >= world.start(PAST + MOVES).date().isoformat()]
    assert max(before) < max(reference["score_psi"]) + 0.05 < min(after)


def test_moved_chances_page_once_with_budget_and_class(world: World) -> None:
    """Before any label of the moved weeks is in."""
    (raised,) = (a for a in world.happened(ev.AlarmRaised) if a.signal == "score_psi")
    assert raised.period == world.start(PAST + MOVES).date().isoformat()
    assert "the scores of version 1 moved by a PSI of" in raised.message
    assert any(f"most of all {plan}" in raised.message for plan in PLANS)
    assert "at most 1 false alarm a year expected" in raised.budget


def test_a_person_may_take_them_for_the_new_normal(world: World) -> None:
    """Every class's reference moves to where it is now."""
    (raised,) = (a for a in world.happened(ev.AlarmRaised) if a.signal == "score_psi")
    rig = world.opened(SimulatedClock(world.start(PAST + MOVES + 2)))
    event = accept_normal(rig, world.state, raised.alarm, rig.clock.now())
    moved = usual_of(
        rig,
        replace(world.state, versions={1: replace(world.state.versions[1], usual=event.usual)}),
        1,
    )
    before = usual_of(rig, world.state, 1)
    assert [p.column for p in moved.scores] == [p.column for p in before.scores]
    assert all(a.counts != b.counts for a, b in zip(moved.scores, before.scores, strict=True))
