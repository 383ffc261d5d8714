"""What a metric will probably be, before any label: estimated from calibrated chances alone.

A row whose chance of being positive is c counts as c positives and 1 - c negatives; any metric that
is a function of sums over rows is then estimated by the same code that measures it. Sees a change
in who is scored (prevalence, mix), never one in what the columns mean: under concept drift the
chances themselves are wrong, so the estimate's own error on past periods is part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Floats, floats, ratio, same_length, weights_for
from tamid.core.stats.calibration import (
    Calibration,
    apply_calibration,
    fit_isotonic,
    fit_platt,
)
from tamid.core.stats.intervals import influence
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import Task

# An estimate on fewer rows, or on fewer expected positives or negatives, is mostly sampling noise.
FEWEST_ROWS = 300
FEWEST_OF_A_CLASS = 30.0
_ROWS_FOR_A_FREE_CURVE, _RARER_FOR_A_FREE_CURVE = 1000, 100
# Free curves of several classes are renormalised, and what each overfits adds up: simulated with
# three classes, log loss was .02 too good on 1600 and on 3000 rows, and within noise on 6000.
_ROWS_A_CLASS_FOR_FREE_CURVES = 2000
# Matured periods that bias and baseline rest on: enough to average noise, few enough to be recent.
RECENT = 4
# Metrics that move with the share of positives, which chances tell; measured on nine data sets,
# the others move with P(y|x), which they do not, and the mean of recent truth must have its half.
BY_PREVALENCE = frozenset({"f1", "precision", "recall", "macro_f1", "auc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedCounts:
    """The confusion matrix that chances promise, in (weighted) rows."""

    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A metric without labels: its value and the standard error of the labels' own chance."""

    value: float
    sampling_error: float


def expected_counts(
    chance: ArrayLike, called: ArrayLike, weights: ArrayLike | None = None
) -> ExpectedCounts:
    """Return the expected confusion matrix of rows that are `called` positive or not.

    Formula: E[TP] = sum w c over called rows, E[FP] = sum w (1 - c) over them, E[FN] = sum w c over
    the others. Source: NannyML documentation, confidence-based performance estimation (CBPE).

    >>> expected_counts([0.9, 0.2], [True, False])
    ExpectedCounts(true_positive=0.9, false_positive=0.1, false_negative=0.2, true_negative=0.8)
    """
    c, yes = _chances(chance), np.asarray(called, dtype=bool)
    w = weights_for(weights, same_length(chance=c, called=yes))
    positive, negative = w * c, w * (1 - c)
    sums = (positive[yes], negative[yes], positive[~yes], negative[~yes])
    # Exact sums: the order of rows must not show in the last digit.
    tp, fp, fn, tn = (round(math.fsum(part.tolist()), 12) for part in sums)
    return ExpectedCounts(true_positive=tp, false_positive=fp, false_negative=fn, true_negative=tn)


def expected_metric(
    name: str,
    task: Task,
    chance: ArrayLike,
    score: ArrayLike,
    *,
    threshold: float = 0.5,
    weights: ArrayLike | None = None,
) -> Estimate:
    """Estimate a metric of the classes from calibrated chances.

    Binary: `chance` and served `score` (n,). Multiclass: `chance` (n, k), rows summing to one,
    `score` (n, k) or (n,) class numbers; macro F1 is one-vs-rest by construction. Formula: every
    row stands once for each class, weighted by its chance; the ROC-AUC is the weighted one. With
    z_k the influence of a row's k-th stand-in and c_k its chance, the labels' own chance gives
    Var = sum over rows of sum_k z_k^2 / c_k - (sum_k z_k)^2. NaN where the metric is undefined.
    Source: NannyML documentation (CBPE); Binder (1983), Int. Statistical Review 51 (linearisation).

    Raises:
        ValueError: shapes differ, a chance is outside [0, 1] or missing, regression.

    >>> e = expected_metric("f1", Task.BINARY, [0.9, 0.2], [0.8, 0.3])
    >>> round(e.value, 3)
    0.857
    """
    if task is Task.REGRESSION:
        raise ValueError("numbers have no chances: see expected_error")
    c = _chances(chance)
    s = floats(score, "score")
    n = same_length(chance=c, score=s)
    w = weights_for(weights, n)
    shares = np.stack([1 - c, c], axis=1) if task is Task.BINARY else c
    if shares.ndim != 2:
        raise ValueError("chance must have one column for each class")
    classes = shares.shape[1]
    y = np.repeat(np.arange(classes, dtype=np.float64), n)
    stands = np.tile(s, (classes, 1)) if s.ndim == 2 else np.tile(s, classes)
    mass = (shares * w[:, None]).T.ravel()
    found = terms(name, task, y, stands, threshold=threshold, weights=mass)
    return Estimate(value=found.point(), sampling_error=_sampling_error(found, shares))


def expected_error(
    name: str, error: ArrayLike, prediction: ArrayLike, weights: ArrayLike | None = None
) -> Estimate:
    """Estimate a regression metric from the error expected of each row.

    `error`: (n,) expected |error| for mae, expected squared error for rmse and r2. Formula: mae =
    mean e, rmse = sqrt(mean e), r2 = 1 - mean e / (var of predictions + mean e), the law of total
    variance for an unbiased model. Errors about a normal law give Var = (pi/2 - 1) e^2 a row for
    |error| and 2 e^2 for its square. Source: NannyML documentation, direct loss estimation (DLE).

    Raises:
        ValueError: a negative or missing error, no such metric.

    >>> expected_error("rmse", [4.0, 4.0], [1.0, 2.0]).value
    2.0
    """
    e, p = floats(error, "error"), floats(prediction, "prediction")
    w = weights_for(weights, same_length(error=e, prediction=p))
    if (e < 0).any():
        raise ValueError("an expected error must not be negative")
    if name not in ("mae", "rmse", "r2"):
        raise ValueError(f"{name!r} is no metric of a regression; there are mae, rmse, r2")
    mass = float(w.sum())
    if mass <= 0:
        return Estimate(value=math.nan, sampling_error=math.nan)
    mean = float(w @ e) / mass
    spread = math.pi / 2 - 1 if name == "mae" else 2.0
    noise = math.sqrt(spread * float((w * e) @ (w * e))) / mass
    if name == "mae":
        return Estimate(value=mean, sampling_error=noise)
    if name == "rmse":
        root = math.sqrt(mean)
        return Estimate(value=root, sampling_error=noise / (2 * root) if root > 0 else 0.0)
    varied = float(w @ (p - float(w @ p) / mass) ** 2) / mass
    whole = varied + mean
    if whole <= 0:
        return Estimate(value=math.nan, sampling_error=math.nan)
    return Estimate(value=1 - mean / whole, sampling_error=noise * varied / whole**2)


def fit_chances(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """Fit the curve from score to chance: isotonic where rows suffice for its shape, else Platt.

    From 1000 rows and 100 of the rarer class on, steps that a logistic curve cannot follow (of
    trees with few leaves) cost more than the noise of a free curve.
    Source: Niculescu-Mizil and Caruana (2005), ICML (isotonic needs about 1000 rows).

    >>> fit_chances([0, 1] * 100, [0.2, 0.6] * 100).kind
    'platt'
    """
    truth = floats(y, "y")
    rarer = min(float((truth > 0.5).sum()), float((truth <= 0.5).sum()))
    free = len(truth) >= _ROWS_FOR_A_FREE_CURVE and rarer >= _RARER_FOR_A_FREE_CURVE
    return (fit_isotonic if free else fit_platt)(truth, score, weights)


def fit_classes(
    y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None
) -> tuple[Calibration, ...]:
    """Fit one curve for each class against the rest: `y` class numbers, `score` (n, k).

    Free curves from 2000 rows a class on, below that logistic ones.
    Source: Zadrozny and Elkan (2002), KDD (one-vs-rest, renormalised).

    >>> len(fit_classes([0, 1, 2], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]))
    3
    """
    truth, s = floats(y, "y"), floats(score, "score")
    classes = s.shape[1]
    fit = fit_chances if len(truth) >= _ROWS_A_CLASS_FOR_FREE_CURVES * classes else fit_platt
    return tuple(fit((truth == k).astype(np.float64), s[:, k], weights) for k in range(classes))


def class_chances(curves: Sequence[Calibration], score: ArrayLike) -> Floats:
    """Return calibrated chances (n, k) that sum to one in each row.

    >>> class_chances((Calibration(), Calibration()), [[0.2, 0.6]])
    array([[0.25, 0.75]])
    """
    s = floats(score, "score")
    each = np.stack([apply_calibration(c, s[:, k]) for k, c in enumerate(curves)], axis=1)
    total = each.sum(axis=1, keepdims=True)
    blank = np.full_like(each, 1.0 / max(each.shape[1], 1))
    np.divide(each, total, out=blank, where=total > 0)
    return blank


def correction(estimates: ArrayLike, realised: ArrayLike) -> float:
    """Return what to add to an estimate, from how far off it was on recent matured periods.

    Formula: b = mean of the last 4 (realised - estimate), shrunk by b^2 / (b^2 + var / n): a bias
    that its own noise may explain is hardly corrected. 0 with fewer than two periods.
    Source: James and Stein (1961), in its positive one-dimensional form.

    >>> round(correction([0.8, 0.8, 0.8], [0.7, 0.7, 0.7]), 3)
    -0.1
    >>> abs(correction([0.8, 0.8], [0.9, 0.7])) < 1e-9
    True
    """
    e, r = floats(estimates, "estimates"), floats(realised, "realised")
    same_length(estimates=e, realised=r)
    gap = (r - e)[-RECENT:]
    if len(gap) < 2:
        return 0.0
    bias = float(gap.mean())
    noise = float(gap.var(ddof=1)) / len(gap)
    whole = bias * bias + noise
    return bias * bias * bias / whole if whole > 0 else 0.0


def combined(name: str, raw: float, estimates: ArrayLike, realised: ArrayLike) -> float:
    """Return the estimate to report: bias-corrected, or halfway to the mean of recent truth.

    `estimates` are raw ones made before their labels came, `realised` what they turned out to be,
    both oldest first. Metrics that prevalence moves (F1) are corrected; the others (accuracy,
    errors) are 0.5 raw + 0.5 mean of the last 4 realised, since chances say little about them.

    >>> round(combined("f1", 0.75, [0.8, 0.8], [0.7, 0.7]), 3)
    0.65
    >>> combined("mae", 3.0, [2.0], [4.0])
    3.5
    """
    if name in BY_PREVALENCE:
        return raw + correction(estimates, realised)
    truth = floats(realised, "realised")[-RECENT:]
    return 0.5 * raw + 0.5 * float(truth.mean()) if len(truth) else raw


def too_small(task: Task, chance: ArrayLike, weights: ArrayLike | None = None) -> str:
    """Return why rows are too few for an estimate of their own, "" if they suffice.

    300 rows, and in a binary task 30 expected positives and negatives; merge periods otherwise.

    >>> too_small(Task.BINARY, [0.01] * 400)
    '4 expected positives, 30 needed'
    """
    c = floats(chance, "chance")
    if len(c) < FEWEST_ROWS:
        return f"{len(c)} rows, {FEWEST_ROWS} needed"
    if task is not Task.BINARY:
        return ""
    w = weights_for(weights, len(c))
    share = float(ratio(np.asarray(w @ c), np.asarray(w.sum())))
    for count, word in ((share * len(c), "positives"), ((1 - share) * len(c), "negatives")):
        if not count >= FEWEST_OF_A_CLASS:
            return f"{count:.0f} expected {word}, {FEWEST_OF_A_CLASS:.0f} needed"
    return ""


def _chances(chance: ArrayLike) -> Floats:
    c = floats(chance, "chance")
    if c.size and (c.min() < 0.0 or c.max() > 1.0):
        raise ValueError("a chance must lie in [0, 1]")
    return c


def _sampling_error(found: Terms, shares: Floats) -> float:
    if not math.isfinite(found.point()):
        return math.nan
    z = influence(found).reshape(shares.shape[1], -1).T
    squares = np.divide(z * z, shares, out=np.zeros_like(z), where=shares > 0)
    spread = squares.sum(axis=1) - z.sum(axis=1) ** 2
    return math.sqrt(max(math.fsum(spread.tolist()), 0.0))
