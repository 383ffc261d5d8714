"""Which of several is taken, where changing without reason costs something."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools
from tamid.core.stats.distributions import normal_quantile

# What lies above one standard error by chance.
BY_CHANCE = 0.15865525393145707


def kept_or_better(
    held: int,
    gain: ArrayLike,
    error: ArrayLike,
    allowed: Bools | None = None,
    chance: float = BY_CHANCE,
) -> int:
    """Return the place that is taken: another than the held one only if better beyond its error.

    Formula: argmax of g_i over {i: g_i > z e_i, i allowed}; the held place if that set is empty.
    z leaves one other the `chance` to look better for nothing, which is z = 1 unless told
    otherwise; with m others each has the m-th part of it (Bonferroni).
    `gain`, `error` (n,): of each place over the held one, paired, and its standard error; NaN where
    nothing is known. Among equal candidates the best looks better by chance; one standard error
    keeps most such changes from being made: of two equal ones a sixth remain, and of any number
    no more (with one error for each of three, 40 % of the choices changed for nothing).
    Source: Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, §3.4.3
    (the one-standard-error rule).

    >>> kept_or_better(0, [0.0, 0.01, 0.03], [0.0, 0.02, 0.02])
    2
    >>> kept_or_better(0, [0.0, 0.01, 0.03], [0.0, 0.02, 0.04])
    0
    """
    g, e = np.asarray(gain, dtype=np.float64), np.asarray(error, dtype=np.float64)
    others = np.isfinite(g) & np.isfinite(e)
    others[held] = False
    if allowed is not None:
        others = others & allowed
    better = others & (g > normal_quantile(1.0 - chance / max(int(others.sum()), 1)) * e)
    return int(np.where(better, g, -np.inf).argmax()) if better.any() else held
