"""Another mix of sound rows is no bug, and a bug is no other mix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.bugcheck import check_week
from tamid.core.stats.dependence import bins_of, codes_in, sums_of
from tamid.core.stats.remix import drawn_by, mixed_as
from tamid.core.stats.remixed import beyond_a_mix

KINDS = [False, False, False, True]


def rows(rng: np.random.Generator, many: int) -> Floats:
    """Two numbers that go together, one with gaps where a group is, and the group."""
    group = rng.choice(4, many, p=[0.7, 0.15, 0.1, 0.05]).astype(np.float64)
    one = np.round(rng.gamma(1.5, 20.0, many) * (1 + group))
    two = one * (1 + 0.3 * group) + rng.normal(0, 5, many)
    gap = np.where((group >= 2) & (rng.random(many) < 0.7), np.nan, rng.integers(0, 9, many))
    return np.column_stack([one, np.round(two), gap, group])


def redrawn(rng: np.random.Generator, many: int) -> Floats:
    """As many rows, drawn so that rare groups and large numbers come five times as often."""
    pool = rows(rng, 6 * many)
    odds = np.where((pool[:, 3] >= 2) | (pool[:, 0] > 60), 5.0, 1.0)
    return pool[rng.choice(len(pool), many, replace=False, p=odds / odds.sum())]


def test_margins_of_the_weighed_rows_are_the_weeks() -> None:
    """After raking every column has the week's shares, to within the half rows added."""
    rng = np.random.default_rng(1)
    pool, now = rows(rng, 3000), redrawn(rng, 300)
    bins = bins_of(pool, KINDS)
    codes, counts = codes_in(bins, pool), sums_of(bins, now).counts
    weight = mixed_as(codes, bins.offsets, counts)
    assert weight.mean() == pytest.approx(1.0)
    for j in range(4):
        low, high = bins.offsets[j], bins.offsets[j + 1]
        there = np.bincount(codes[:, j] - low, weights=weight, minlength=high - low) / len(pool)
        assert np.abs(there - counts[low:high] / 300).max() < 0.03


def test_a_free_column_may_have_any_margin() -> None:
    """What is free does not move the weights."""
    codes = np.array([[0, 2], [1, 2], [0, 3], [1, 3]] * 100)
    counts = np.array([90.0, 10.0, 50.0, 50.0])
    assert mixed_as(codes, (0, 2, 4), counts, {0}) == pytest.approx(np.ones(400))


def test_a_handful_of_rows_explains_nothing() -> None:
    """A week that only a few reference rows are like has no mix; nor has an empty reference."""
    codes = np.array([[0]] * 990 + [[1]] * 10)
    assert not mixed_as(codes, (0, 2), np.array([0.0, 200.0])).any()
    assert len(mixed_as(np.empty((0, 1), dtype=np.int64), (0, 2), np.array([1.0, 1.0]))) == 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30).filter(any), st.integers(1, 200))
def test_rows_stand_for_all_by_their_weights(weights: list[int], many: int) -> None:
    """Each row comes as often as its share says, to within one; of no weight never."""
    weight = np.array(weights, dtype=np.float64)
    times = np.bincount(drawn_by(weight, many), minlength=len(weight))
    assert times.sum() == many
    assert (np.abs(times - many * weight / weight.sum()) <= 1.0 + 1e-6).all()
    assert not times[weight == 0].any()


def test_only_the_columns_asked_for_lose_and_none_gains() -> None:
    """What is taken off is never negative, of other columns nothing, of own gaps little."""
    rng = np.random.default_rng(5)
    past, now = [rows(rng, 150) for _ in range(12)], redrawn(rng, 150)
    bins = bins_of(np.concatenate(past), KINDS)
    sums = [sums_of(bins, w) for w in past]
    told = {n: np.full(4, 0.5) for n in ("missing", "unseen", "off_grid", "unexplained")}
    none = np.zeros(4, dtype=bool)
    left = beyond_a_mix(past, bins, sums, sums_of(bins, now), told, [2], none)
    for values in left.values():
        assert (values[[0, 1, 3]] == 0.5).all()
        assert values[2] <= 0.5
    assert 0.5 - left["missing"][2] > 0.1
    alone = now.copy()
    alone[:, [0, 1, 3]] = rows(rng, 150)[:, [0, 1, 3]]
    broken = beyond_a_mix(past, bins, sums, sums_of(bins, alone), told, [2], none)
    assert 0.5 - broken["missing"][2] < 0.05


def test_another_mix_is_rarely_called_broken_and_a_bug_still_is() -> None:
    """Of 30 sudden mixes at most 3 are suspected, and of as many broken weeks 28 are."""
    rng = np.random.default_rng(4)
    mixes = bugs = 0
    for turn in range(30):
        if turn % 10 == 0:
            past = [rows(rng, 150) for _ in range(16)]
        mixes += check_week(past, redrawn(rng, 150), KINDS).suspected
        broken = redrawn(rng, 150) if turn % 2 else rows(rng, 150)
        if turn % 3 == 0:
            broken[:, 1] = rng.permutation(broken[:, 1])
        elif turn % 3 == 1:
            broken[rng.random(150) < 0.5, 2] = np.nan
        else:
            broken[:, 3] = np.where(broken[:, 3] == 0, 9.0, broken[:, 3])
        bugs += check_week(past, broken, KINDS).suspected
    assert mixes <= 3
    assert bugs >= 28
