"""What twice as many rows would bring: how far the curve's word is from the truth."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.learningcurve import fit_curves

SIZES = np.array([250.0, 500.0, 1000.0, 2000.0, 4000.0])


@pytest.mark.parametrize("exponent", [0.3, 0.5, 0.9])
def test_the_gain_of_twice_the_rows_is_true_on_average(exponent: float) -> None:
    """Over 400 curves with noise of half the gain: off by less than a third of it."""
    rng = np.random.default_rng(0)
    truth = 0.1 + 0.2 * (SIZES / 4000) ** -exponent
    gain = 0.2 * (1 - 2.0**-exponent)
    noisy = truth + rng.normal(0, gain / 2, (400, len(SIZES)))
    assert fit_curves(SIZES, noisy).gain(2).mean() == pytest.approx(gain, rel=1 / 3)


def test_where_rows_bring_nothing_little_is_promised() -> None:
    """A flat truth: half of the curves promise nothing, the mean promise is within the noise."""
    rng = np.random.default_rng(1)
    gain = fit_curves(SIZES, 0.3 + rng.normal(0, 0.01, (400, len(SIZES)))).gain(2)
    assert (gain == 0).mean() > 0.4
    assert gain.mean() < 0.005


@given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5), st.permutations(range(5)))
def test_curves_never_rise_and_know_no_order(errors: list[float], order: list[int]) -> None:
    """More rows never cost, no error is negative, sizes come in any order."""
    row = np.array([errors])
    found = fit_curves(SIZES, row)
    sizes = np.array([10.0, 250.0, 4000.0, 1e6])
    at = [float(found.at(n)[0]) for n in sizes]
    assert all(a >= b - 1e-12 for a, b in pairwise(at))
    assert at[-1] >= -1e-12
    turned = fit_curves(SIZES[order], row[:, order])
    assert float(turned.gain(2)[0]) == pytest.approx(float(found.gain(2)[0]), abs=1e-6)


def test_two_sizes_are_a_line_and_one_is_no_curve() -> None:
    """The least that can be fitted, and less than that."""
    assert fit_curves(SIZES[:2], np.array([[0.4, 0.3]])).gain(2)[0] > 0
    with pytest.raises(ValueError, match="two sizes"):
        fit_curves(SIZES[:1], np.array([[0.4]]))
    with pytest.raises(ValueError, match="two sizes"):
        fit_curves(np.array([500.0, 500.0]), np.array([[0.4, 0.3]]))
