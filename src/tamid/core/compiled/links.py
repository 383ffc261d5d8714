"""From a model's sums to its answers, and from answers to calibrated ones."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np

from tamid.core.compiled.program import Floats, Program
from tamid.core.stats.calibration import Calibration

# The clip of the logit, as in tamid.core.stats.calibration.
_CLIP = 1e-6


def link_row(program: Program, sums: list[float]) -> list[float]:
    """Return one row's answers from its sums."""
    link = program.link
    if link == "identity":
        return sums
    if link == "sigmoid":
        return [_sigmoid(program.factor * s) for s in sums]
    if link == "divide":
        return [s / program.factor for s in sums]
    if link == "exp":
        return [_exp(s) for s in sums]
    largest = max(sums)
    shares = [_exp(s - largest) for s in sums]
    total = 0.0
    for share in shares:
        total += share
    return [share / total for share in shares]


def link_batch(program: Program, sums: Floats) -> Floats:
    """Return (n, outputs) answers from (n, outputs) sums."""
    with np.errstate(over="ignore", invalid="ignore"):
        if program.link == "sigmoid":
            return np.asarray(1.0 / (1.0 + np.exp(-(program.factor * sums))))
        if program.link == "divide":
            return np.asarray(sums / program.factor)
        if program.link == "exp":
            return np.asarray(np.exp(sums))
        if program.link == "softmax":
            shares = np.exp(sums - sums.max(axis=1, keepdims=True))
            return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    return sums


def calibrate(calibration: Calibration, score: float) -> float:
    """Return one calibrated score, as `apply_calibration` does for many.

    >>> calibrate(Calibration(kind="isotonic", x=(0.0, 1.0), y=(0.0, 0.5)), 0.5)
    0.25
    """
    if calibration.kind == "none" or score != score:
        return score
    if calibration.kind == "platt":
        p = min(max(score, _CLIP), 1 - _CLIP)
        z = calibration.slope * (math.log(p) - math.log1p(-p)) + calibration.intercept
        return math.exp(-(max(0.0, -z) + math.log1p(math.exp(-abs(z)))))
    x, y = calibration.x, calibration.y
    j = bisect_right(x, score) - 1
    if j < 0:
        return y[0]
    if j == len(x) - 1 or x[j] == score:
        return y[j]
    return (y[j + 1] - y[j]) / (x[j + 1] - x[j]) * (score - x[j]) + y[j]


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + _exp(-z))


def _exp(z: float) -> float:
    try:
        return math.exp(z)
    except OverflowError:
        return math.inf
