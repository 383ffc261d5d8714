"""Conformal intervals: their laws, and their coverage in quiet and in changing times."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.conformal import FEWEST_ERRORS, adaptive_width, conformal_half

_errors = st.lists(st.floats(-10, 10), max_size=40)


@given(_errors, st.floats(0.5, 0.99), st.floats(0.5, 0.99))
def test_a_higher_level_is_never_narrower(errors: list[float], one: float, two: float) -> None:
    """The half-width grows with the level, whatever the order and the sign of the errors."""
    low, high = sorted((one, two))
    assert conformal_half(errors, low) <= conformal_half(errors, high)
    assert conformal_half(errors, low) == conformal_half([-e for e in errors[::-1]], low)


@given(_errors)
def test_the_interval_holds_its_point_and_tells_its_level(errors: list[float]) -> None:
    """With too few errors nothing is promised; the level never exceeds what n errors allow."""
    width = adaptive_width(errors)
    n = min(len(errors), 26)
    assert width.level <= n / (n + 1)
    assert math.isfinite(width.half) == (n >= FEWEST_ERRORS)
    held = width.around(0.5, 0.0, 1.0)
    assert 0.0 <= held.low <= 0.5 <= held.high <= 1.0


def test_split_conformal_covers_exchangeable_errors() -> None:
    """Over 4000 draws of 26 errors and one more, 90 % are held: neither 85 % nor 95 %."""
    rng = np.random.default_rng(4)
    draws = rng.standard_t(3, (4000, 27))
    held = [abs(d[-1]) <= conformal_half(d[:-1], 0.9) for d in draws]
    assert 0.89 < np.mean(held) < 0.94


def test_four_errors_promise_four_fifths_and_keep_it() -> None:
    """The level is lowered to what few errors can promise, and that is what is reached."""
    rng = np.random.default_rng(9)
    draws = rng.normal(size=(3000, 5))
    widths = [adaptive_width(d[:-1]) for d in draws]
    assert {w.level for w in widths} == {0.8}
    held = [abs(d[-1]) <= w.half for d, w in zip(draws, widths, strict=True)]
    assert 0.77 < np.mean(held) < 0.83


def test_the_adaptive_width_keeps_its_coverage_when_errors_grow() -> None:
    """Errors that grow by 2 % a week: the fixed level covers less than the adaptive one."""
    rng = np.random.default_rng(6)
    fixed, moving = [], []
    for _ in range(40):
        errors = rng.normal(size=156) * 1.02 ** np.arange(156)
        fixed.append(adaptive_width(errors, delay=4, step=0.0).coverage)
        moving.append(adaptive_width(errors, delay=4).coverage)
    assert np.mean(fixed) < 0.83
    assert np.mean(moving) > np.mean(fixed) + 0.02
    assert np.mean(moving) > 0.83


def test_the_coverage_told_is_the_coverage_reached() -> None:
    """In quiet times the told share of held truths comes to 90 % over many histories."""
    rng = np.random.default_rng(8)
    told = [adaptive_width(rng.normal(size=104), delay=4).coverage for _ in range(100)]
    assert 0.87 < np.mean(told) < 0.93


def test_an_error_is_used_only_once_it_is_known() -> None:
    """With a delay, the answers given meanwhile rest on nothing newer than they could know."""
    errors = [0.1] * 10 + [5.0] * 3
    now, late = adaptive_width(errors), adaptive_width(errors, delay=3)
    assert now.checks == 13 - FEWEST_ERRORS
    assert late.checks == now.checks - 3
    assert late.coverage <= now.coverage
    assert math.isnan(adaptive_width([]).coverage)


def test_a_miss_widens_and_a_run_of_hits_narrows_the_level() -> None:
    """Alpha falls by .018 at a miss and rises by .002 at a hit, also for the last answers."""
    hits = adaptive_width([0.1] * 14)
    missed = adaptive_width([0.1] * 13 + [9.0])
    assert hits.alpha == round(0.1 + 10 * 0.002, 12) or abs(hits.alpha - 0.12) < 1e-9
    assert abs((hits.alpha - missed.alpha) - 0.02) < 1e-9
