"""What a draft demands of a first run: what a simple model is sure to reach on other rows."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.values import Interval
from tamid.stages.baseline import Measured


def measured(metric: str, simple: Interval, mass: int = 400) -> Measured:
    """Return a measured pair of models."""
    return Measured(metric=metric, model=simple, simple=simple, rows=1800, mass=mass)


def interval(low: float, point: float, high: float) -> Interval:
    """Return an interval at 95 %."""
    return Interval(low=low, point=point, high=high, level=0.95)


def test_another_sample_of_the_same_model_falls_below_it_rarely() -> None:
    """Both samples err: of a thousand first runs with the baseline itself some 25 are held."""
    rng = np.random.default_rng(1)
    error = 0.018
    held = 0
    for first, second in rng.normal(0.62, error, (4000, 2)):
        found = measured("f1", interval(first - 1.96 * error, first, first + 1.96 * error)).level()
        assert found is not None
        held += second < found
    assert held / 4000 == pytest.approx(0.024, abs=0.008)


def test_errors_are_bounded_from_above_and_rounded_to_the_safe_side() -> None:
    """A demand is never below 0, an error's never below what the interval allows."""
    assert measured("mae", interval(1.9, 2.0, 2.1)).level() == pytest.approx(2.15)
    assert measured("f1", interval(0.01, 0.1, 0.2)).level() == 0.0
    assert measured("f1", interval(0.5, 0.6, 0.7), mass=3).level() is None
