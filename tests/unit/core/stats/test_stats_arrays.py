"""The checks that every statistic makes first."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import binary, codes_of, floats, group_sums, ratio, same_length
from tamid.core.stats.arrays import weights_for as weigh


@pytest.mark.parametrize("values", [[1.0, np.nan], [np.inf], ["a"]])
def test_numbers_must_be_finite(values: ArrayLike) -> None:
    """NaN, infinity and text are refused, and the message names the column."""
    with pytest.raises(ValueError, match="score"):
        floats(values, "score")


@pytest.mark.parametrize("values", [[0, 2], [[0], [1]], [0.5]])
def test_labels_are_zero_and_one(values: ArrayLike) -> None:
    """Anything but one column of 0 and 1 is refused as a binary label."""
    with pytest.raises(ValueError, match="y"):
        binary(values, "y")


@pytest.mark.parametrize("weights", [[1.0], [-1.0, 1.0], [np.nan, 1.0]])
def test_weights_fit_the_rows(weights: list[float]) -> None:
    """Weights of another length, negative or missing are refused."""
    with pytest.raises(ValueError, match="weights"):
        weigh(weights, 2)


def test_lengths_are_named() -> None:
    """Columns of different length are refused, with all lengths in the message."""
    with pytest.raises(ValueError, match=r"'y': 2.*'score': 1"):
        same_length(y=[1, 0], score=[1])


def test_sums_by_group_keep_the_total() -> None:
    """Group sums of a matrix add up to its column sums, whatever the labels' type."""
    rows = np.random.default_rng(0).normal(size=(50, 3))
    codes, groups = codes_of(["east", "west", "north", "north", "east"] * 10)
    sums = group_sums(rows, codes, groups)
    assert sums.shape == (3, 3)
    np.testing.assert_allclose(sums.sum(axis=0), rows.sum(axis=0))


def test_nothing_over_nothing_is_not_a_number() -> None:
    """A quotient without denominator is NaN, silently."""
    assert np.isnan(ratio(np.array([3.0]), np.array([0.0]))[0])
