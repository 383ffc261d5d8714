"""Changing only for what is shown to be better: laws, and how often chance alone changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.distributions import normal_quantile
from tamid.core.stats.hysteresis import kept_or_better, week_error

GAINS = st.lists(st.floats(-1, 1), min_size=1, max_size=6)


@given(GAINS, st.floats(0, 1), st.data())
def test_what_is_taken_is_held_or_better_beyond_its_error(
    gains: list[float], error: float, data: st.DataObject
) -> None:
    """Never a change for less than the errors that so many others ask for, never a second best."""
    held = data.draw(st.integers(0, len(gains) - 1))
    errors = [error] * len(gains)
    taken = kept_or_better(held, gains, errors)
    least = error * normal_quantile(1 - 0.15865525393145707 / max(len(gains) - 1, 1))
    if taken == held:
        assert all(g <= least for i, g in enumerate(gains) if i != held)
    else:
        assert gains[taken] > least
        assert gains[taken] == max(g for i, g in enumerate(gains) if i != held)


def test_what_is_unknown_or_not_allowed_is_not_taken() -> None:
    """NaN is no evidence, and a guard is stronger than a gain."""
    assert kept_or_better(1, [np.nan, 0.0], [0.1, 0.0]) == 1
    assert kept_or_better(1, [0.5, 0.0], [np.nan, 0.0]) == 1
    assert kept_or_better(0, [0.0, 0.5], [0.0, 0.1], np.array([True, False])) == 0
    assert kept_or_better(0, [0.0], [0.0]) == 0


def test_of_two_equal_ones_a_sixth_of_the_changes_remain() -> None:
    """One standard error one-sided: P(Z > 1) = 0.159, over 4,000 draws with a fixed seed."""
    draws = np.random.default_rng(3).normal(size=4000)
    moved = np.mean([kept_or_better(0, [0.0, g], [0.0, 1.0]) for g in draws])
    assert 0.14 < moved < 0.18


def test_of_more_others_no_more_changes_remain() -> None:
    """Three that are all equal to the one in force: a sixth at most, where 40 % were changed."""
    draws = np.random.default_rng(4).normal(size=(4000, 3))
    moved = np.mean([kept_or_better(0, [0.0, *g], [0.0, 1.0, 1.0, 1.0]) > 0 for g in draws])
    assert 0.13 < moved < 0.16
    assert np.mean((draws > 1.0).any(axis=1)) > 0.38


def test_weeks_that_are_alike_within_are_few_pieces_of_evidence() -> None:
    """Each of four weeks has a luck of its own, and rows that tell it exactly: by the error of rows
    three of five choices among four equal ones changed for nothing, by weeks no more than a sixth.
    """
    lucks = np.random.default_rng(5).normal(size=(3000, 3, 4))
    gains, rows = lucks.mean(axis=2), [0.0, 0.1, 0.1, 0.1]
    between = week_error((lucks - gains[..., None]) / 4)

    def changed(weeks: int) -> float:
        moved = [
            kept_or_better(0, [0.0, *g], rows, between=[0.0, *e] if weeks else None, weeks=weeks)
            for g, e in zip(gains, between, strict=True)
        ]
        return float(np.mean(np.array(moved) > 0))

    assert changed(weeks=0) > 0.6
    assert 0.11 < changed(weeks=4) < 0.17


def test_what_all_weeks_show_is_taken_and_one_week_shows_nothing() -> None:
    """The same gain: spread over the weeks it counts, from one of them, or in one alone, not."""
    for parts, weeks, taken in (
        ([0.001, -0.001, 0.001, -0.001], 4, 1),
        ([0.15, -0.05, -0.05, -0.05], 4, 0),
        ([0.0], 1, 0),
    ):
        error = [0.0, float(week_error(np.array(parts)))]
        assert kept_or_better(0, [0.0, 0.2], [0.0, 0.01], between=error, weeks=weeks) == taken
