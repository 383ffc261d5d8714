"""Quantiles and tails against exact sums and published tables."""

from __future__ import annotations

import math

import pytest

from tamid.core.stats.distributions import (
    beta_cdf,
    beta_quantile,
    binomial_tail,
    normal_cdf,
    normal_quantile,
    student_quantile,
)


@pytest.mark.parametrize("p", [1e-9, 0.01, 0.3, 0.5, 0.975, 1 - 1e-9])
def test_normal_quantile_undoes_the_distribution(p: float) -> None:
    """The normal quantile is the inverse of the distribution function."""
    assert normal_cdf(normal_quantile(p)) == pytest.approx(p, rel=1e-6)


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (20, 0.05), (150, 0.6)])
def test_binomial_tail_is_the_sum_of_its_terms(n: int, p: float) -> None:
    """The tail through the beta function equals the plain sum."""
    for k in range(n + 2):
        plain = math.fsum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
        assert binomial_tail(k, n, p) == pytest.approx(plain, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize(
    ("p", "freedom", "t"),
    [(0.975, 1, 12.7062), (0.95, 4, 2.1318), (0.995, 30, 2.7500), (0.975, 1e6, 1.95997)],
)
def test_student_quantiles_match_the_tables(p: float, freedom: float, t: float) -> None:
    """Student's quantiles agree with printed tables and are symmetric."""
    assert student_quantile(p, freedom) == pytest.approx(t, abs=1e-4)
    assert student_quantile(1 - p, freedom) == pytest.approx(-t, abs=1e-4)
    assert student_quantile(0.5, freedom) == 0.0


@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (2.0, 30.0), (1000.0, 3.0)])
def test_beta_quantile_undoes_the_distribution(a: float, b: float) -> None:
    """The beta quantile is the inverse of the incomplete beta function."""
    for p in (0.001, 0.4, 0.99):
        assert beta_cdf(beta_quantile(p, a, b), a, b) == pytest.approx(p, rel=1e-6)


def test_the_ends_are_certain() -> None:
    """Outside (0, 1) nothing or everything is left."""
    assert beta_cdf(-1.0, 2, 3) == 0.0
    assert beta_cdf(2.0, 2, 3) == 1.0
    assert (binomial_tail(0, 5, 0.2), binomial_tail(6, 5, 0.2)) == (1.0, 0.0)
