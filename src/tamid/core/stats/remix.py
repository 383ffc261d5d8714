"""Would sound rows in another mix look like this week? Reference rows, weighed to its margins.

A campaign, a season or a new branch brings other shares of the same rows. What a week of such a mix
would show by itself - gaps, rare values, weaker ties - is read off the reference rows, weighed so
that every column has the week's shares.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection

import numpy as np

from tamid.core.stats.arrays import Floats, Ints

# Rounds over all columns; margins of mixes of the same rows agree within a few of them.
_ROUNDS = 15
# No row stands for more than so many: else a handful of odd rows would explain anything.
_MOST = 30.0
# With a smaller effective number of rows no mix of the reference is like the week.
_FEWEST = 100.0
# Added to each bin of week and reference, in rows: an empty bin is no proof that nothing is there.
_HALF = 0.5


def mixed_as(
    codes: Ints, offsets: tuple[int, ...], counts: Floats, free: Collection[int] = ()
) -> Floats:
    """Return weights (n,) of reference rows under which their margins are the week's.

    `codes` (n, d): each row's bins, numbered over all columns from `offsets`; `counts` (B,): the
    week's rows in each bin. Columns in `free` may have any margin. Zeros: no mix is like it.

    Formula: raking. In turn for each column, w_i <- w_i p'_b / p_b with b the row's bin, p' the
    week's share of the bin and p the weighted share of the reference, until 15 rounds are done;
    weights above 30 are cut. Zeros where (sum w)^2 / sum w^2 is below 100 rows.
    Source: Deming and Stephan (1940), Ann. Math. Statist. 11; Deville, Saerndal and Sautory (1993),
    JASA 88.

    >>> codes = np.array([[0, 2], [0, 2], [1, 3], [1, 3]] * 100)
    >>> w = mixed_as(codes, (0, 2, 4), np.array([75.0, 25.0, 75.0, 25.0]))
    >>> [round(float(v), 2) for v in w[:4]]
    [1.5, 1.5, 0.5, 0.5]
    """
    weight = np.ones(len(codes))
    if not len(codes):
        return weight
    for _ in range(_ROUNDS):
        for j, (low, high) in enumerate(itertools.pairwise(offsets)):
            if j in free:
                continue
            place, mine = codes[:, j] - low, counts[low:high] + _HALF
            now = np.bincount(place, weights=weight, minlength=high - low)
            scale = len(codes) / max(float(counts[low:high].sum()), 1.0)
            there = now + _HALF * scale
            weight *= (mine / mine.sum() / (there / there.sum()))[place]
        weight = np.minimum(weight / weight.mean(), _MOST)
    alike = float(weight.sum()) ** 2 / float((weight**2).sum())
    return weight / weight.mean() if alike >= _FEWEST else np.zeros(len(codes))


def drawn_by(weight: Floats, rows: int) -> Ints:
    """Return the places of `rows` rows that stand for all by their weights, without a draw.

    Systematic sampling: the row at each of the levels (i + 1/2) / rows of the summed weights.

    >>> drawn_by(np.array([1.0, 0.0, 3.0]), 4)
    array([0, 2, 2, 2])
    """
    summed = np.cumsum(weight)
    levels = (np.arange(rows) + 0.5) / rows * summed[-1]
    found: Ints = np.searchsorted(summed, levels, side="left").clip(max=len(weight) - 1)
    return found
