"""A changed mix of known rows against a column that was altered alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.bugcheck import check_week
from tamid.core.stats.comovement import moved_along
from tamid.core.stats.dependence import bins_of, sums_of

COLUMNS, ROWS = 5, 300


def week(rng: np.random.Generator, rows: int = ROWS) -> Floats:
    """Numbers that go together, and a category that goes with them."""
    common = rng.normal(size=rows)
    numbers = common[:, None] + rng.normal(size=(rows, COLUMNS - 1))
    word = np.digitize(common + rng.normal(size=rows), [-1.0, 0.0, 1.0]).astype(np.float64)
    return np.column_stack([numbers, word])


KINDS = [False] * (COLUMNS - 1) + [True]


def redrawn(rows: Floats, odds: Floats, rng: np.random.Generator) -> Floats:
    """The same rows drawn again by odds."""
    return rows[rng.choice(len(rows), len(rows), p=odds / odds.sum())]


DRIFTS: dict[str, Callable[[Floats], Floats]] = {
    "tilt": lambda w: np.exp(w[:, 0] / w[:, 0].std()),
    "tilt of three": lambda w: np.exp(w[:, :3].sum(axis=1) / w[:, :3].sum(axis=1).std()),
    "segment": lambda w: np.where(w[:, -1] == 3, 6.0, 1.0),
    "half as many": lambda w: np.where(w[:, 1] > 0, 0.5, 1.0),
}


def recoded(w: Floats) -> Floats:
    """Two of the four words exchanged."""
    made = w.copy()
    made[:, -1] = np.array([3.0, 1.0, 2.0, 0.0])[w[:, -1].astype(int)]
    return made


def shifted(w: Floats) -> Floats:
    """One number moved within its range."""
    made = w.copy()
    made[:, 0] = np.round(made[:, 0] + 1.2, 9)
    return made


BUGS = {"recoded": recoded, "shifted": shifted}


@pytest.mark.parametrize("drift", sorted(DRIFTS))
def test_drifts_are_not_called_a_bug(drift: str) -> None:
    """Route accuracy: of 20 sudden drifts at most one are suspected, and most are told as moved."""
    rng = np.random.default_rng(1)
    past = [week(rng) for _ in range(20)]
    found = []
    for _ in range(20):
        now = week(rng, 2 * ROWS)
        found.append(check_week(past, redrawn(now, DRIFTS[drift](now), rng)[:ROWS], KINDS))
    assert sum(f.suspected for f in found) <= 1
    if drift != "half as many":
        assert sum(bool(f.shifted) for f in found) >= 14


@pytest.mark.parametrize("bug", sorted(BUGS))
def test_bugs_in_one_column_are_called_a_bug(bug: str) -> None:
    """Route accuracy: at least 18 of 20 weeks with one altered column are suspected."""
    rng = np.random.default_rng(2)
    past = [week(rng) for _ in range(20)]
    hits = [check_week(past, BUGS[bug](week(rng)), KINDS).suspected for _ in range(20)]
    assert sum(hits) >= 18


def test_a_redrawn_week_is_rarely_said_to_have_stayed() -> None:
    """Type I: of 100 weeks redrawn along a column at most 2 are taken for that column alone."""
    rng = np.random.default_rng(3)
    past = [week(rng) for _ in range(20)]
    bins = bins_of(np.concatenate(past), KINDS)
    sums = [sums_of(bins, w) for w in past]
    stayed = 0
    for _ in range(100):
        now = week(rng)
        made = redrawn(now, np.exp(0.8 * now[:, 0]), rng)
        stayed += moved_along(bins, sums, sums_of(bins, made), 0).stayed
    assert stayed <= 2


def test_of_independent_columns_nothing_is_said() -> None:
    """Without ties nothing is implied, and chance is as large as what is seen."""
    rng = np.random.default_rng(4)
    past = [rng.normal(size=(200, 3)) for _ in range(15)]
    bins = bins_of(np.concatenate(past), [False] * 3)
    sums = [sums_of(bins, w) for w in past]
    said = 0
    for _ in range(40):
        now = rng.normal(size=(200, 3)) + np.array([1.0, 0.0, 0.0])
        said += moved_along(bins, sums, sums_of(bins, now), 0).stayed
    assert said <= 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, COLUMNS - 1))
def test_order_and_missing_values_are_no_matter(seed: int, column: int) -> None:
    """Rows in another order give the same; missing, tiny or empty weeks give no error."""
    rng = np.random.default_rng(seed)
    past = [week(rng, 20) for _ in range(4)]
    past[0][0, column] = np.nan
    bins = bins_of(np.concatenate(past), KINDS)
    sums = [sums_of(bins, w) for w in past]
    now = week(rng, 20)
    one = moved_along(bins, sums, sums_of(bins, now), column)
    two = moved_along(bins, sums, sums_of(bins, now[::-1]), column)
    assert one.strength == pytest.approx(two.strength)
    assert one.stayed == two.stayed
    for few in (now[:1], now[:0], np.full_like(now, np.nan)):
        found = moved_along(bins, sums, sums_of(bins, few), column)
        assert not (found.stayed and found.strength == 0)
