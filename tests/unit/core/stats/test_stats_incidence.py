"""When outcomes become known: what open rows do to shares, and what is expected of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.incidence import (
    OPEN,
    Floats,
    Ints,
    chance_heard,
    chance_positive,
    incidence,
)


def world(rng: np.random.Generator, n: int) -> tuple[Floats, Ints, Ints]:
    """Return ages, what was heard by today, and what comes of each row: positives come early."""
    truth = (rng.random(n) < 0.3).astype(np.int64)
    heard_at = np.where(truth == 1, rng.exponential(4.0, n), 10 + rng.exponential(6.0, n)).round()
    today = rng.integers(0, 60, n).astype(np.float64)
    known = heard_at <= today
    return np.where(known, heard_at, today), np.where(known, truth, OPEN), truth


def test_shares_are_those_of_all_rows_though_many_are_open() -> None:
    """Over 40 worlds the share of positives is true to a point; that of the heard rows is not."""
    rng, ours, naive = np.random.default_rng(0), [], []
    for _ in range(40):
        ages, outcomes, truth = world(rng, 2000)
        ours.append(incidence(ages, outcomes).positive[-1] - truth.mean())
        naive.append(outcomes[outcomes != OPEN].mean() - truth.mean())
    assert abs(np.mean(ours)) < 0.01
    assert np.mean(naive) > 0.03


def test_what_is_expected_of_open_rows_comes_true() -> None:
    """Calibration: of rows open at an age so many turn out positive as was said, to 2 points."""
    rng = np.random.default_rng(1)
    ages, outcomes, truth = world(rng, 40_000)
    curve = incidence(ages, outcomes)
    waiting = outcomes == OPEN
    for low, high in ((0, 2), (2, 5), (5, 10), (10, 20)):
        mine = waiting & (ages >= low) & (ages < high)
        said = chance_positive(curve, ages[mine]).mean()
        assert said == pytest.approx(truth[mine].mean(), abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, OPEN])), max_size=30))
def test_curves_rise_and_never_pass_one(rows: list[tuple[int, int]]) -> None:
    """Whatever rows there are, none at all included, and in whatever order."""
    ages = np.array([a for a, _ in rows], dtype=np.float64)
    outcomes = np.array([k for _, k in rows], dtype=np.int64)
    curve = incidence(ages, outcomes)
    total = curve.positive + curve.negative
    assert (np.diff(curve.positive) >= 0).all()
    assert (np.diff(curve.negative) >= 0).all()
    assert (total <= 1 + 1e-9).all()
    turned = incidence(ages[::-1], outcomes[::-1])
    assert turned.positive.tolist() == curve.positive.tolist()
    asked = np.arange(-1.0, 12.0)
    for share in (
        chance_positive(curve, asked),
        chance_heard(curve, asked, np.ones(len(asked), dtype=np.int64)),
    ):
        assert ((share >= 0) & (share <= 1 + 1e-9)).all()


def test_who_is_heard_later_is_heard_with_a_larger_chance() -> None:
    """Monotone in the age, 0 before the first and 1 at the end."""
    ages, outcomes, _ = world(np.random.default_rng(2), 500)
    curve = incidence(ages, outcomes)
    asked = np.arange(-1.0, 70.0)
    for outcome in (0, 1):
        chance = chance_heard(curve, asked, np.full(len(asked), outcome))
        assert (np.diff(chance) >= -1e-12).all()
        assert (chance[0], chance[-1]) == pytest.approx((0.0, 1.0))
