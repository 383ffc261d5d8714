"""Resampling of whole blocks or entities: percentile draws, and sign-flip bounds for few blocks.

Rows inside a block may depend on each other in any way; only blocks are drawn. A draw is a row of
counts times the matrix of block sums, so that 2,000 draws are one matrix product.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from tamid.core.stats.arrays import Floats, Ints, group_sums
from tamid.core.stats.metrics import Terms

# 2,000 draws put the 5 % point within half a percentage point of its level.
DRAWS = 2000
# More units than this are pooled at random into this many: the spread of 2,000 pools is known to
# 1.6 %, less than the noise of the draws, and 200,000 entities cost no more than 2,000.
_POOLS = 2000
# Numbers held at once by one slice of draws (800 kB: what stays in a cache near the processor).
_SLICE = 100_000
# All sign patterns are listed up to this many blocks (16,384 patterns), drawn above.
EXACT_BLOCKS = 14


def bootstrap_sums(sums: Floats, rng: Generator, draws: int = DRAWS) -> Floats:
    """Draw blocks with replacement and return each draw's totals: (blocks, k) gives (draws, k).

    Formula: totals = N @ sums, N the multinomial counts. Source: Efron (1979), Annals of
    Statistics 7; blocks as in Kuensch (1989), Annals of Statistics 17.
    Memory is bounded whatever the number of blocks.

    >>> bootstrap_sums(np.ones((5, 1)), np.random.default_rng(0), draws=3).ravel()
    array([5., 5., 5.])
    """
    sums = _pooled(sums, rng)
    units = len(sums)
    width = max(1, _SLICE // max(units, 1))
    totals = np.empty((draws, sums.shape[1]))
    for start in range(0, draws, width):
        rows = min(width, draws - start)
        picks = rng.integers(0, units, size=(rows, units))
        picks += np.arange(rows)[:, None] * units
        counts = np.bincount(picks.ravel(), minlength=rows * units).reshape(rows, units)
        totals[start : start + rows] = counts @ sums
    return totals


def bootstrap_metric(
    terms: Terms, codes: Ints, units: int, rng: Generator, draws: int = DRAWS
) -> Floats:
    """Return draws of one model's metric; a draw in which it cannot be measured is NaN.

    >>> from tamid.core.stats.metrics import terms
    >>> from tamid.core.values import Task
    >>> t = terms("accuracy", Task.BINARY, [1, 1, 0, 0], [1.0, 1.0, 0.0, 0.0])
    >>> bootstrap_metric(t, np.arange(4), 4, np.random.default_rng(0), draws=2)
    array([1., 1.])
    """
    return terms.value(bootstrap_sums(group_sums(terms.rows, codes, units), rng, draws))


def bootstrap_difference(
    first: Terms, second: Terms, codes: Ints, units: int, rng: Generator, draws: int = DRAWS
) -> Floats:
    """Return draws of metric(first) - metric(second) on the same blocks (paired).

    >>> from tamid.core.stats.metrics import terms
    >>> from tamid.core.values import Task
    >>> t = terms("accuracy", Task.BINARY, [1, 1, 0, 0], [1.0, 0.0, 0.0, 0.0])
    >>> bootstrap_difference(t, t, np.arange(4), 4, np.random.default_rng(0), draws=2)
    array([0., 0.])
    """
    k = first.rows.shape[1]
    both = np.concatenate([first.rows, second.rows], axis=1)
    totals = bootstrap_sums(group_sums(both, codes, units), rng, draws)
    return np.asarray(first.value(totals[:, :k]) - second.value(totals[:, k:]))


def sign_flip_p(effects: Floats, rng: Generator) -> float:
    """Return the one-sided p-value of "the blocks' effects are symmetric about zero or below".

    Formula: share of sign patterns whose sum is at least the observed one, itself included.
    Exact up to 14 blocks, drawn above. Source: Fisher (1935), The Design of Experiments, §21.

    >>> sign_flip_p(np.array([1.0, 2.0, 3.0, 4.0]), np.random.default_rng(0))
    0.0625
    """
    patterns = _subsets(len(effects), rng)
    at_least = (patterns @ effects <= 1e-12 * np.abs(effects).sum()).sum()
    return float((at_least + 1) / (len(patterns) + 1))


def sign_flip_bounds(
    effects: Floats, shares: Floats, rng: Generator, alpha: float = 0.05
) -> tuple[float, float]:
    """Return one-sided lower and upper bounds of the common effect per share, each at `alpha`.

    `effects` are the blocks' parts of the difference, `shares` their parts of the mass. The
    bounds invert :func:`sign_flip_p` for effects - delta * shares: they are order statistics of
    the subset means sum_S effects / sum_S shares. With n blocks no level below 2^-n exists:
    then the bounds are infinite. Source: Hartigan (1969), JASA 64 (typical values).

    >>> rng = np.random.default_rng(0)
    >>> sign_flip_bounds(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4), rng)
    (-inf, inf)
    >>> sign_flip_bounds(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.ones(5), rng)
    (1.0, 5.0)
    """
    carrying = shares > 0
    effects, shares = effects[carrying], shares[carrying]
    if len(effects) == 0:
        return -np.inf, np.inf
    patterns = _subsets(len(effects), rng)
    means = np.sort((patterns @ effects) / (patterns @ shares))
    rank = int(np.floor(alpha * (len(means) + 1) + 1e-9))
    if rank < 1:
        return -np.inf, np.inf
    return float(means[rank - 1]), float(means[-rank])


def blocks_needed(alpha: float) -> int:
    """Return the fewest blocks with which a sign-flip test can reach `alpha`: 2^-n <= alpha.

    >>> blocks_needed(0.05), blocks_needed(0.01)
    (5, 7)
    """
    return int(np.ceil(-np.log2(alpha) - 1e-12))


def _subsets(n: int, rng: Generator) -> Floats:
    """List the non-empty subsets of n blocks as 0/1 rows, or draw as many as 14 blocks have."""
    if n <= EXACT_BLOCKS:
        numbers = np.arange(1, 2**n)[:, None]
        return ((numbers >> np.arange(n)) & 1).astype(np.float64)
    drawn = rng.integers(0, 2, size=(2**EXACT_BLOCKS - 1, n)).astype(np.float64)
    return drawn[drawn.any(axis=1)]


def _pooled(sums: Floats, rng: Generator) -> Floats:
    """Pool many independent units at random into `_POOLS` (random groups, Wolter 2007, ch. 2)."""
    if len(sums) <= 2 * _POOLS:
        return sums
    pool = rng.permutation(np.arange(len(sums)) % _POOLS)
    return group_sums(sums, pool, _POOLS)
