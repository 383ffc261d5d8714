"""Scores that mean what they say: Platt, isotonic, and how far off a score is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import (
    Floats,
    Ints,
    binary,
    floats,
    same_length,
    weights_for,
)

# Scores are kept this far from 0 and 1 before the logit.
_CLIP = 1e-6
_NEWTON_STEPS = 100
# Equal-mass bins of the calibration error; with few rows there are fewer (20 rows a bin at least).
ECE_BINS = 15
_ROWS_A_BIN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A fitted map from score to probability; plain numbers, so that it can be stored as JSON.

    platt: sigmoid(slope * logit(score) + intercept). isotonic: linear between the points (x, y),
    constant outside. none: the score itself. All are monotone: ranks survive.
    """

    kind: Literal["none", "platt", "isotonic"] = "none"
    slope: float = 1.0
    intercept: float = 0.0
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


def fit_platt(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """Fit a logistic curve on the logit of the score by Newton's method.

    Targets are drawn in from 0 and 1 to (1 + P)/(P + 2) and 1/(N + 2), so that separable data
    gives a finite curve. A slope that would turn the ranking around is set to none at all.
    Source: Platt (1999), Advances in Large Margin Classifiers; Lin, Lin and Weng (2007), Machine
    Learning 68 (Newton with halved steps).

    >>> c = fit_platt([0, 0, 1, 1] * 50, [0.2, 0.5, 0.5, 0.8] * 50)
    >>> apply_calibration(c, [0.5]).round(2)
    array([0.5])
    """
    truth, s = binary(y, "y"), floats(score, "score")
    w = weights_for(weights, same_length(y=truth, score=s))
    positive, negative = float(w @ truth), float(w @ (1 - truth))
    if positive == 0 or negative == 0:
        return Calibration()
    target = np.where(truth > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    z = _logit(s)
    slope, intercept = _newton(z, target, w)
    return (
        Calibration(kind="platt", slope=slope, intercept=intercept) if slope > 0 else Calibration()
    )


def fit_isotonic(y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None) -> Calibration:
    """Fit the best non-decreasing curve (pool adjacent violators).

    Formula: least squares under monotony; scores with equal value share one point.
    Source: Barlow, Bartholomew, Bremner and Brunk (1972), Statistical Inference under Order
    Restrictions; Zadrozny and Elkan (2002), KDD.

    >>> fit_isotonic([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]).y
    (0.0, 0.5, 0.5, 1.0)
    """
    truth, s = binary(y, "y"), floats(score, "score")
    w = weights_for(weights, same_length(y=truth, score=s))
    truth, s, w = truth[w > 0], s[w > 0], w[w > 0]
    if len(s) == 0:
        return Calibration()
    levels, place = np.unique(s, return_inverse=True)
    mass = np.asarray(np.bincount(place, weights=w), dtype=np.float64)
    fitted = _pool(np.bincount(place, weights=w * truth) / mass, mass)
    # Points inside a flat stretch say nothing that its two ends do not say.
    flat = np.zeros(len(levels), dtype=bool)
    flat[1:-1] = (fitted[1:-1] == fitted[:-2]) & (fitted[1:-1] == fitted[2:])
    return Calibration(
        kind="isotonic", x=tuple(levels[~flat].tolist()), y=tuple(fitted[~flat].tolist())
    )


def apply_calibration(calibration: Calibration, score: ArrayLike) -> Floats:
    """Return calibrated probabilities, in [0, 1], in the order of the scores.

    >>> apply_calibration(Calibration(kind="isotonic", x=(0.0, 1.0), y=(0.0, 0.5)), [0.5])
    array([0.25])
    """
    s = floats(score, "score")
    if calibration.kind == "platt":
        return _sigmoid(calibration.slope * _logit(s) + calibration.intercept)
    if calibration.kind == "isotonic":
        return np.interp(s, calibration.x, calibration.y).astype(np.float64)
    return s


def calibration_error(
    y: ArrayLike, score: ArrayLike, weights: ArrayLike | None = None, bins: int = ECE_BINS
) -> float:
    """Return the expected calibration error over bins of equal mass; NaN without rows.

    Formula: sum_b (mass_b / mass) |mean y - mean score|. Equal scores are never split over bins.
    Source: Naeini, Cooper and Hauskrecht (2015), AAAI; equal mass: Nixon et al. (2019), CVPR-W.

    >>> round(calibration_error([0, 1] * 100, [0.3, 0.7] * 100), 3)
    0.3
    """
    truth, s = binary(y, "y"), floats(score, "score")
    w = weights_for(weights, same_length(y=truth, score=s))
    total = float(w.sum())
    if total <= 0:
        return float("nan")
    place, count = mass_bins(s, w, bins)
    gap = np.bincount(place, weights=w * (truth - s), minlength=count)
    return float(np.abs(gap).sum() / total)


def mass_bins(s: Floats, w: Floats, bins: int = ECE_BINS) -> tuple[Ints, int]:
    """Return each row's bin of equal mass and their number; equal scores are never split.

    With few rows there are fewer bins: 20 rows a bin at least.

    >>> mass_bins(np.linspace(0, 1, 40), np.ones(40))[1]
    2
    """
    _, level = np.unique(s, return_inverse=True)
    mass = np.bincount(level, weights=w)
    count = max(1, min(bins, len(s) // _ROWS_A_BIN))
    middle = (np.cumsum(mass) - 0.5 * mass) / mass.sum()
    place = np.minimum((middle * count).astype(np.int64), count - 1)
    return np.asarray(place[level], dtype=np.int64), count


def calibration_from(stored: Mapping[str, Any]) -> Calibration:
    """Read a calibration back from its JSON.

    >>> from tamid.core.values import jsonable
    >>> c = Calibration(kind="platt", slope=0.9, intercept=-0.1)
    >>> calibration_from(jsonable(c)) == c
    True
    """
    return Calibration(
        kind=stored["kind"],
        slope=float(stored["slope"]),
        intercept=float(stored["intercept"]),
        x=tuple(float(v) for v in stored["x"]),
        y=tuple(float(v) for v in stored["y"]),
    )


def _newton(z: Floats, target: Floats, w: Floats) -> tuple[float, float]:
    """Minimise the weighted cross-entropy in (slope, intercept); halve steps that do not help."""
    beta = np.array([1.0, 0.0])
    design = np.stack([z, np.ones_like(z)], axis=1)
    loss = _cross_entropy(design @ beta, target, w)
    for _ in range(_NEWTON_STEPS):
        p = _sigmoid(design @ beta)
        slope = design.T @ (w * (p - target))
        curve = (design * (w * p * (1 - p))[:, None]).T @ design
        # A whisker on the diagonal: a constant score has no slope to find.
        step = np.linalg.solve(curve + 1e-9 * w.sum() * np.eye(2), slope)
        size = 1.0
        while size > 1e-10 and _cross_entropy(design @ (beta - size * step), target, w) > loss:
            size *= 0.5
        beta = beta - size * step
        improved, loss = loss, _cross_entropy(design @ beta, target, w)
        if improved - loss <= 1e-12 * max(abs(loss), 1.0):
            break
    return float(beta[0]), float(beta[1])


def _pool(values: Floats, mass: Floats) -> Floats:
    """Pool runs of violators, all at once, until the means of the pools rise."""
    sums, lengths = values * mass, np.ones(len(values), dtype=np.int64)
    means = values
    while True:
        begins = np.flatnonzero(np.concatenate([[True], means[1:] > means[:-1]]))
        if len(begins) == len(means):
            return np.repeat(means, lengths)
        sums, mass, lengths = (np.add.reduceat(part, begins) for part in (sums, mass, lengths))
        means = sums / mass


def _cross_entropy(z: Floats, target: Floats, w: Floats) -> float:
    return float(w @ (np.logaddexp(0.0, z) - target * z))


def _logit(s: Floats) -> Floats:
    p = np.clip(s, _CLIP, 1 - _CLIP)
    return np.asarray(np.log(p) - np.log1p(-p))


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(np.exp(-np.logaddexp(0.0, -z)))
