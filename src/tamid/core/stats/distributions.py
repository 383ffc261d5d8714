"""Quantiles and tails of the normal, beta, binomial and Student distributions, without SciPy."""

from __future__ import annotations

import math
from statistics import NormalDist

_STANDARD = NormalDist()
# Continued fraction of the incomplete beta: stops at double precision, long before this.
_FRACTION_STEPS = 500
_TINY = 1e-300
# Bisection halves [0, 1] until neighbouring doubles meet.
_BISECTIONS = 100


def normal_cdf(z: float) -> float:
    """Return P(Z <= z) for the standard normal.

    >>> round(normal_cdf(1.959964), 4)
    0.975
    """
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """Return z with P(Z <= z) = p, for 0 < p < 1.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return _STANDARD.inv_cdf(p)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b).

    Source: NIST Digital Library of Mathematical Functions, 8.17.22 (continued fraction), with
    the symmetry I_x(a, b) = 1 - I_{1-x}(b, a) where it converges faster.

    >>> round(beta_cdf(0.5, 2, 3), 4)
    0.6875
    """
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - beta_cdf(1.0 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) - _log_beta(a, b)
    return math.exp(log_front) / (a * _beta_fraction(x, a, b))


def beta_quantile(p: float, a: float, b: float) -> float:
    """Return x with I_x(a, b) = p, by bisection.

    >>> round(beta_quantile(0.6875, 2, 3), 6)
    0.5
    """
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def binomial_tail(k: int, n: int, p: float) -> float:
    """Return P(X >= k) for X ~ Binomial(n, p).

    Identity: P(X >= k) = I_p(k, n - k + 1) (DLMF 8.17.5).

    >>> round(binomial_tail(2, 3, 0.5), 4)
    0.5
    """
    if k <= 0:
        return 1.0
    return 0.0 if k > n else beta_cdf(p, k, n - k + 1)


def student_quantile(p: float, freedom: float) -> float:
    """Return t with P(T <= t) = p for Student's t with `freedom` degrees of freedom.

    Identity: P(|T| > t) = I_x(freedom / 2, 1 / 2) with x = freedom / (freedom + t^2).

    >>> round(student_quantile(0.975, 10), 4), round(student_quantile(0.025, 10), 4)
    (2.2281, -2.2281)
    """
    if p == 0.5:
        return 0.0
    x = beta_quantile(2.0 * min(p, 1.0 - p), 0.5 * freedom, 0.5)
    t = math.sqrt(freedom * (1.0 - x) / x) if x > 0.0 else math.inf
    return t if p > 0.5 else -t


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Evaluate 1 + d1/(1 + d2/(1 + ...)) from the front (modified Lentz)."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, _FRACTION_STEPS):
        m, odd = divmod(step, 2)
        if odd:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / (1.0 + term * d or _TINY)
        c = 1.0 + term / c or _TINY
        value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value
