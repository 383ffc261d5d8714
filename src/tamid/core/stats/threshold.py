"""From score to decision: the threshold that is best on the rows at hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Floats, binary, floats, ratio, same_length, weights_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The threshold (a row is called positive when score >= threshold) and what it reached."""

    threshold: float
    reached: float
    called_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gains:
    """What one row of each kind brings; costs are negative, unit: money."""

    true_positive: float = 0.0
    false_positive: float = 0.0
    false_negative: float = 0.0
    true_negative: float = 0.0


def best_for_f1(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Choice:
    """Return the threshold with the greatest weighted F1; among equals the highest threshold.

    Formula: maximise 2 TP / (2 TP + FP + FN) over all cuts between distinct scores; the threshold
    lies halfway, so that noise in a score's last digit flips nobody.
    Source: Lipton, Elkan and Naryanaswamy (2014), ECML-PKDD.

    >>> best_for_f1([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9])
    Choice(threshold=0.5, reached=1.0, called_share=0.5)
    """
    cuts, tp, fp, positive, negative = _cuts(y, score, weights)
    reached = np.nan_to_num(ratio(2 * tp, tp + fp + positive), nan=0.0)
    return _choose(cuts, reached, (tp + fp) / max(positive + negative, np.finfo(float).tiny))


def best_for_gain(
    y: ArrayLike, score: ArrayLike, gains: Gains, weights: ArrayLike | None = None
) -> Choice:
    """Return the threshold with the greatest mean gain (or least cost) a row.

    Formula: maximise sum over rows of the gain of its cell of the confusion matrix.
    Source: Elkan (2001), IJCAI (cost-sensitive decisions), on observed counts.

    >>> gains = Gains(true_positive=9, false_positive=-10)
    >>> best_for_gain([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.9], gains)
    Choice(threshold=0.65, reached=2.25, called_share=0.25)
    """
    cuts, tp, fp, positive, negative = _cuts(y, score, weights)
    total = (
        gains.true_positive * tp
        + gains.false_positive * fp
        + gains.false_negative * (positive - tp)
        + gains.true_negative * (negative - fp)
    )
    rows = max(positive + negative, np.finfo(float).tiny)
    return _choose(cuts, total / rows, (tp + fp) / rows)


def _cuts(
    y: ArrayLike, score: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats, float, float]:
    """Return cuts from high to low with the true and false positives at or above each."""
    truth, s = binary(y, "y"), floats(score, "score")
    w = weights_for(weights, same_length(y=truth, score=s))
    if len(s) == 0:
        raise ValueError("no rows: there is nothing to choose a threshold on")
    levels, place = np.unique(s, return_inverse=True)
    positive = np.bincount(place, weights=w * truth)[::-1]
    negative = np.bincount(place, weights=w * (1 - truth))[::-1]
    down = levels[::-1]
    between = np.append((down[:-1] + down[1:]) / 2, down[-1])
    # Above all scores nobody is called; the next number up keeps `score >= threshold` false.
    cuts = np.concatenate([[np.nextafter(down[0], np.inf)], between])
    tp = np.concatenate([[0.0], np.cumsum(positive)])
    fp = np.concatenate([[0.0], np.cumsum(negative)])
    return cuts, tp, fp, float(tp[-1]), float(fp[-1])


def _choose(cuts: Floats, reached: Floats, share: Floats) -> Choice:
    # Sums differ in their last digits with the order of rows: near-ties go to the same cut.
    best = int(np.argmax(reached >= reached.max() - 1e-12 * max(abs(float(reached.max())), 1.0)))
    return Choice(
        threshold=float(cuts[best]), reached=float(reached[best]), called_share=float(share[best])
    )
