"""A column moved: did the others move along, as they would if the world had changed?

Where a world has more of something, all columns that go with it move, too. A broken column moves
alone: the others stay where they were, though by the reference they should have moved with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Floats
from tamid.core.stats.dependence import Bins, Sums

# The others stayed where they were if, with twice what reference weeks show by themselves, less
# than this share of the implied movement is there. Measured on three real sets: recoded categories
# have shares of -.1 to .2 at .15 to .3 by chance, weeks redrawn by a segment .7 and more.
_STAYED, _ERRORS = 0.75, 2.0
# So much of a column changes place when three spreads are added to it, and by no odds of the rows
# that a market, a branch or a season has: a group that comes five times as often moves .35.
_TORN = 0.7
# A column with so many rows in bins that the reference hardly has is no other mix of its rows.
_UNKNOWN = 0.05
_FEWEST_ROWS = 5.0
# Bins that are nearly empty must not outweigh all others.
_FLOOR = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Comovement:
    """Share of the implied movement of the other columns that is there, and the same by chance.

    `strength`: how far the others should have moved (chi-square distance). NaN: nothing is implied.
    `distance`: how much of the column's own shares changed place (total variation, 0 to 1).
    """

    share: float
    chance: float
    strength: float
    distance: float

    @property
    def stayed(self) -> bool:
        """Whether the others are shown to have stayed where they were: a broken column."""
        return self.share + _ERRORS * self.chance < _STAYED

    @property
    def alone(self) -> bool:
        """Whether no mix of sound rows explains it: the others stayed, or too much moved."""
        return self.stayed or self.distance >= _TORN


def moved_along(bins: Bins, reference: Sequence[Sums], week: Sums, column: int) -> Comovement:
    """Return how far the other columns moved as the reference implies, given one column's movement.

    Formula: with p' the week's shares of the column's bins, the other columns' shares by the
    reference are q_b = sum_a p'_a N_ab / N_a; beta = <r - f, q - f> / <q - f, q - f> with week r,
    reference f and weights 1 / f. `chance` is the root mean square of beta over reference weeks:
    what the weeks do in this direction by themselves. A mix of the reference's own rows that was
    redrawn by any odds of this column has beta 1, a column that was altered alone has beta 0.
    Source: covariate shift as importance weighting, Shimodaira (2000), J. Statist. Planning and
    Inference 90; calibration of margins, Deville and Saerndal (1992), JASA 87.

    >>> from tamid.core.stats.dependence import bins_of, sums_of
    >>> rng = np.random.default_rng(0)
    >>> def week(level, broken=0.0):
    ...     x = rng.normal(size=400) + level
    ...     return np.column_stack([x + broken, x + rng.normal(size=400)])
    >>> past = [week(0.0) for _ in range(10)]
    >>> cut = bins_of(np.concatenate(past), [False, False])
    >>> sums = [sums_of(cut, w) for w in past]
    >>> moved_along(cut, sums, sums_of(cut, week(0.7)), 0).stayed
    False
    >>> moved_along(cut, sums, sums_of(cut, week(0.0, broken=0.7)), 0).stayed
    True
    """
    total = sum(s.rows for s in reference)
    pairs = np.sum([s.pairs for s in reference], axis=0)
    counts = np.diag(pairs)
    mine = slice(bins.offsets[column], bins.offsets[column + 1])
    now = week.counts / max(week.rows, 1)
    known = counts[mine] >= _FEWEST_ROWS
    apart = float(np.abs(now[mine] - counts[mine] / max(total, 1)).sum() / 2)
    if total == 0 or float(now[mine][~known].sum()) > _UNKNOWN:
        return Comovement(share=math.nan, chance=math.nan, strength=0.0, distance=apart)
    usual = counts / total
    share = np.where(known, now[mine], 0.0)
    implied = (share / max(share.sum(), 1e-12)) @ (
        pairs[mine] / np.maximum(counts[mine], 1.0)[:, None]
    )
    weight = 1.0 / np.maximum(usual, _FLOOR)
    weight[mine] = 0.0
    direction = (implied - usual) * weight
    strength = float(direction @ (implied - usual))
    if strength <= 0:
        return Comovement(share=math.nan, chance=math.nan, strength=0.0, distance=apart)
    past: Floats = np.stack([s.counts / max(s.rows, 1) for s in reference]) - usual
    by_chance = past @ direction / strength
    return Comovement(
        share=float((now - usual) @ direction) / strength,
        chance=float(np.sqrt(np.mean(by_chance**2))),
        strength=strength,
        distance=apart,
    )
