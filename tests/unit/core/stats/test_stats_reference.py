"""Reference scores of weeks: leave one out, few weeks, seasons, calendar columns, false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import psi, psi_rows
from tamid.core.stats.edetector import alarms_in, family_run_length
from tamid.core.stats.reference import (
    FEWEST_WEEKS,
    PSEUDO_WEEKS,
    leave_one_out,
    max_z,
    max_z_reference,
    psi_reference,
    weighted_rows,
)

_tables = st.integers(4, 7).flatmap(
    lambda weeks: st.lists(
        st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=weeks, max_size=weeks
    )
)


def _weeks(rng: np.random.Generator, count: int, days: int, spread: float, tilt: float) -> Floats:
    """Daily counts of 1000 rows a week in 10 bins; weeks differ by `spread`, days by half of it."""
    slope = np.linspace(-1, 1, 10)
    made = []
    for _ in range(count):
        week = rng.normal(tilt * spread, spread)
        for _ in range(days):
            p = np.exp(slope * (week + rng.normal(0, spread / 2)))
            made.append(rng.multinomial(1000 // days, p / p.sum()))
    return np.array(made, dtype=np.float64)


def _alarms(
    seed: int, weeks: int, *, signals: int, checks: int, tilt: float = 0.0, days: int = 1
) -> list[int]:
    rng = np.random.default_rng(seed)
    blocks = _weeks(rng, weeks, days, 0.2, 0.0)
    found = psi_reference({"s": blocks}, np.repeat(np.arange(weeks), days), {"s": 1.0}, rng)
    live = _weeks(rng, checks, 1, 0.2, tilt)
    scores = psi_rows(np.tile(blocks.sum(axis=0), (checks, 1)), live)
    run_length = family_run_length(52, signals)
    return alarms_in(found.scores, run_length, scores.tolist(), rng.random(checks).tolist(), weeks)


@pytest.mark.parametrize(("weeks", "days"), [(26, 1), (12, 1), (12, 7), (8, 7)])
def test_four_signals_share_one_false_alarm_a_year(weeks: int, days: int) -> None:
    """Over exchangeable weeks one of four signals alarms less than once in four years."""
    years = 40
    raised = sum(
        len(_alarms(seed, weeks, signals=4, checks=52, days=days)) for seed in range(years)
    )
    # At the stated rate 10 are expected in 40 years; 17 or more would happen once in 40 times.
    assert raised < 17


def _first_year(seed: int, centre: int, told: int) -> bool:
    rng = np.random.default_rng(seed)
    blocks, middle = _weeks(rng, 24, 1, 0.15, 0.0), _weeks(rng, centre, 1, 0.15, 0.0).sum(axis=0)
    found = psi_reference({"s": blocks}, np.arange(24), {"s": 1.0}, rng, against=told)
    base = np.tile(middle / middle.sum() * blocks.sum(), (52, 1))
    scores = psi_rows(base, _weeks(rng, 52, 1, 0.15, 0.0)).tolist()
    return bool(alarms_in(found.scores, 208.0, scores, rng.random(52).tolist(), 24))


@pytest.mark.parametrize("centre", [1, 4])
def test_a_centre_known_from_few_weeks_keeps_the_budget(centre: int) -> None:
    """All later weeks share its error: the reference must know from how few weeks it comes."""
    # At the stated rate 9 of 40 signals alarm in their first year.
    assert sum(_first_year(seed, centre, centre) for seed in range(40)) <= 9


def test_a_centre_that_is_believed_too_much_pages_too_often() -> None:
    """Scored against all other weeks, the reference takes one week's error for none."""
    assert sum(_first_year(seed, 1, 0) for seed in range(40)) > 9


def test_the_simulation_would_tell_a_wrong_method() -> None:
    """Ranking weeks among the PSI of single rows' noise, which ignores how weeks differ, fails."""
    rng = np.random.default_rng(0)
    blocks = _weeks(rng, 26, 1, 0.2, 0.0)
    noise = rng.multinomial(1000, blocks.sum(axis=0) / blocks.sum(), size=26).astype(float)
    live = _weeks(rng, 104, 1, 0.2, 0.0)
    scores = psi_rows(np.tile(blocks.sum(axis=0), (104, 1)), live)
    raised = alarms_in(leave_one_out(noise).tolist(), 208.0, scores.tolist(), [0.5] * 104)
    assert len(raised) > 20


@pytest.mark.parametrize(("tilt", "within"), [(2.0, 10), (3.0, 5)])
def test_a_shift_of_two_or_three_spreads_is_seen(tilt: float, within: int) -> None:
    """With 26 reference weeks and four signals the median delay is a matter of weeks."""
    first = [
        min(_alarms(seed, 26, signals=4, checks=30, tilt=tilt), default=30) + 1
        for seed in range(25)
    ]
    assert np.median(first) <= within


@given(_tables, st.randoms(use_true_random=False))
def test_the_order_of_weeks_and_bins_is_of_no_matter(table: list[list[int]], random) -> None:  # type: ignore[no-untyped-def]
    """Shuffled weeks give shuffled scores, shuffled bins the same ones."""
    weeks = np.array(table, dtype=float)
    order = list(range(len(weeks)))
    random.shuffle(order)
    plain = leave_one_out(weeks)
    np.testing.assert_allclose(leave_one_out(weeks[order]), plain[order], atol=1e-12)
    np.testing.assert_allclose(leave_one_out(weeks[:, ::-1]), plain, atol=1e-12)


@given(_tables)
def test_a_week_scores_as_the_index_of_the_rest(table: list[list[int]]) -> None:
    """Leaving one out is the plain index against the sum of the others; empty weeks are NaN."""
    weeks = np.array(table, dtype=float)
    for week, score in zip(weeks, leave_one_out(weeks), strict=True):
        expected = psi(weeks.sum(axis=0) - week, week)
        assert score == pytest.approx(expected, nan_ok=True)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_the_weighted_index_grows_with_each_column(one: float, two: float, weight: float) -> None:
    """A column that moved further never lowers the sum."""
    low, high = sorted((one, two))
    importance = {"a": weight, "b": 1.0}
    before = weighted_rows({"a": [low], "b": [0.3]}, importance)[0]
    assert weighted_rows({"a": [high], "b": [0.3]}, importance)[0] >= before


def test_what_was_not_measured_does_not_count() -> None:
    """NaN in one column leaves the others; without any the week is NaN; without columns none."""
    found = weighted_rows({"a": [math.nan, math.nan], "b": [0.2, math.nan]}, {"a": 9.0, "b": 1.0})
    assert found[0] == pytest.approx(0.2)
    assert math.isnan(found[1])
    assert len(weighted_rows({}, {})) == 0
    assert math.isnan(weighted_rows({"a": [0.5]}, {})[0])


@settings(max_examples=25)
@given(st.integers(0, 30), st.integers(1, 3))
def test_any_number_of_weeks_gives_an_honest_reference(weeks: int, days: int) -> None:
    """Too few weeks give no scores and say so, few give approximate ones, enough their own."""
    rng = np.random.default_rng(weeks)
    blocks = _weeks(rng, weeks, days, 0.1, 0.0).reshape(-1, 10)
    found = psi_reference({"s": blocks}, np.repeat(np.arange(weeks), days), {"s": 1.0}, rng)
    assert found.weeks == weeks
    assert found.approximate == (weeks < 20)
    if weeks < FEWEST_WEEKS:
        assert found.scores == ()
        assert "too few" in found.note
    else:
        assert len(found.scores) == (PSEUDO_WEEKS if weeks < 20 else weeks)
        assert all(score >= 0 for score in found.scores)


def test_the_same_seed_gives_the_same_pseudo_weeks() -> None:
    """Resampling depends on the generator alone, not on the order in which columns are named."""
    blocks = _weeks(np.random.default_rng(1), 8, 7, 0.2, 0.0)
    weeks, importance = np.repeat(np.arange(8), 7), {"a": 0.7, "b": 0.3}
    one = psi_reference({"a": blocks, "b": blocks[:, ::-1]}, weeks, importance,
                        np.random.default_rng(5))  # fmt: skip
    two = psi_reference({"b": blocks[:, ::-1], "a": blocks}, weeks, importance,
                        np.random.default_rng(5))  # fmt: skip
    assert one == two


def test_the_column_that_moved_is_named() -> None:
    """Max-z points at the moved column, against the spread that this column has."""
    rng = np.random.default_rng(4)
    calm, wild = rng.uniform(0.001, 0.002, 26), rng.uniform(0.01, 0.5, 26)
    usual = {"calm": calm, "wild": wild}
    assert max_z({"calm": 0.05, "wild": 0.4}, usual)[1] == "calm"
    assert max_z({"calm": math.nan}, usual)[1] == ""
    scores = max_z_reference(usual)
    assert scores.shape == (26,)
    assert max_z({"calm": 0.05, "wild": 0.4}, usual)[0] > np.nanmax(scores)
    assert len(max_z_reference({})) == 0


def test_more_signals_ask_more_evidence_of_each() -> None:
    """The budget is shared: the threshold grows with the signals and falls with the budget."""
    assert family_run_length(52, 4) == 4 * family_run_length(52, 1)
    assert family_run_length(52, 4, 2.0) == family_run_length(52, 2)
    assert family_run_length(1, 1, 5.0) == 2.0
    with pytest.raises(ValueError, match="more than 0"):
        family_run_length(52, 1, 0.0)
