"""Every metric as a function of sums over rows, so that weights and resampling are the same thing.

A metric is `value(sum of rows)`, where each row carries a few additive terms already multiplied
by its weight. F1, for one, is 2 TP / (2 TP + FP + FN). Confidence intervals, block bootstraps and
sign flips need only these terms (:class:`Terms`), whatever the metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats, binary, floats, ratio, same_length, weights_for
from tamid.core.stats.auc import auc, placements
from tamid.core.values import Task

# Probabilities are kept this far from 0 and 1, so that one sure error is not infinite loss.
_CLIP = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric's name, the tasks it fits, its direction and its range."""

    name: str
    tasks: frozenset[Task]
    higher_is_better: bool
    low: float
    high: float

    def sign(self) -> float:
        """Return +1 when higher is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """The additive terms of one metric: `rows` (n, k), their `mass` (n,), and how to read sums.

    Law: `value(rows.sum(axis=0))` is the metric, `value` maps (..., k) to (...), and multiplying
    all rows by a constant changes nothing. `mass` is each row's part of the denominator: two
    models' differences in disjoint blocks add up in proportion to it.
    """

    metric: Metric
    rows: Floats
    mass: Floats
    value: Callable[[Floats], Floats]

    def point(self) -> float:
        """Return the metric over all rows."""
        return float(self.value(self.rows.sum(axis=0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """All metrics of one model on one set of rows; NaN where a metric cannot be measured."""

    values: Mapping[str, float]
    n: int
    n_effective: float
    positives: int | None = None

    def __getitem__(self, name: str) -> float:
        """Return the metric by name."""
        return self.values[name]


def evaluate(
    task: Task,
    y: ArrayLike,
    score: ArrayLike,
    *,
    threshold: float | Floats = 0.5,
    weights: ArrayLike | None = None,
) -> Metrics:
    """Measure every metric of the task.

    Binary: `y` 0/1, `score` in [0, 1], a row is called positive when score >= threshold.
    Multiclass: `y` class numbers, `score` (n, classes) probabilities or (n,) class numbers (then
    without log_loss and brier). Regression: numbers.

    Raises:
        ValueError: shapes differ, values are missing or out of range.

    >>> evaluate(Task.BINARY, [1, 1, 0, 0], [0.9, 0.2, 0.6, 0.1])["f1"]
    0.5
    """
    hard = task is Task.MULTICLASS and np.ndim(score) == 1
    names = [m.name for m in METRICS.values() if task in m.tasks]
    names = [name for name in names if not (hard and name in ("log_loss", "brier"))]
    values = {
        name: terms(name, task, y, score, threshold=threshold, weights=weights).point()
        for name in names
    }
    w = weights_for(weights, len(np.asarray(y)))
    squares = float(w @ w)
    return Metrics(
        values=values,
        n=int((w > 0).sum()),
        n_effective=float(w.sum() ** 2 / squares) if squares > 0 else 0.0,
        positives=int(binary(y, "y")[w > 0].sum()) if task is Task.BINARY else None,
    )


def terms(
    name: str,
    task: Task,
    y: ArrayLike,
    score: ArrayLike,
    *,
    threshold: float | Floats = 0.5,
    weights: ArrayLike | None = None,
) -> Terms:
    """Return the additive terms of one metric (see :func:`evaluate` for the inputs).

    Raises:
        ValueError: no such metric for this task, or inputs that do not fit.

    >>> terms("accuracy", Task.BINARY, [1, 0], [0.9, 0.8]).point()
    0.5
    """
    metric = metric_of(name, task)
    n = same_length(y=np.asarray(y), score=np.asarray(score))
    w = weights_for(weights, n)
    if task is Task.REGRESSION:
        return _regression(metric, floats(y, "y"), floats(score, "score"), w)
    if task is Task.MULTICLASS:
        return _multiclass(metric, floats(y, "y"), floats(score, "score"), w)
    return _binary(metric, binary(y, "y"), floats(score, "score"), threshold, w)


def metric_of(name: str, task: Task) -> Metric:
    """Return the metric of that name.

    Raises:
        ValueError: the task has no such metric; the message lists those it has.

    >>> metric_of("brier", Task.BINARY).higher_is_better
    False
    """
    metric = METRICS.get(name)
    if metric is None or task not in metric.tasks:
        known = ", ".join(m.name for m in METRICS.values() if task in m.tasks)
        raise ValueError(f"{name!r} is no metric of a {task} task; there are {known}")
    return metric


def _metric(
    name: str, tasks: set[Task], *, up: bool, low: float = 0.0, high: float = 1.0
) -> Metric:
    return Metric(name=name, tasks=frozenset(tasks), higher_is_better=up, low=low, high=high)


_BOTH = {Task.BINARY, Task.MULTICLASS}
METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        m.name: m
        for m in (
            _metric("f1", {Task.BINARY}, up=True),
            _metric("precision", {Task.BINARY}, up=True),
            _metric("recall", {Task.BINARY}, up=True),
            _metric("macro_f1", {Task.MULTICLASS}, up=True),
            _metric("accuracy", _BOTH, up=True),
            _metric("auc", {Task.BINARY}, up=True),
            _metric("brier", _BOTH, up=False, high=2.0),
            _metric("log_loss", _BOTH, up=False, high=np.inf),
            _metric("mae", {Task.REGRESSION}, up=False, high=np.inf),
            _metric("rmse", {Task.REGRESSION}, up=False, high=np.inf),
            _metric("r2", {Task.REGRESSION}, up=True, low=-np.inf),
        )
    }
)


def _binary(metric: Metric, y: Floats, s: Floats, threshold: float | Floats, w: Floats) -> Terms:
    if metric.name == "auc":
        return _auc(metric, y, s, w)
    if metric.name in ("brier", "log_loss"):
        p = _probability(s)
        return _mean(metric, (p - y) ** 2 if metric.name == "brier" else _log_loss(y, p), w)
    called = (s >= threshold).astype(np.float64)
    if metric.name == "accuracy":
        return _mean(metric, (called == y).astype(np.float64), w)
    tp, fp, fn = w * y * called, w * (1 - y) * called, w * y * (1 - called)
    if metric.name == "f1":
        return _quotient(metric, 2 * tp, 2 * tp + fp + fn)
    return _quotient(metric, tp, tp + (fp if metric.name == "precision" else fn))


def _multiclass(metric: Metric, y: Floats, s: Floats, w: Floats) -> Terms:
    label = y.astype(np.int64)
    if (label != y).any() or (label < 0).any():
        raise ValueError("y must be class numbers 0, 1, 2, ...")
    called = s.astype(np.int64) if s.ndim == 1 else s.argmax(axis=1)
    classes = int(max(label.max(initial=-1), called.max(initial=-1))) + 1
    if s.ndim == 2 and s.shape[1] < classes:
        raise ValueError(f"y names class {classes - 1}, but score has {s.shape[1]} columns")
    if metric.name == "accuracy":
        return _mean(metric, (called == label).astype(np.float64), w)
    if metric.name == "macro_f1":
        return _macro_f1(metric, label == np.arange(classes)[:, None],
                         called == np.arange(classes)[:, None], w)  # fmt: skip
    if s.ndim == 1:
        raise ValueError(f"{metric.name} needs a probability for each class")
    p = _probability(s)
    if metric.name == "brier":
        truth = np.eye(s.shape[1])[label]
        return _mean(metric, ((p - truth) ** 2).sum(axis=1), w)
    return _mean(metric, -np.log(np.clip(p[np.arange(len(p)), label], _CLIP, 1.0)), w)


def _regression(metric: Metric, y: Floats, s: Floats, w: Floats) -> Terms:
    error = np.abs(s - y)
    if metric.name == "mae":
        return _mean(metric, error, w)
    if metric.name == "rmse":
        rows = np.stack([w * error**2, w], axis=1)
        return Terms(metric=metric, rows=rows, mass=w,
                     value=lambda t: np.sqrt(ratio(t[..., 0], t[..., 1])))  # fmt: skip
    # Centred first: the spread is the same, and large means do not eat the digits.
    centred = y - (float(w @ y / w.sum()) if w.sum() > 0 else 0.0)
    rows = np.stack([w * error**2, w * centred**2, w * centred, w], axis=1)
    return Terms(metric=metric, rows=rows, mass=w, value=_r2)


def _r2(t: Floats) -> Floats:
    spread = t[..., 1] - ratio(t[..., 2] ** 2, t[..., 3])
    return 1.0 - ratio(t[..., 0], np.asarray(spread))


def _auc(metric: Metric, y: Floats, s: Floats, w: Floats) -> Terms:
    point = auc(y, s, w)
    below, above = placements(y, s, w)
    rows = np.stack([w * y * below, w * y, w * (1 - y) * above, w * (1 - y)], axis=1)
    return Terms(
        metric=metric, rows=rows, mass=w,
        value=lambda t: ratio(t[..., 0], t[..., 1]) + ratio(t[..., 2], t[..., 3]) - point,
    )  # fmt: skip


def _macro_f1(metric: Metric, is_class: Bools, called: Bools, w: Floats) -> Terms:
    """Average over the classes that occur; terms are 2 TP and 2 TP + FP + FN of each."""
    both = np.concatenate([2 * w * (is_class & called), w * is_class + w * called * 1.0])
    classes = len(is_class)

    def value(t: Floats) -> Floats:
        each = ratio(t[..., :classes], t[..., classes:])
        # A class in neither truth nor prediction is NaN: average the others, in resamples too.
        kept = np.isfinite(each)
        return ratio(np.where(kept, each, 0.0).sum(axis=-1), kept.sum(axis=-1).astype(np.float64))

    return Terms(metric=metric, rows=both.T.astype(np.float64), mass=w, value=value)


def _mean(metric: Metric, loss: Floats, w: Floats) -> Terms:
    return _quotient(metric, w * loss, w)


def _quotient(metric: Metric, numerator: Floats, denominator: Floats) -> Terms:
    return Terms(
        metric=metric,
        rows=np.stack([numerator, denominator], axis=1),
        mass=denominator,
        value=lambda t: ratio(t[..., 0], t[..., 1]),
    )


def _log_loss(y: Floats, p: Floats) -> Floats:
    q = np.clip(p, _CLIP, 1.0 - _CLIP)
    return np.asarray(-(y * np.log(q) + (1.0 - y) * np.log1p(-q)))


def _probability(s: Floats) -> Floats:
    if s.size and (s.min() < 0.0 or s.max() > 1.0):
        raise ValueError("score must lie in [0, 1] to be judged as a probability")
    return s
