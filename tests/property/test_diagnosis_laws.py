"""Laws of the statistics behind a diagnosis, on arrays of any content."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.bugcheck import check_week
from tamid.core.stats.dependence import added, bins_of, sums_of, unexplained
from tamid.core.stats.family import Scale, oddities
from tamid.core.stats.joins import changed
from tamid.core.stats.labelrate import label_rate
from tamid.core.stats.oddities import (
    commonest_shares,
    missing_shares,
    outside_shares,
    unseen_shares,
)
from tamid.core.stats.steps import step_share
from tamid.core.stats.units import unit_change

cells = st.one_of(st.just(float("nan")), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))


@st.composite
def histories(draw: st.DrawFn, least: int = 2, most: int = 5) -> list[Floats]:
    """Weeks of one to six rows and two columns, with missing values."""
    rows = st.lists(st.tuples(cells, cells), min_size=1, max_size=6)
    weeks = draw(st.lists(rows, min_size=least, max_size=most))
    return [np.array(w, dtype=np.float64).reshape(-1, 2) for w in weeks]


@given(histories())
def test_shares_are_shares_in_any_order(weeks: list[Floats]) -> None:
    """Between 0 and 1, and the same for rows in another order."""
    turned = [w[::-1] for w in weeks]
    for measured in np.array([[False, True], [True, False]]):
        unseen = unseen_shares(weeks, measured)
        assert np.array_equal(unseen_shares(turned, measured), unseen)
        assert (unseen <= unseen_shares(weeks, np.zeros(2, dtype=bool))).all()
    for table in (unseen, outside_shares(weeks)):
        assert table.shape == (len(weeks), 2)
        assert ((table >= 0) & (table <= 1)).all()
    assert np.array_equal(outside_shares(turned), outside_shares(weeks))
    for week in weeks:
        for shares in (missing_shares(week), commonest_shares(week)):
            assert ((shares >= 0) & (shares <= 1)).all()


@given(histories())
def test_what_is_unexplained_is_a_number(weeks: list[Floats]) -> None:
    """Tiny, constant or missing columns never give NaN or a negative share."""
    bins = bins_of(np.concatenate(weeks), [False, True])
    sums = [sums_of(bins, w) for w in weeks]
    found = unexplained(bins, added(sums), sums)
    assert np.isfinite(found).all()
    assert (found > -1e-9).all()


@settings(max_examples=25)
@given(histories(least=9, most=11), st.integers(0, 8))
def test_a_check_never_fails_on_tiny_weeks(weeks: list[Floats], rotate: int) -> None:
    """A week is checked whatever stands in it, and the order of reference weeks is no matter."""
    past, now = weeks[:-1], weeks[-1]
    found = check_week(past, now, [False, True])
    assert found.reliable
    assert found.suspected == any(o.alarm for o in found.found)


@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=9), st.floats(-5, 5), st.floats(0.1, 5)
)  # fmt: skip
def test_oddity_never_falls_as_the_value_grows(ref: list[float], now: float, more: float) -> None:
    """Monotone in the value."""
    table, scale = np.array(ref).reshape(-1, 1), Scale(least=-9.0, spread=0.1)
    low = oddities(table, np.array([now]), scale)[0]
    assert oddities(table, np.array([now + more]), scale)[0] >= low


@given(st.integers(30, 60), st.integers(0, 5))
def test_entities_that_stay_as_they_are_have_not_changed(count: int, seed: int) -> None:
    """Whatever the order of rows, the same values of the same entities are no change."""
    rng = np.random.default_rng(seed)
    who, rows = np.arange(count), rng.normal(size=(count, 2))
    order = rng.permutation(count)
    assert (changed(rows, who, rows[order], who[order], [False, True]) == 0).all()


@given(st.integers(0, 500), st.integers(1, 500), st.floats(0.01, 0.99))
def test_a_rate_near_the_usual_is_never_a_bug(positives: int, rows: int, usual: float) -> None:
    """Only rates beyond a quarter or four times the usual are."""
    found = label_rate(min(positives, rows), rows, usual)
    if found.kind:
        assert found.rate < 0.25 * usual or found.rate > 4 * usual


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8), st.floats(-10, 10))
def test_a_step_is_a_share(series: list[float], usual: float) -> None:
    """Between 0 and 1."""
    assert 0 <= step_share(series, usual) <= 1


@given(st.lists(cells, max_size=60), st.lists(cells, max_size=60))
def test_a_unit_change_explains_what_it_names(one: list[float], two: list[float]) -> None:
    """What is named leaves at most a fifth of the difference."""
    found = unit_change(np.array(one, dtype=float), np.array(two, dtype=float))
    assert found is None or 0 <= found.left <= 0.2
