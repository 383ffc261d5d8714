"""Intervals from how wrong past answers were: split conformal, and adaptive when times change.

Nothing is assumed about the law of the errors. Split conformal keeps its promise while errors are
exchangeable; the adaptive form moves its level after each miss, and tells the coverage it reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from tamid.core.stats.arrays import floats
from tamid.core.values import Interval

LEVEL = 0.9
# How far one miss moves the level; 26 past errors are half a year of weekly checks.
STEP = 0.02
WINDOW = 26
# With fewer past errors an interval would promise less than 80 %.
FEWEST_ERRORS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Width:
    """How wide the next interval must be.

    `half`: to either side, infinite while nothing is known; `level`: what that many errors can
    promise; `coverage`: share of past intervals that held their truth, of `checks` (NaN of none).
    """

    half: float
    level: float
    alpha: float
    coverage: float
    checks: int

    def around(self, point: float, low: float = -math.inf, high: float = math.inf) -> Interval:
        """Return the interval around a point, within the range of what is measured."""
        ends = max(point - self.half, low), min(point + self.half, high)
        return Interval(
            point=point, low=min(ends[0], point), high=max(ends[1], point), level=self.level
        )


def conformal_half(errors: ArrayLike, level: float = LEVEL) -> float:
    """Return the half-width that holds the next error with at least the chance `level`.

    Formula: the ceil((n + 1) level)-th smallest |error|; infinite if there are too few.
    Source: Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World; Lei et al.
    (2018), JASA 113 (split conformal).

    >>> conformal_half([0.1] * 8 + [0.3], 0.9), conformal_half([0.1], 0.9)
    (0.3, inf)
    """
    sizes = sorted(abs(floats(errors, "errors")).tolist())
    # A whisker off, for (n + 1) * level is often a whole number up to rounding.
    rank = math.ceil((len(sizes) + 1) * level - 1e-9)
    if rank < 1:
        return 0.0
    return sizes[rank - 1] if rank <= len(sizes) else math.inf


def adaptive_width(
    errors: ArrayLike, *, level: float = LEVEL, delay: int = 0, step: float = STEP
) -> Width:
    """Return the width for the next answer, after living through the past errors in order.

    `errors`: (n,), oldest first, realised minus estimated; `delay`: how many answers are given
    before an error becomes known, so that the past is replayed as it was. Formula: alpha_{t+1} =
    alpha_t + step (alpha - miss_t); the half-width is the conformal one at level 1 - alpha_t over
    the last 26 known errors. A level above what n errors can promise becomes n / (n + 1).
    Source: Gibbs and Candes (2021), NeurIPS (adaptive conformal inference).

    >>> w = adaptive_width([0.1, -0.1] * 10)
    >>> w.half, w.coverage, w.checks
    (0.1, 1.0, 16)
    """
    known = abs(floats(errors, "errors")).tolist()
    target = 1 - level
    alpha = target
    missed: list[bool | None] = []
    for t, error in enumerate(known):
        # Level and errors lag alike: the miss of an answer is known `delay` answers later.
        alpha = _moved(alpha, missed[t - delay - 1] if t > delay else None, target, step)
        half, _ = _half(known[: max(t - delay, 0)], alpha)
        missed.append(error > half if math.isfinite(half) else None)
    for late in missed[max(len(known) - delay - 1, 0) :]:
        alpha = _moved(alpha, late, target, step)
    judged = [miss for miss in missed if miss is not None]
    half, promised = _half(known, alpha)
    return Width(
        half=half,
        level=min(level, promised),
        alpha=alpha,
        coverage=1 - sum(judged) / len(judged) if judged else math.nan,
        checks=len(judged),
    )


def _moved(alpha: float, miss: bool | None, target: float, step: float) -> float:
    return alpha if miss is None else alpha + step * (target - miss)


def _half(known: Sequence[float], alpha: float) -> tuple[float, float]:
    recent = known[-WINDOW:]
    if len(recent) < FEWEST_ERRORS:
        return math.inf, 0.0
    most = len(recent) / (len(recent) + 1)
    return conformal_half(recent, min(max(1 - alpha, 0.0), most)), most
