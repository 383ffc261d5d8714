"""What one model lost less than another on the same rows: differences that may be bet on.

Bets need a mean of bounded differences. Metrics that are no means are turned into one that has the
same sign: exactly for F1, precision and recall, by a loss of the same kind otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Floats, Ints, group_sums
from tamid.core.values import Task

# Chances below this count as this: a log loss is then at most 4.6, and differences are bounded.
_LEAST_CHANCE = 0.01
# Errors of numbers count up to so many times the usual error.
_ERRORS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paired:
    """Differences (n,) in [-1, 1], positive where the new model lost less.

    `worth`: what one unit of their mean is in units of the metric, NaN where that has no meaning.
    """

    difference: Floats
    worth: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One model's scores (n,) and where its decision begins, for all or row by row."""

    score: Floats
    threshold: float | Floats = 0.5

    @property
    def called(self) -> Floats:
        """1 where the decision is positive."""
        return (self.score >= self.threshold).astype(np.float64)


def loss_differences(
    metric: str,
    task: Task,
    y: Floats,
    old: Side,
    new: Side,
    *,
    level: float,
    weights: Floats | None = None,
    largest: float = 1.0,
) -> Paired:
    """Return how much less the new model lost on each row.

    `level`: the old model's metric as known *before* these rows (for errors of numbers: its usual
    error), so that what is bet on is fixed beforehand. `weights` (n,), in 0..`largest`, a
    bound that is known beforehand too: the difference of a row is d w / largest.

    Formula: F1 >= f exactly if sum(-FN (2 - f) - FP f) >= -2 P (1 - f), so that with f = level a
    missed positive costs 1 and a false call f / (2 - f): equal sums are equal F1. Precision: a call
    gains 1 - f if right and costs f if wrong; recall: a missed positive costs 1. Accuracy and
    macro F1: a wrong answer costs 1. AUC and Brier: (p - y)^2. Log loss: -ln of the chance given to
    the truth, at least .01, over ln 100. Numbers: |error| (MAE) or its square (RMSE, R2) up to 4
    times the usual.
    Source: Lipton, Elkan and Naryanaswamy (2014), ECML-PKDD (F1 as a thresholded linear loss).

    >>> y, old = np.array([1.0, 0.0]), Side(score=np.array([0.1, 0.1]))
    >>> new = Side(score=np.array([0.9, 0.9]))
    >>> loss_differences("f1", Task.BINARY, y, old, new, level=0.8).difference.round(3)
    array([ 1.   , -0.667])
    >>> w = np.array([3.0, 1.0])
    >>> heavy = loss_differences(
    ...     "accuracy", Task.BINARY, y, old, new, level=0.8, weights=w, largest=4.0
    ... )
    >>> heavy.difference
    array([ 0.75, -0.25])
    """
    w = np.ones(len(y)) if weights is None else weights
    found = _unweighted(metric, task, y, old, new, level, w)
    mean = float(w.mean()) if len(w) else 1.0
    return Paired(
        difference=found.difference * np.minimum(w / largest, 1.0),
        worth=found.worth * largest / mean if mean > 0 else math.nan,
    )


def block_means(found: Paired, codes: Ints, count: int) -> Paired:
    """Return one difference a block: the mean over its rows, so that rows may hang together.

    >>> one = Paired(difference=np.array([1.0, 0.0, -1.0]), worth=1.0)
    >>> block_means(one, np.array([0, 0, 1]), 2).difference
    array([ 0.5, -1. ])
    """
    rows = np.bincount(codes, minlength=count).astype(np.float64)
    sums = group_sums(found.difference, codes, count)
    return Paired(difference=np.clip(sums / np.maximum(rows, 1.0), -1.0, 1.0), worth=found.worth)


def _unweighted(
    metric: str, task: Task, y: Floats, old: Side, new: Side, level: float, w: Floats
) -> Paired:
    """Return differences without weights, and what their weighted mean is worth."""
    if task is Task.REGRESSION:
        return _numbers(metric, y, old.score, new.score, level)
    if task is Task.MULTICLASS:
        right = (new.score == y).astype(np.float64) - (old.score == y)
        return Paired(difference=right, worth=1.0 if metric == "accuracy" else math.nan)
    if metric in ("f1", "precision", "recall"):
        return _counts(metric, y, old.called, new.called, min(max(level, 0.0), 1.0), w)
    if metric == "accuracy":
        right = (new.called == y).astype(np.float64) - (old.called == y)
        return Paired(difference=right, worth=1.0)
    if metric == "log_loss":
        most = -math.log(_LEAST_CHANCE)
        return Paired(
            difference=(_surprise(y, old.score) - _surprise(y, new.score)) / most, worth=most
        )
    squares = (old.score - y) ** 2 - (new.score - y) ** 2
    return Paired(difference=squares, worth=1.0 if metric == "brier" else math.nan)


def _counts(metric: str, y: Floats, old: Floats, new: Floats, level: float, w: Floats) -> Paired:
    rows = max(float(w.sum()), 1.0)
    if metric == "recall":
        return Paired(difference=y * (new - old), worth=rows / max(float((w * y).sum()), 1.0))
    if metric == "precision":
        gain = (y * (1 - level) - (1 - y) * level) * (new - old)
        return Paired(difference=gain, worth=rows / max(float((w * new).sum()), 1.0))
    price = level / (2.0 - level)
    # Of the new model, 2 TP + FP + FN: then the gain is exact where the level is the old model's.
    mass = float((w * (y + new)).sum())
    worth = (2.0 - level) * rows / max(mass, 1.0)
    return Paired(difference=(y - (1 - y) * price) * (new - old), worth=worth)


def _numbers(metric: str, y: Floats, old: Floats, new: Floats, level: float) -> Paired:
    # R2 is no error; what the scores spread over is known before the labels, too.
    usual = float(np.std(old)) if metric == "r2" else level
    most = _ERRORS * usual if usual > 0 and math.isfinite(usual) else 1.0
    before, after = np.minimum(np.abs(old - y), most), np.minimum(np.abs(new - y), most)
    if metric == "mae":
        return Paired(difference=(before - after) / most, worth=most)
    return Paired(difference=(before**2 - after**2) / most**2, worth=math.nan)


def _surprise(y: Floats, p: Floats) -> Floats:
    given: Floats = np.where(y > 0, p, 1.0 - p)
    return -np.log(np.clip(given, _LEAST_CHANCE, 1.0))
