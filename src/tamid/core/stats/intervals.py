"""Confidence intervals: proportions, their difference, and any weighted, clustered metric."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats, codes_of, floats, group_sums, weights_for
from tamid.core.stats.distributions import (
    beta_quantile,
    normal_quantile,
    student_quantile,
)
from tamid.core.stats.metrics import Terms
from tamid.core.values import Interval

_NOTHING = float("nan")
# Relative step of the central difference; the cube root of double precision balances its errors.
_STEP = 6e-6


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return the score interval of a proportion; `n` may be an effective sample size.

    Formula: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
    Source: Wilson (1927), JASA 22. With n = 0 nothing is known: [0, 1].

    >>> w = wilson(8, 10)
    >>> round(w.low, 4), round(w.high, 4)
    (0.4902, 0.9433)
    """
    if n <= 0:
        return Interval(point=_NOTHING, low=0.0, high=1.0, level=level)
    p, z = successes / n, normal_quantile(0.5 + level / 2)
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(max(p * (1 - p) / n + z * z / (4 * n * n), 0.0))
    scale = 1 + z * z / n
    low, high = max((centre - half) / scale, 0.0), min((centre + half) / scale, 1.0)
    return Interval(point=p, low=min(low, p), high=max(high, p), level=level)


def newcombe(x1: float, n1: float, x2: float, n2: float, level: float = 0.95) -> Interval:
    """Return the interval of p1 - p2 of two independent samples.

    Formula: d - sqrt((p1-l1)^2 + (u2-p2)^2), d + sqrt((u1-p1)^2 + (p2-l2)^2) with Wilson bounds.
    Source: Newcombe (1998), Statistics in Medicine 17, method 10.

    >>> d = newcombe(56, 70, 48, 80)
    >>> round(d.low, 4), round(d.high, 4)
    (0.0524, 0.3339)
    """
    if n1 <= 0 or n2 <= 0:
        return Interval(point=_NOTHING, low=-1.0, high=1.0, level=level)
    a, b = wilson(x1, n1, level), wilson(x2, n2, level)
    gap = a.point - b.point
    low = gap - math.hypot(a.point - a.low, b.high - b.point)
    high = gap + math.hypot(a.high - a.point, b.point - b.low)
    return Interval(point=gap, low=max(low, -1.0), high=min(high, 1.0), level=level)


def exact_binomial(successes: int, n: int, level: float = 0.95) -> Interval:
    """Return the exact interval of a proportion: coverage is never below `level`.

    Source: Clopper and Pearson (1934), Biometrika 26, through beta quantiles.

    >>> e = exact_binomial(0, 10)
    >>> e.low, round(e.high, 4)
    (0.0, 0.3085)
    """
    if n <= 0:
        return Interval(point=_NOTHING, low=0.0, high=1.0, level=level)
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else beta_quantile(tail, successes, n - successes + 1)
    high = 1.0 if successes == n else beta_quantile(1 - tail, successes + 1, n - successes)
    return Interval(point=successes / n, low=low, high=high, level=level)


def effective_sample_size(weights: ArrayLike) -> float:
    """Return how many equally weighted rows carry the same information.

    Formula: (sum w)^2 / sum w^2. Source: Kish (1965), Survey Sampling.

    >>> effective_sample_size([1, 1, 2]), effective_sample_size([])
    (2.6666666666666665, 0.0)
    """
    w = weights_for(weights, len(np.asarray(weights)))
    squares = float(w @ w)
    return float(w.sum() ** 2 / squares) if squares > 0 else 0.0


def effective_trials(
    hits: ArrayLike, weights: ArrayLike | None = None, clusters: ArrayLike | None = None
) -> tuple[float, float]:
    """Return (successes, trials) of independent rows that are as uncertain as these.

    Formula: trials = p(1-p) / V, V the linearised variance of the weighted mean over clusters;
    never above Kish's size. Source: Korn and Graubard (1998), Survey Methodology 24.

    >>> effective_trials([1, 0, 1, 0], clusters=["a", "a", "b", "b"])
    (2.0, 4.0)
    >>> effective_trials([1, 1, 0, 0], clusters=["a", "a", "b", "b"])
    (0.5, 1.0)
    """
    x = floats(hits, "hits")
    w = weights_for(weights, len(x))
    if w.sum() <= 0:
        return 0.0, 0.0
    p = float(w @ x / w.sum())
    kish = effective_sample_size(w)
    variance, _ = _cluster_variance(w * (x - p) / w.sum(), w > 0, clusters)
    trials = min(p * (1 - p) / variance, kish) if variance > 0 else kish
    return p * trials, trials


def metric_interval(
    terms: Terms, *, clusters: ArrayLike | None = None, level: float = 0.95
) -> Interval:
    """Return the interval of a weighted metric whose rows repeat within clusters.

    Formula: V = G/(G-1) sum_g (sum_{i in g} z_i)^2 with influence z_i = grad(value) . row_i;
    Student's t on the logit scale for metrics in [0, 1], log scale for losses, else plain.
    A metric at the very end of its range has no slope: Wilson on the effective size.
    Source: Binder (1983), Int. Statistical Review 51 (linearisation); Korn and Graubard (1998).

    >>> from tamid.core.stats.metrics import terms
    >>> from tamid.core.values import Task
    >>> y, called = [1] * 50 + [0] * 50, [1] * 75 + [0] * 25
    >>> i = metric_interval(terms("accuracy", Task.BINARY, y, called))
    >>> round(i.point, 2), round(i.low, 2), round(i.high, 2)
    (0.75, 0.65, 0.83)
    """
    point = terms.point()
    metric = terms.metric
    if not math.isfinite(point):
        return Interval(point=_NOTHING, low=metric.low, high=metric.high, level=level)
    counted = terms.mass > 0
    variance, groups = _cluster_variance(influence(terms), counted, clusters)
    unit_range = metric.low == 0.0 and metric.high == 1.0
    if groups < 2:
        return Interval(point=point, low=metric.low, high=metric.high, level=level)
    if unit_range and (point <= 0.0 or point >= 1.0 or variance == 0.0):
        n = min(effective_sample_size(terms.mass), float(groups))
        return wilson(point * n, n, level)
    t = student_quantile(0.5 + level / 2, groups - 1)
    return _transformed(point, t * math.sqrt(variance), metric.low, metric.high, level)


def moved(point: float, by: float, low: float, high: float) -> float:
    """Return the value that lies `by` from a point on the scale on which all values err alike.

    Formula: sin^2(asin(sqrt x) + by / (2 sqrt(x (1 - x)))) for metrics in [0, 1], whose variance is
    about x (1 - x) / n; x exp(by / x) for others that begin at 0, whose errors grow with them; else
    x + by, as at the very end of a range. Source: Bartlett (1947), Biometrics 3.

    >>> [round(moved(0.9, by, 0.0, 1.0), 3) for by in (-0.1, 0.1)]
    [0.78, 0.976]
    >>> round(moved(2.0, -1.0, 0.0, math.inf), 3), moved(0.5, -1.0, -math.inf, 1.0)
    (1.213, -0.5)
    """
    if low == 0.0 and high == 1.0 and 0.0 < point < 1.0:
        angle = math.asin(math.sqrt(point)) + by / (2 * math.sqrt(point * (1 - point)))
        return math.sin(min(max(angle, 0.0), math.pi / 2)) ** 2
    if low == 0.0 and high != 1.0 and point > 0.0:
        return point * math.exp(min(max(by / point, -700.0), 700.0))
    return point + by


def influence(terms: Terms) -> Floats:
    """Return each row's first-order contribution to the metric; they sum to zero.

    Formula: z_i = row_i . d value / d sums at the totals. Source: Binder (1983).

    >>> from tamid.core.stats.metrics import terms
    >>> from tamid.core.values import Task
    >>> influence(terms("accuracy", Task.BINARY, [1, 0], [1.0, 1.0])).round(3)
    array([ 0.25, -0.25])
    """
    totals = terms.rows.sum(axis=0)
    step = _STEP * np.maximum(np.abs(totals), np.abs(totals).max(initial=0.0) * 1e-3)
    step = np.where(step > 0, step, 1.0)
    nudged = np.diag(step)
    slope = (terms.value(totals + nudged) - terms.value(totals - nudged)) / (2 * step)
    return np.asarray(terms.rows @ np.where(np.isfinite(slope), slope, 0.0), dtype=np.float64)


def _cluster_variance(z: Floats, counted: Bools, clusters: ArrayLike | None) -> tuple[float, int]:
    """Sum squares over clusters that carry mass; return the variance and their number."""
    if clusters is None:
        sums = z[counted]
    else:
        codes, groups = codes_of(np.asarray(clusters)[counted])
        sums = group_sums(z[counted], codes, groups)
    groups = len(sums)
    if groups < 2:
        return 0.0, groups
    spread = sums - sums.mean()
    return float(spread @ spread) * groups / (groups - 1), groups


def _transformed(point: float, half: float, low: float, high: float, level: float) -> Interval:
    if low == 0.0 and high == 1.0:
        centre, width = math.log(point / (1 - point)), half / (point * (1 - point))
        ends = [1 / (1 + math.exp(-min(max(x, -700.0), 700.0)))
                for x in (centre - width, centre + width)]  # fmt: skip
    elif low == 0.0 and point > 0.0:
        factor = math.exp(min(half / point, 700.0))
        ends = [point / factor, min(point * factor, high)]
    else:
        ends = [max(point - half, low), min(point + half, high)]
    return Interval(point=point, low=ends[0], high=ends[1], level=level)
