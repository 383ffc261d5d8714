"""The area under the ROC curve with weights and ties, and each row's share in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Floats, binary, floats, same_length, weights_for


def auc(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return P(score of a positive > score of a negative) + half the ties; NaN with one class.

    Formula: sum over pairs w_i w_j [s_i > s_j] + [s_i = s_j] / 2, over the sum of w_i w_j.
    Source: Hanley and McNeil (1982), Radiology 143; weights as in survey sampling.

    >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    truth, _, w = _checked(y, score, weights)
    above, _ = placements(y, score, weights)
    mass = w * truth
    return (
        float(mass @ above / mass.sum()) if mass.sum() > 0 and not _one_class(truth, w) else np.nan
    )


def placements(
    y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Return for each row the share of negatives below it and of positives above it.

    The first array matters for positives, the second for negatives; their weighted means are
    both the AUC, and resampling them resamples the AUC to first order.
    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44 (structural components).

    >>> below, above = placements([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    >>> below[[1, 3]], above[[0, 2]]
    (array([0.5, 1. ]), array([1. , 0.5]))
    """
    truth, s, w = _checked(y, score, weights)
    _, level = np.unique(s, return_inverse=True)
    levels = int(level.max()) + 1 if len(level) else 0
    positive = np.bincount(level, weights=w * truth, minlength=levels)
    negative = np.bincount(level, weights=w * (1.0 - truth), minlength=levels)
    below = np.cumsum(negative) - 0.5 * negative
    above = positive.sum() - np.cumsum(positive) + 0.5 * positive
    below = below / max(float(negative.sum()), np.finfo(float).tiny)
    above = above / max(float(positive.sum()), np.finfo(float).tiny)
    return below[level].astype(np.float64), above[level].astype(np.float64)


def _checked(
    y: ArrayLike, score: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    truth, s = binary(y, "y"), floats(score, "score")
    return truth, s, weights_for(weights, same_length(y=truth, score=s))


def _one_class(truth: Floats, w: Floats) -> bool:
    return float(w @ truth) == 0.0 or float(w @ (1.0 - truth)) == 0.0
