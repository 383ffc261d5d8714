"""Which unit is drawn: days, weeks, entities, or both."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.stats.blocks import (
    Groups,
    Unit,
    autocorrelation,
    choose_blocks,
    design_effect,
    hang_together,
)


def _units(influence: Floats, groups: Groups) -> list[Unit]:
    return [b.unit for b in choose_blocks(influence, groups).blocks]


def test_without_time_entities_are_drawn() -> None:
    """A table without time is drawn by entity, or by row where each entity has one."""
    z = np.random.default_rng(0).normal(size=60)
    assert _units(z, Groups(entity=np.arange(60) // 2)) == [Unit.ENTITY]
    assert _units(z, Groups(entity=np.arange(60))) == [Unit.ROW]
    assert _units(z, Groups()) == [Unit.ROW]


def test_independent_days_are_drawn_as_days() -> None:
    """Days whose differences do not hang together are the unit."""
    day = np.repeat(np.arange(84), 20)
    shock = np.random.default_rng(1).normal(size=84)
    assert _units(shock[day], Groups(day=day, week=day // 7)) == [Unit.DAY]


def test_days_that_hang_together_become_weeks() -> None:
    """Where neighbouring days agree, the week is the unit, and the reason says so."""
    rng = np.random.default_rng(2)
    shock = np.repeat(rng.normal(size=12), 7) + 0.3 * rng.normal(size=84)
    day = np.repeat(np.arange(84), 20)
    plan = choose_blocks(shock[day], Groups(day=day, week=day // 7))
    assert [b.unit for b in plan.blocks] == [Unit.WEEK]
    assert plan.blocks[0].count == 12
    assert "cannot stand alone" in plan.reason


def test_few_days_are_not_trusted() -> None:
    """With fewer than ten days their correlation cannot be judged."""
    day = np.repeat(np.arange(9), 30)
    z = np.random.default_rng(3).normal(size=len(day))
    assert _units(z, Groups(day=day, week=day // 7)) == [Unit.WEEK]


def test_a_weekly_panel_draws_both() -> None:
    """Entities that come back every week are drawn beside the weeks."""
    entity, week = np.repeat(np.arange(100), 6), np.tile(np.arange(6), 100)
    z = np.random.default_rng(4).normal(size=600)
    plan = choose_blocks(z, Groups(entity=entity, day=7 * week, week=week))
    assert [(b.unit, b.count) for b in plan.blocks] == [(Unit.ENTITY, 100), (Unit.WEEK, 6)]
    assert plan.panel


def test_a_few_returning_entities_make_no_panel() -> None:
    """When hardly anybody comes back, time alone is drawn."""
    week = np.repeat(np.arange(10), 50)
    entity = np.arange(500)
    entity[-10:] = np.arange(10)
    z = np.random.default_rng(5).normal(size=500)
    assert _units(z, Groups(entity=entity, week=week)) == [Unit.WEEK]


def test_drifted_weeks_are_judged_by_entity_alone() -> None:
    """After a confirmed break time is left out."""
    entity, week = np.repeat(np.arange(100), 2), np.tile(np.arange(2), 100)
    plan = choose_blocks(np.ones(200), Groups(entity=entity, week=week), entity_only=True)
    assert [b.unit for b in plan.blocks] == [Unit.ENTITY]


def test_days_without_weeks_stand_alone() -> None:
    """Where the data knows no weeks, days are all there is."""
    z = np.random.default_rng(6).normal(size=40)
    assert _units(z, Groups(day=np.arange(40) // 4)) == [Unit.DAY]


def test_measures_of_dependence() -> None:
    """Autocorrelation is unbiased for noise; the design effect is the cluster size for copies."""
    rng = np.random.default_rng(7)
    noise = [autocorrelation(rng.normal(size=12)) for _ in range(3000)]
    assert abs(float(np.mean(noise))) < 0.02
    copies = np.repeat(rng.normal(size=50), 5)
    assert design_effect(copies, np.repeat(np.arange(50), 5), 50) == pytest.approx(5)
    assert design_effect(copies, np.arange(250), 250) == pytest.approx(1)
    assert not autocorrelation(np.zeros(3)).any()
    assert autocorrelation(np.empty(0)) == 0.0


def test_what_hangs_together_is_told_for_many_at_once() -> None:
    """Noise stands alone, what shares its week does not, and of few units nothing is known."""
    rng = np.random.default_rng(8)
    alone = rng.normal(size=(400, 16))
    shared = np.repeat(rng.normal(size=(400, 4)), 4, axis=1) + 0.3 * alone
    assert float(hang_together(alone).mean()) < 0.25
    assert float(hang_together(shared).mean()) > 0.9
    assert hang_together(alone[:, :9]).all()
    one = [float(autocorrelation(row)) for row in shared[:3]]
    assert np.allclose(autocorrelation(shared[:3]), one)


def test_no_rows_still_give_a_plan() -> None:
    """An empty window has a plan with no blocks instead of an error."""
    none = np.empty(0, dtype=np.int64)
    plan = choose_blocks(np.empty(0), Groups(entity=none, day=none, week=none))
    assert [b.count for b in plan.blocks] == [0]
