"""Can these labels be right? Their rate, and how many of them came at all."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import floats

# A rate below a quarter of the usual, or above four times it, at five standard errors, is a feed
# that defaulted; the world moves less in a week.
COLLAPSE, JUMP = 0.25, 4.0
_ERRORS = 5.0
# ... and within so many of the standard deviations that times as long have, it may be the world.
_SPREADS = 2.0
# A share of labels this far below every earlier one is a join that lost its keys.
JOIN_FALL = 0.2
# A share of positives that differs from the usual by less than a quarter of it explains nothing.
_MOVED = 0.25
# Weeks that a comparison needs.
_FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRate:
    """A week's rate of positives against the usual one, and what it is taken for ("" if sound)."""

    rate: float
    usual: float
    errors: float
    kind: str


def label_rate(
    positives: float, rows: float, usual: float, seen: Sequence[float] = ()
) -> LabelRate:
    """Hold the rate of positives against the usual one, and against those of as long a time.

    Formula: z = (rate - usual) / sqrt(usual (1 - usual) / rows); "collapse" when the rate is below
    a quarter of the usual and z < -5, "jump" when it is above four times and z > 5; neither where
    `seen`, the rates of earlier times as long, has been there (nights without anybody are usual),
    nor within twice the standard deviation of four such rates or more.
    Source: normal approximation of a binomial share (Wald); five errors, and the times' own spread
    as in an overdispersed share, Finney (1971), Probit Analysis, ch. 4.

    >>> label_rate(0, 2000, 0.1).kind, label_rate(150, 2000, 0.1).kind
    ('collapse', '')
    >>> label_rate(1000, 2000, 0.1).kind
    'jump'
    >>> label_rate(0, 2000, 0.1, seen=[0.2, 0.0, 0.1]).kind
    ''
    >>> label_rate(10, 2000, 0.1, seen=[0.3, 0.01, 0.02, 0.07]).kind
    ''
    """
    known = [s for s in seen if math.isfinite(s)]
    if rows <= 0 or not 0 < usual < 1:
        return LabelRate(rate=math.nan, usual=usual, errors=0.0, kind="")
    rate = positives / rows
    errors = (rate - usual) / math.sqrt(usual * (1 - usual) / rows)
    kind = ""
    if within_spread(rate, usual, known):
        return LabelRate(rate=rate, usual=usual, errors=errors, kind=kind)
    if rate < COLLAPSE * usual and errors < -_ERRORS and not rate >= min(known, default=math.inf):
        kind = "collapse"
    elif rate > JUMP * usual and errors > _ERRORS and not rate <= max(known, default=-math.inf):
        kind = "jump"
    return LabelRate(rate=rate, usual=usual, errors=errors, kind=kind)


def rate_moved(positives: float, rows: float, usual: float, seen: Sequence[float] = ()) -> bool:
    """Say whether positives are so many more or fewer that the world may have changed there.

    Formula: |z| > 5 with the z of `label_rate`, |rate - usual| > usual / 4, and not within twice
    the standard deviation of `seen`, the rates of earlier times as long, if there are four.

    >>> rate_moved(100, 2000, 0.1), rate_moved(180, 2000, 0.1), rate_moved(1, 20, 0.1)
    (True, False, False)
    >>> rate_moved(100, 2000, 0.1, seen=[0.05, 0.15, 0.12, 0.08])
    False
    """
    found = label_rate(positives, rows, usual)
    far = abs(found.errors) > _ERRORS and abs(found.rate - usual) > _MOVED * usual
    return far and not within_spread(found.rate, usual, seen)


def moved_by_inputs(moved: float, announced: float, discrimination: float) -> bool:
    """Say whether a share of positives moved with the inputs, or by itself (label shift).

    Formula: announced / moved > (1 + D) / 2, with D = mean(p | y = 1) - mean(p | y = 0). Inputs
    that move take the scores along: all of the move is announced. Where positives alone become
    rarer or more frequent, scores move by the share D of it; the middle of both parts them.
    `moved`, `announced`: how far the rate and the mean chance lie from the usual ones.
    Source: Lipton, Wang and Smola (2018), Detecting and Correcting for Label Shift, ICML; D is
    Tjur's coefficient of discrimination, The American Statistician 63 (2009).

    >>> moved_by_inputs(0.10, 0.09, 0.4), moved_by_inputs(-0.10, -0.05, 0.4)
    (True, False)
    """
    return moved != 0 and announced / moved > (1.0 + discrimination) / 2.0


def within_spread(rate: float, usual: float, seen: Sequence[float]) -> bool:
    """Say whether a rate lies within twice the standard deviation of those of times as long.

    Fewer than four such times have no spread to speak of.

    >>> within_spread(0.0, 0.1, [0.3, 0.01, 0.02, 0.07]), within_spread(0.0, 0.1, [0.1] * 4)
    (True, False)
    """
    known = [s for s in seen if math.isfinite(s)]
    return len(known) >= _FEWEST and abs(rate - usual) <= _SPREADS * statistics.stdev(known)


def rates_together(rates: Sequence[float], count: int) -> tuple[float, ...]:
    """Return the mean rate of each `count` neighbouring weeks, for a look at as many together.

    >>> rates_together([0.0, 0.2, 0.4], 2)
    (0.1, 0.30000000000000004)
    """
    return tuple(
        math.fsum(rates[i : i + count]) / count for i in range(len(rates) - count + 1) if count > 0
    )


def join_fell(shares: Sequence[float], now: float) -> bool:
    """Say whether far fewer rows than ever before found their label, all being due.

    Formula: now < min(earlier shares) - 0.2; needs four earlier periods.

    >>> join_fell([0.98, 0.97, 0.99, 0.98], 0.6), join_fell([0.98, 0.97, 0.7, 0.98], 0.6)
    (True, False)
    """
    known = [s for s in shares if math.isfinite(s)]
    return len(known) >= _FEWEST and math.isfinite(now) and now < min(known) - JOIN_FALL


def disagreement_share(wrong: ArrayLike, group: ArrayLike) -> float:
    """Return the largest share of all wrong answers that one group of rows has, over its size.

    Formula: max_g (wrong_g / wrong) / (rows_g / rows); 1: spread evenly. A label bug of one branch
    or feed sits in that group; a changed world does not know the feed's name.

    >>> disagreement_share([1, 1, 0, 0], ["a", "a", "b", "b"])
    2.0
    """
    miss = floats(wrong, "wrong")
    _, codes = np.unique(np.asarray(group), return_inverse=True)
    total = float(miss.sum())
    if total <= 0:
        return 1.0
    part = np.bincount(codes, weights=miss) / total
    size = np.bincount(codes) / len(miss)
    return float((part / size).max())
