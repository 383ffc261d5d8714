"""Which of several is taken, where changing without reason costs something."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats
from tamid.core.stats.distributions import normal_quantile, student_quantile

# What lies above one standard error by chance.
BY_CHANCE = 0.15865525393145707


def kept_or_better(
    held: int,
    gain: ArrayLike,
    error: ArrayLike,
    allowed: Bools | None = None,
    chance: float = BY_CHANCE,
    *,
    between: ArrayLike | None = None,
    weeks: int = 0,
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
    `between` (n,): the standard error that the spread between so many `weeks` gives; then g_i must
    also be above t e'_i, with t of weeks - 1 degrees of freedom in the place of z.

    >>> kept_or_better(0, [0.0, 0.01, 0.03], [0.0, 0.02, 0.02])
    2
    >>> kept_or_better(0, [0.0, 0.01, 0.03], [0.0, 0.02, 0.04])
    0
    """
    if between is not None and weeks < 2:
        return held
    g, e = np.asarray(gain, dtype=np.float64), np.asarray(error, dtype=np.float64)
    others = np.isfinite(g) & np.isfinite(e)
    others[held] = False
    if allowed is not None:
        others = others & allowed
    each = chance / max(int(others.sum()), 1)
    better = others & (g > normal_quantile(1.0 - each) * e)
    if between is not None:
        better = better & (g > few_weeks_quantile(each, weeks) * np.asarray(between))
    return int(np.where(better, g, -np.inf).argmax()) if better.any() else held


def week_error(parts: Floats) -> Floats:
    """Return the standard error of a difference whose parts (last axis) are those of weeks.

    Formula: sqrt(n / (n - 1) sum u_w^2), u_w the influence of a week's rows together. Weeks share
    what makes them alike (who is there, the weather, day or night), which rows drawn one by one, or
    day by day, would take for evidence. Of fewer than two weeks nothing is known: inf.
    Source: Cameron, Miller (2015), Journal of Human Resources 50, §II.B (clustered errors).

    >>> round(float(week_error(np.array([0.1, -0.1, 0.2, -0.2]))), 4)
    0.3651
    """
    n = parts.shape[-1]
    if n < 2:
        return np.full(parts.shape[:-1], np.inf)
    squares = np.where(np.isfinite(parts), parts, 0.0) ** 2
    return np.asarray(np.sqrt(squares.sum(axis=-1) * (n / (n - 1))))


@functools.lru_cache(maxsize=256)
def few_weeks_quantile(chance: float, weeks: int) -> float:
    """Return how many errors of so few weeks lie above nothing by this chance; inf below two.

    Formula: Student's t with weeks - 1 degrees of freedom: the error itself is known from no more
    than these weeks. Source: Cameron, Miller (2015), Journal of Human Resources 50, §VI.D.

    >>> round(few_weeks_quantile(0.05, 4), 3), few_weeks_quantile(0.05, 1)
    (2.353, inf)
    """
    return student_quantile(1.0 - chance, weeks - 1) if weeks > 1 else float("inf")
