"""Realised quality of one set of judged rows, with what is needed to say why it changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tamid.core.stats.concept import concept_change
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import terms
from tamid.core.values import Interval, Task

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """One metric on one set of rows, its interval, and details for the diagnosis."""

    value: float
    interval: Interval
    rows: int
    positives: int
    detail: Mapping[str, float] = field(default_factory=dict)


def realised(
    metric: str,
    task: Task,
    y: Floats,
    score: Floats,
    *,
    threshold: float | Floats,
    weights: Floats,
    entities: npt.NDArray[np.generic] | None = None,
    usual_rate: float = math.nan,
) -> Realised:
    """Measure a metric on rows weighted by 1 / chance of being observed.

    `y`, `score`, `weights`: (n,); `threshold`: one for all or (n,). `usual_rate`: the reference's
    share of positives. The interval is at 95 % and clusters rows of one entity.

    >>> r = realised("f1", Task.BINARY, np.array([1.0, 0.0] * 50), np.array([0.9, 0.1] * 50),
    ...              threshold=0.5, weights=np.ones(100))
    >>> r.value, r.positives
    (1.0, 50)
    """
    found = terms(metric, task, y, score, threshold=threshold, weights=weights)
    interval = metric_interval(found, clusters=entities)
    detail: dict[str, float] = {}
    positives = 0
    if task is Task.BINARY:
        positives = int((y > 0).sum())
        detail = _binary_detail(metric, y, score, threshold, weights, usual_rate)
    return Realised(
        value=found.point(),
        interval=interval,
        rows=len(y),
        positives=positives,
        detail={k: v for k, v in detail.items() if math.isfinite(v)},
    )


def expected_f1(score: Floats, weights: Floats, threshold: float | Floats) -> float:
    """Return the F1 that calibrated scores promise, without any label.

    Formula: E[TP] = sum w p over called rows, E[FP] = sum w (1 - p) over called rows, E[FN] = sum
    w p over the others; F1 = 2 TP / (2 TP + FP + FN).
    Source: confidence-based performance estimation, NannyML documentation (CBPE).

    >>> round(expected_f1(np.array([0.9, 0.2]), np.ones(2), 0.5), 3)
    0.857
    """
    called = score >= threshold
    tp = float((weights * score)[called].sum())
    fp = float((weights * (1 - score))[called].sum())
    fn = float((weights * score)[~called].sum())
    total = 2 * tp + fp + fn
    return 2 * tp / total if total > 0 else math.nan


def f1_at_rate(tpr: float, fpr: float, rate: float) -> float:
    """Return the F1 that the same two error rates give at another share of positives.

    Formula: TP = rate TPR, FP = (1 - rate) FPR, FN = rate (1 - TPR).

    >>> round(f1_at_rate(0.8, 0.05, 0.1), 3)
    0.711
    """
    tp, fp, fn = rate * tpr, (1 - rate) * fpr, rate * (1 - tpr)
    return 2 * tp / (2 * tp + fp + fn) if tp > 0 else math.nan


def _binary_detail(
    metric: str,
    y: Floats,
    score: Floats,
    threshold: float | Floats,
    weights: Floats,
    usual_rate: float,
) -> dict[str, float]:
    called = score >= threshold
    positive, negative = weights * y, weights * (1 - y)
    tpr = _share(positive[called].sum(), positive.sum())
    fpr = _share(negative[called].sum(), negative.sum())
    detail = {
        "positive_rate": _share(positive.sum(), weights.sum()),
        "mean_score": _share((weights * score).sum(), weights.sum()),
        "discrimination": _share((positive * score).sum(), positive.sum())
        - _share((negative * score).sum(), negative.sum()),
        "recall": tpr,
        "false_positive_rate": fpr,
        "precision": _share(positive[called].sum(), weights[called].sum()),
    }
    detail |= _concept_detail(y, score, called, weights)
    if metric == "f1":
        detail["expected"] = expected_f1(score, weights, threshold)
        detail["at_reference_prevalence"] = f1_at_rate(tpr, fpr, usual_rate)
    return detail


def _concept_detail(
    y: Floats, score: Floats, called: npt.NDArray[np.bool_], weights: Floats
) -> dict[str, float]:
    """Errors beyond what the scores announce, as far as the scores are chances."""
    if len(score) and (score.min() < 0 or score.max() > 1):
        return {}
    found = concept_change(y, score, called, weights=weights)
    return {
        "excess": found.excess,
        "excess_limit": found.excess_limit,
        "gap": found.gap,
        "gap_limit": found.gap_limit,
    }


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole > 0 else math.nan
