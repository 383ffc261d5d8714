"""Plans: what is judged was never fitted, never tuned on, and never foretold by a late outcome."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.errors import DataError
from tamid.core.learning.plans import plan_for
from tamid.core.learning.splits import (
    MIXED,
    RECENT,
    Degraded,
    Grouped,
    Plan,
    Routine,
    Rows,
    share,
    thinned,
    window_weights,
)

WEEK = 7


def panel(weeks: int, entities: int = 40, horizon: int = WEEK) -> Rows:
    """Return a panel of weeks; the unit of time is a day."""
    week = np.repeat(np.arange(weeks), entities)
    return Rows(
        entity=np.tile(np.arange(entities), weeks),
        entities=tuple(f"c{i}" for i in range(entities)),
        period=week,
        periods=tuple(f"p{i:03d}" for i in range(weeks)),
        time=week * WEEK,
        horizon=horizon,
    )


def plan(rows: Rows, holdout: int, *, degraded: bool = False, salt: str = "s") -> Plan:
    """Return the plan over three windows."""
    names = rows.periods
    windows = {"short": names[-4:], "all": names, "long": names[-8:]}
    return plan_for(rows, windows, names[-holdout:], degraded=degraded, salt=salt)


@given(
    weeks=st.integers(6, 30),
    holdout=st.integers(1, 4),
    horizon=st.integers(0, 40),
    window=st.sampled_from(["all", "long", "short"]),
)
def test_routine_plans_never_look_ahead(
    weeks: int, holdout: int, horizon: int, window: str
) -> None:
    """Every fitted row's outcome was decided when the first looked-at row was scored."""
    rows = panel(weeks, 5, horizon)
    found = plan(rows, holdout)
    assert isinstance(found, Routine)
    judging = found.judging(window)
    for fold in (*found.tuning(window), judging):
        if fold.fit.any():
            assert (rows.time[fold.fit] + horizon).max() <= rows.time[fold.seen].min()
        assert not (fold.fit & fold.seen).any()
    for fold in found.tuning(window):
        assert not (judging.seen & (fold.fit | fold.seen)).any()
    assert set(rows.period[judging.seen]) == set(range(weeks - holdout, weeks))


@given(
    holdout=st.integers(1, 3),
    horizon=st.sampled_from([0, 7, 28]),
    window=st.sampled_from(["all", "long", "short", RECENT, MIXED]),
    salt=st.text("abc", max_size=3),
)
def test_degraded_plans_never_learn_from_judged_entities_drifted_rows(
    holdout: int, horizon: int, window: str, salt: str
) -> None:
    """The judging half's drifted rows, and outcomes that reach into them, stay out of all fits."""
    rows = panel(20, 40, horizon)
    found = plan(rows, holdout, degraded=True, salt=salt)
    assert isinstance(found, Degraded)
    judging = found.judging(window)
    judges = set(rows.entity[judging.seen])
    first = rows.time[found.drifted].min()
    for fold in (*found.tuning(window), judging):
        assert not (judging.seen & fold.fit).any()
        assert not (fold.fit & fold.seen).any()
        late = fold.fit & (rows.time + horizon > first)
        assert not judges & set(rows.entity[late])
        if fold is not judging:
            assert not judges & set(rows.entity[fold.seen])
    assert (found.final(window) >= found.drifted).all()


def test_degraded_tuning_is_out_of_fold() -> None:
    """Two folds see each training entity's drifted rows once, without having fitted them."""
    rows = panel(20)
    found = plan(rows, 2, degraded=True)
    assert isinstance(found, Degraded)
    one, two = found.tuning("all")
    assert not (one.seen & two.seen).any()
    assert ((one.seen | two.seen) == (found.drifted & ~found.judge)).all()
    for fold in (one, two):
        new_fitted = set(rows.entity[fold.fit & found.drifted])
        assert not new_fitted & set(rows.entity[fold.seen])
        assert new_fitted


def test_windows_slide_with_the_fold_and_the_default_comes_first() -> None:
    """A window of four weeks means the four weeks before whatever is looked at."""
    rows = panel(20)
    found = plan(rows, 2)
    assert found.windows == ("all", "short", "long")
    assert set(rows.period[found.judging("short").fit]) == {14, 15, 16, 17}
    assert set(rows.period[found.final("short")]) == {16, 17, 18, 19}
    assert set(rows.period[found.final("all")]) == set(range(20))


def test_the_recent_window_is_the_drifted_weeks_alone() -> None:
    """`recent` fits nothing older than the drift."""
    rows = panel(20)
    found = plan(rows, 3, degraded=True)
    assert found.windows == ("all", "short", "long", MIXED, RECENT)
    assert set(rows.period[found.judging(RECENT).fit]) == {17, 18, 19}


def test_a_window_by_contract_stays_the_only_old_one() -> None:
    """A single window given is the default, drift or not."""
    rows = panel(20)
    only = {"long": rows.periods[-8:]}
    held = rows.periods[-2:]
    assert plan_for(rows, only, held, degraded=False, salt="").windows == ("long",)
    assert plan_for(rows, only, held, degraded=True, salt="").windows == ("long", MIXED, RECENT)


def test_without_time_entities_are_dealt() -> None:
    """No entity is on two sides; the deal depends on the salt alone."""
    rows = panel(3, 500)
    static = Rows(
        entity=rows.entity, entities=rows.entities, period=np.zeros(len(rows), dtype=np.int64),
        periods=("static",), time=np.zeros(len(rows), dtype=np.int64), horizon=0,
    )  # fmt: skip
    found = plan_for(static, {}, (), degraded=False, salt="7")
    assert isinstance(found, Grouped)
    (tuning,) = found.tuning("all")
    judging = found.judging("all")
    sides = [set(rows.entity[m].tolist()) for m in (tuning.fit, tuning.seen, judging.seen)]
    assert all(not a & b for a, b in pairwise([*sides, sides[0]]))
    assert 0.2 < len(sides[2]) / 500 < 0.3
    again = plan_for(static, {}, (), degraded=False, salt="7").judging("all")
    assert (again.seen == judging.seen).all()
    other = plan_for(static, {}, (), degraded=False, salt="8").judging("all")
    assert (other.seen != judging.seen).any()


def test_a_drift_without_labels_cannot_be_judged() -> None:
    """No row in the drifted weeks is an error, not a guess."""
    with pytest.raises(DataError, match="drifted weeks"):
        plan_for(panel(10), {}, ("p099",), degraded=True, salt="")


def test_a_holdout_before_all_history_is_refused() -> None:
    """There must be something to learn from before what is judged."""
    rows = panel(10)
    with pytest.raises(DataError, match="no training week"):
        plan_for(rows, {}, rows.periods[:3], degraded=False, salt="")


def test_without_a_holdout_the_last_weeks_are_judged() -> None:
    """A run that names no holdout still judges on weeks after those it fits."""
    rows = panel(20)
    found = plan_for(rows, {}, (), degraded=False, salt="")
    assert set(rows.period[found.judging("all").seen]) == {16, 17, 18, 19}


def test_shares_are_even_and_depend_on_the_salt() -> None:
    """About half of the entities fall on each side, and not the same half for another salt."""
    one = np.array([share(f"c{i}", "a") for i in range(2000)])
    two = np.array([share(f"c{i}", "b") for i in range(2000)])
    assert 0.46 < (one < 0.5).mean() < 0.54
    assert 0.46 < ((one < 0.5) == (two < 0.5)).mean() < 0.54


def test_thinning_keeps_new_rows_and_the_mix() -> None:
    """Thinned rows carry the weight of those left out; rows to keep all stay."""
    keep = np.arange(10_000) >= 9_500
    left, carried = thinned(np.ones(10_000, dtype=bool), keep, 2_500, np.random.default_rng(0))
    assert left[keep].all()
    assert left.sum() == 2_500
    assert carried * (left & ~keep).sum() == pytest.approx(9_500)


def test_mixed_windows_give_the_drifted_weeks_half_the_weight() -> None:
    """However few, the drifted rows weigh as much as all old ones."""
    new = np.arange(100) >= 90
    weight = window_weights(MIXED, np.zeros(100, dtype=np.int64), new, np.ones(100))
    assert weight[new].sum() == pytest.approx(weight[~new].sum())
