"""The threshold that is best on the rows at hand, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.metrics import terms
from tamid.core.stats.threshold import Gains, best_for_f1, best_for_gain
from tamid.core.values import Task


def test_no_threshold_beats_the_chosen_one() -> None:
    """Over all thresholds, weighted F1 is never above that of the choice."""
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.3).astype(float)
    s = np.round(np.clip(0.3 * y + 0.7 * rng.random(300), 0, 1), 2)
    w = rng.random(300) + 0.2
    choice = best_for_f1(y, s, w)
    reached = [
        terms("f1", Task.BINARY, y, s, threshold=t, weights=w).point()
        for t in np.linspace(0, 1, 401)
    ]
    assert choice.reached == pytest.approx(max(reached))
    again = terms("f1", Task.BINARY, y, s, threshold=choice.threshold, weights=w).point()
    assert again == pytest.approx(choice.reached)


def test_gain_counts_every_cell() -> None:
    """The mean gain reached is that of the confusion matrix, and no threshold does better."""
    rng = np.random.default_rng(1)
    y = (rng.random(200) < 0.4).astype(float)
    s = np.clip(0.3 * y + 0.7 * rng.random(200), 0, 1)
    gains = Gains(true_positive=370, false_positive=-30, false_negative=-5, true_negative=1)
    choice = best_for_gain(y, s, gains)

    def mean(t: float) -> float:
        called = s >= t
        cells = (called & (y == 1), called & (y == 0), ~called & (y == 1), ~called & (y == 0))
        return float(np.dot([c.mean() for c in cells], [370, -30, -5, 1]))

    assert choice.reached == pytest.approx(mean(choice.threshold))
    assert choice.reached >= max(mean(t) for t in np.linspace(0, 1.01, 400)) - 1e-9
    assert choice.called_share == pytest.approx((s >= choice.threshold).mean())


def test_when_every_call_costs_nobody_is_called() -> None:
    """The threshold then lies above every score."""
    choice = best_for_gain([0, 1], [0.3, 1.0], Gains(true_positive=-1, false_positive=-1))
    assert choice.threshold > 1.0
    assert (choice.reached, choice.called_share) == (0.0, 0.0)


def test_the_order_of_rows_does_not_matter() -> None:
    """A shuffled table gives the same threshold to the last bit."""
    rng = np.random.default_rng(2)
    y, s, w = (rng.random(500) < 0.2).astype(float), rng.random(500), rng.random(500)
    order = rng.permutation(500)
    assert best_for_f1(y, s, w).threshold == best_for_f1(y[order], s[order], w[order]).threshold


def test_one_class_and_no_rows() -> None:
    """Without positives F1 is 0 at any threshold; without rows there is nothing to choose."""
    assert best_for_f1([0, 0], [0.1, 0.2]).reached == 0.0
    assert best_for_f1([1, 1], [0.1, 0.2]).called_share == 1.0
    with pytest.raises(ValueError, match="no rows"):
        best_for_f1([], [])
