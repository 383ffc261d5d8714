"""What is foretold of a metric's error holds in worlds that were drawn a thousand times."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tamid.core.foresight import (
    Truth,
    periods_to_see,
    standard_error,
    visible_fall,
)

ROWS, RATE, LEVEL, DRAWS = 4000, 0.06, 0.8, 2000
MONTH = 4


def _counts(rng: np.random.Generator, level: float = LEVEL) -> tuple[np.ndarray, ...]:
    """Draw hits, misses and false alarms of periods whose precision and recall are `level`."""
    positives = ROWS * RATE
    hit, miss = rng.poisson(level * positives, DRAWS), rng.poisson((1 - level) * positives, DRAWS)
    return hit, miss, rng.poisson((1 - level) * positives, DRAWS)


def _f1(hit: np.ndarray, miss: np.ndarray, false: np.ndarray) -> np.ndarray:
    return np.asarray(2 * hit / (2 * hit + miss + false))


def test_the_error_of_f1_is_as_foretold() -> None:
    """The spread of F1 over drawn periods is within 7 % of the formula (4 standard errors)."""
    found = _f1(*_counts(np.random.default_rng(1))).std()
    foretold = standard_error("f1", LEVEL, Truth(rows=ROWS, positives=ROWS * RATE))
    assert found == pytest.approx(foretold, rel=0.07)


def test_held_back_rows_tell_less_as_foretold() -> None:
    """With 30 % of the called rows seen and weighted, the spread is as the formula says."""
    rng, seen = np.random.default_rng(2), 0.3
    hit, miss, false = _counts(rng)
    found = _f1(rng.binomial(hit, seen) / seen, miss, rng.binomial(false, seen) / seen).std()
    truth = Truth(rows=ROWS, positives=ROWS * RATE, seen=seen)
    assert found == pytest.approx(standard_error("f1", LEVEL, truth), rel=0.1)
    assert found > standard_error("f1", LEVEL, Truth(rows=ROWS, positives=ROWS * RATE))


def test_a_visible_fall_is_found_four_times_of_five() -> None:
    """A fall of the foretold size is found by a one-sided test in 75 to 85 % of the months."""
    truth = Truth(rows=ROWS, positives=ROWS * RATE)
    error = standard_error("f1", LEVEL, truth)
    fall = visible_fall(error, MONTH)
    months = _f1(*_counts(np.random.default_rng(3), LEVEL - fall)).reshape(-1, MONTH).mean(1)
    limit = LEVEL - 1.645 * error / math.sqrt(MONTH)
    assert 0.7 < (months < limit).mean() < 0.88


def test_the_error_of_auc_is_as_foretold() -> None:
    """Of normal scores a standard deviation apart the AUC's spread is as the formula says."""
    rng, positives, negatives = np.random.default_rng(4), 60, 240
    drawn = []
    for _ in range(600):
        good, bad = rng.normal(1, 1, positives), rng.normal(0, 1, negatives)
        drawn.append((good[:, None] > bad).mean())
    truth = Truth(rows=positives + negatives, positives=positives)
    assert np.std(drawn) == pytest.approx(
        standard_error("auc", float(np.mean(drawn)), truth), rel=0.12
    )


@pytest.mark.parametrize("metric", ["f1", "recall", "precision", "auc"])
def test_without_positives_nothing_is_foretold(metric: str) -> None:
    """No positive, no error: NaN, never a zero."""
    assert math.isnan(standard_error(metric, 0.8, Truth(rows=100, positives=0)))


def test_a_metric_that_depends_on_the_model_is_not_foretold() -> None:
    """Log loss has no error before there is a model, and a mean error has one from the labels."""
    assert math.isnan(standard_error("log_loss", 0.3, Truth(rows=100, positives=20)))
    assert standard_error("mae", math.nan, Truth(rows=400, spread=10)) == pytest.approx(0.5)


def test_more_periods_see_smaller_falls() -> None:
    """What is visible in n periods takes n periods to see, and half of it four times as many."""
    for periods in (1, 4, 9):
        fall = visible_fall(0.02, periods)
        assert periods_to_see(fall, 0.02) == periods
        assert periods_to_see(fall / 2, 0.02) == 4 * periods
