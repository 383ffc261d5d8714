"""Block bootstrap and sign flips against closed forms and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tamid.core.stats.bootstrap import (
    blocks_needed,
    bootstrap_difference,
    bootstrap_metric,
    bootstrap_sums,
    sign_flip_bounds,
    sign_flip_p,
)
from tamid.core.stats.metrics import terms
from tamid.core.values import Task


def test_draws_have_the_known_mean_and_variance() -> None:
    """Totals over drawn blocks centre on the total, with variance n times the blocks' variance."""
    sums = np.random.default_rng(0).normal(size=(80, 1))
    drawn = bootstrap_sums(sums, np.random.default_rng(1), draws=8000).ravel()
    assert drawn.mean() == pytest.approx(sums.sum(), abs=4 * drawn.std() / np.sqrt(8000))
    assert drawn.var() == pytest.approx(80 * sums.var(), rel=0.06)


def test_many_entities_cost_little_and_keep_the_variance() -> None:
    """200,000 entities, pooled at random, give the spread of drawing each of them."""
    sums = np.random.default_rng(2).exponential(size=(200_000, 1))
    drawn = bootstrap_sums(sums, np.random.default_rng(3), draws=1500)
    assert drawn.std() == pytest.approx(np.sqrt(200_000) * sums.std(), rel=0.08)


def test_the_same_seed_draws_the_same() -> None:
    """Randomness comes from the generator alone."""
    sums = np.arange(30.0)[:, None]
    first, second = (bootstrap_sums(sums, np.random.default_rng(9), draws=50) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_difference_is_paired() -> None:
    """Two nearly equal models differ far less than either varies."""
    rng = np.random.default_rng(4)
    y = (rng.random(600) < 0.4).astype(float)
    s = np.clip(0.4 * y + 0.6 * rng.random(600), 0, 1)
    other = s.copy()
    other[:6] = 1 - other[:6]
    one, two = terms("f1", Task.BINARY, y, s), terms("f1", Task.BINARY, y, other)
    rows = np.arange(600)
    alone = bootstrap_metric(one, rows, 600, np.random.default_rng(5))
    paired = bootstrap_difference(one, two, rows, 600, np.random.default_rng(5))
    assert paired.std() < 0.3 * alone.std()
    assert paired.mean() == pytest.approx(one.point() - two.point(), abs=0.002)


def test_sign_flips_equal_brute_force() -> None:
    """The exact p-value counts the sign patterns with a sum at least as large."""
    effects = np.random.default_rng(6).normal(0.5, 1, 9)
    patterns = np.array(list(itertools.product([-1, 1], repeat=9)))
    plain = (patterns @ effects >= effects.sum() - 1e-12).mean()
    assert sign_flip_p(effects, np.random.default_rng(0)) == pytest.approx(plain)


def test_bounds_invert_the_test() -> None:
    """Just below the lower bound the shift is rejected at alpha, just above it is not."""
    rng = np.random.default_rng(7)
    effects, shares = rng.normal(0.3, 1, 8), rng.uniform(0.5, 2, 8)
    low, high = sign_flip_bounds(effects, shares, rng, alpha=0.05)
    for bound, sign in ((low, 1), (-high, -1)):
        outside = sign_flip_p(sign * effects - (bound - 1e-6) * shares, rng)
        inside = sign_flip_p(sign * effects - (bound + 1e-6) * shares, rng)
        assert outside <= 0.05 < inside


def test_drawn_patterns_agree_with_listed_ones() -> None:
    """Above 14 blocks patterns are drawn, and the bounds lie where Student's t puts them."""
    rng = np.random.default_rng(8)
    effects = rng.normal(0.2, 1, 20)
    low, high = sign_flip_bounds(effects, np.ones(20), rng)
    spread = effects.std(ddof=1) / np.sqrt(20)
    assert low == pytest.approx(effects.mean() - 1.73 * spread, abs=0.3 * spread)
    assert high == pytest.approx(effects.mean() + 1.73 * spread, abs=0.3 * spread)


def test_drawn_patterns_never_divide_by_nothing() -> None:
    """A drawn pattern without a block is left out: with 15 blocks some seeds draw one."""
    for seed in range(12):
        bounds = sign_flip_bounds(np.arange(15.0), np.ones(15), np.random.default_rng(seed))
        assert np.isfinite(bounds).all()


@pytest.mark.parametrize(("alpha", "blocks"), [(0.05, 5), (0.025, 6), (0.5, 1), (0.0625, 4)])
def test_too_few_blocks_have_no_bound(alpha: float, blocks: int) -> None:
    """One block fewer than needed leaves both bounds open; the needed number closes them."""
    assert blocks_needed(alpha) == blocks
    rng = np.random.default_rng(0)
    few, enough = np.arange(1.0, blocks), np.arange(1.0, blocks + 1)
    assert sign_flip_bounds(few, np.ones(len(few)), rng, alpha) == (-np.inf, np.inf)
    assert np.isfinite(sign_flip_bounds(enough, np.ones(len(enough)), rng, alpha)).all()


def test_sign_flips_keep_their_level() -> None:
    """With seven blocks of heavy-tailed, unequal noise the bound errs in at most 5 % (and some)."""
    rng = np.random.default_rng(10)
    errors = [
        sign_flip_bounds(rng.standard_t(2, 7) * rng.uniform(0.2, 3, 7), np.ones(7), rng)[0] > 0
        for _ in range(1500)
    ]
    assert 0.03 < np.mean(errors) < 0.066
