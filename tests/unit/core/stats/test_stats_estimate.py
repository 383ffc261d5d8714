"""Estimates without labels: the formulas, the guards, and simulations of bias and error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.calibration import apply_calibration, fit_platt
from tamid.core.stats.estimate import (
    class_chances,
    combined,
    correction,
    expected_counts,
    expected_error,
    expected_metric,
    fit_classes,
    too_small,
)
from tamid.core.stats.metrics import METRICS, terms
from tamid.core.values import Task

_BINARY = sorted(name for name, m in METRICS.items() if Task.BINARY in m.tasks)
_CLASSES = sorted(name for name, m in METRICS.items() if Task.MULTICLASS in m.tasks)
_chance = st.floats(0, 1, allow_subnormal=False)


@st.composite
def _rows(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Chances and scores of the same rows."""
    n = draw(st.integers(0, 30))
    one = draw(st.lists(_chance, min_size=n, max_size=n))
    two = draw(st.lists(_chance, min_size=n, max_size=n))
    return np.array(one, dtype=np.float64), np.array(two, dtype=np.float64)


@given(_rows(), st.sampled_from(_BINARY))
def test_the_order_of_rows_does_not_matter(rows: tuple[Floats, Floats], name: str) -> None:
    """Shuffled rows give the same estimate, which lies in the metric's range or is NaN."""
    chance, score = rows
    order = np.argsort(np.sin(np.arange(len(chance)) * 12.9898))
    one = expected_metric(name, Task.BINARY, chance, score)
    two = expected_metric(name, Task.BINARY, chance[order], score[order])
    assert one.value == pytest.approx(two.value, abs=1e-9, nan_ok=True)
    assert one.sampling_error == pytest.approx(two.sampling_error, abs=1e-6, nan_ok=True)
    low, high = METRICS[name].low, METRICS[name].high
    assert math.isnan(one.value) or low - 1e-9 <= one.value <= high + 1e-9


@given(_rows(), st.integers(0, 29), _chance)
def test_a_likelier_positive_among_the_called_raises_f1(
    rows: tuple[Floats, Floats], place: int, more: float
) -> None:
    """F1 grows with the chance of a called row and falls with that of a row left out."""
    chance, score = rows
    if not len(chance):
        return
    i = place % len(chance)
    raised = chance.copy()
    raised[i] = max(chance[i], more)
    before = expected_metric("f1", Task.BINARY, chance, score).value
    after = expected_metric("f1", Task.BINARY, raised, score).value
    if math.isnan(before) or math.isnan(after):
        return
    assert after >= before - 1e-9 if score[i] >= 0.5 else after <= before + 1e-9


@given(_rows(), st.sampled_from(_BINARY))
def test_certain_chances_give_the_metric_itself(rows: tuple[Floats, Floats], name: str) -> None:
    """Chances of 0 and 1 are labels: estimate and measurement agree, without sampling error."""
    chance, score = rows
    sure = np.round(chance)
    found = expected_metric(name, Task.BINARY, sure, score)
    truth = terms(name, Task.BINARY, sure, score).point()
    assert found.value == pytest.approx(truth, abs=1e-9, nan_ok=True)
    assert math.isnan(truth) or found.sampling_error == pytest.approx(0, abs=1e-6)


def test_the_confusion_matrix_and_the_metric_agree() -> None:
    """F1 by way of the expected counts is F1 by way of the metric's own terms."""
    rng = np.random.default_rng(1)
    chance, score, weight = rng.random(50), rng.random(50), rng.random(50)
    k = expected_counts(chance, score >= 0.4, weight)
    by_hand = 2 * k.true_positive / (2 * k.true_positive + k.false_positive + k.false_negative)
    found = expected_metric("f1", Task.BINARY, chance, score, threshold=0.4, weights=weight)
    assert found.value == pytest.approx(by_hand)
    total = k.true_positive + k.false_positive + k.false_negative + k.true_negative
    assert total == pytest.approx(weight.sum())


def test_missing_and_impossible_chances_are_refused() -> None:
    """A NaN or a chance above one is no estimate, and no rows give NaN."""
    with pytest.raises(ValueError, match="NaN"):
        expected_metric("f1", Task.BINARY, [math.nan], [0.5])
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        expected_metric("f1", Task.BINARY, [1.5], [0.5])
    with pytest.raises(ValueError, match="expected_error"):
        expected_metric("mae", Task.REGRESSION, [0.5], [0.5])
    assert math.isnan(expected_metric("f1", Task.BINARY, [], []).value)
    assert math.isnan(expected_error("mae", [], []).value)
    with pytest.raises(ValueError, match="negative"):
        expected_error("mae", [-1.0], [0.0])


@pytest.mark.parametrize("name", _BINARY)
def test_calibrated_chances_give_an_unbiased_estimate_and_an_honest_error(name: str) -> None:
    """Over 400 weeks the mean miss is nil and 90 % lie within 1.64 sampling errors.

    A method without the false negatives, or with the raw score for a chance, fails here.
    """
    rng = np.random.default_rng(7)
    misses, inside = [], 0
    for _ in range(400):
        chance = rng.beta(1.2, 3.0, 600)
        score = np.clip(chance**0.7, 0, 1)  # served scores are not calibrated
        y = (rng.random(600) < chance).astype(np.float64)
        found = expected_metric(name, Task.BINARY, chance, score)
        truth = terms(name, Task.BINARY, y, score).point()
        misses.append(truth - found.value)
        inside += abs(truth - found.value) <= 1.645 * found.sampling_error
    error = np.std(misses) / math.sqrt(len(misses))
    assert abs(np.mean(misses)) < 4 * error + 0.002
    assert 0.85 < inside / 400 < 0.95


def test_raw_scores_mislead_and_calibrated_ones_do_not() -> None:
    """With overconfident scores the raw estimate is off by more than .1, the calibrated by .02."""
    rng = np.random.default_rng(3)
    logit = rng.normal(-1, 1, 8000)
    chance = 1 / (1 + np.exp(-logit))
    score = 1 / (1 + np.exp(-3 * logit))
    y = (rng.random(8000) < chance).astype(np.float64)
    past, now = slice(0, 4000), slice(4000, None)
    curve = fit_platt(y[past], score[past])
    truth = terms("f1", Task.BINARY, y[now], score[now]).point()
    raw = expected_metric("f1", Task.BINARY, score[now], score[now]).value
    good = expected_metric(
        "f1", Task.BINARY, apply_calibration(curve, score[now]), score[now]
    ).value
    assert abs(raw - truth) > 0.1
    assert abs(good - truth) < 0.02


@pytest.mark.parametrize("name", _CLASSES)
def test_classes_one_against_the_rest_are_unbiased(name: str) -> None:
    """Calibrated on the past, renormalised, three classes' metrics are met on average."""
    rng = np.random.default_rng(5)
    misses, within = [], 0
    for _ in range(60):
        chance = rng.dirichlet([1.0, 2.0, 3.0], 2400)
        sharp = chance**1.6
        score = sharp / sharp.sum(axis=1, keepdims=True)
        y = (chance.cumsum(axis=1) < rng.random((2400, 1))).sum(axis=1).astype(np.float64)
        curves = fit_classes(y[:1600], score[:1600])
        c = class_chances(curves, score[1600:])
        assert np.allclose(c.sum(axis=1), 1.0)
        found = expected_metric(name, Task.MULTICLASS, c, score[1600:])
        truth = terms(name, Task.MULTICLASS, y[1600:], score[1600:]).point()
        misses.append(truth - found.value)
        within += abs(misses[-1]) <= 1.96 * found.sampling_error
    assert abs(np.mean(misses)) < 0.012
    assert within >= 46


def test_expected_errors_give_the_metrics_of_a_regression() -> None:
    """With the true scale of each error, mae, rmse and r2 are met and the error is honest."""
    rng = np.random.default_rng(11)
    misses: dict[str, list[float]] = {"mae": [], "rmse": [], "r2": []}
    inside = dict.fromkeys(misses, 0)
    for _ in range(300):
        p = rng.normal(0, 2, 500)
        scale = 0.5 + rng.random(500)
        y = p + scale * rng.normal(size=500)
        for name, found in misses.items():
            e = scale * math.sqrt(2 / math.pi) if name == "mae" else scale**2
            got = expected_error(name, e, p)
            gap = terms(name, Task.REGRESSION, y, p).point() - got.value
            found.append(gap)
            inside[name] += abs(gap) <= 1.645 * got.sampling_error
    for name in ("mae", "rmse", "r2"):
        assert abs(np.mean(misses[name])) < 0.006
    assert 0.85 < inside["mae"] / 300 < 0.95
    assert 0.85 < inside["rmse"] / 300 < 0.95


def test_a_steady_bias_is_corrected_and_noise_is_not() -> None:
    """Four equal misses are taken off whole; misses that cancel out change nothing."""
    assert correction([0.8] * 6, [0.6] * 6) == pytest.approx(-0.2)
    assert abs(correction([0.5] * 4, [0.6, 0.4, 0.62, 0.4])) < 0.002
    assert correction([0.8], [0.6]) == 0.0
    assert correction([], []) == 0.0


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_a_correction_never_overshoots_the_bias(gaps: list[float]) -> None:
    """Shrinkage keeps the sign and lies between nothing and the mean miss."""
    found = correction([0.0] * len(gaps), gaps)
    bias = float(np.mean(gaps[-4:]))
    assert min(0.0, bias) - 1e-12 <= found <= max(0.0, bias) + 1e-12


def test_correcting_a_biased_estimator_halves_its_error() -> None:
    """With a bias that wanders slowly, the corrected F1 is much nearer than the raw one."""
    rng = np.random.default_rng(2)
    truth = 0.7 + 0.02 * rng.normal(size=120)
    bias = 0.1 + np.cumsum(0.005 * rng.normal(size=120))
    raw = truth - bias + 0.01 * rng.normal(size=120)
    kept = [combined("f1", raw[t], raw[: t - 3], truth[: t - 3]) for t in range(8, 120)]
    assert np.abs(np.array(kept) - truth[8:]).mean() < 0.5 * np.abs(raw - truth)[8:].mean()


def test_accuracy_and_errors_go_halfway_to_the_recent_truth() -> None:
    """The mix needs no earlier estimate; without any truth the raw one stands."""
    assert combined("accuracy", 0.9, [], [0.7, 0.7]) == pytest.approx(0.8)
    assert combined("mae", 2.0, [], []) == 2.0


def test_small_samples_are_named() -> None:
    """Too few rows, positives or negatives: the reason says how many there are."""
    assert too_small(Task.BINARY, np.full(299, 0.5)).startswith("299 rows")
    assert "positives" in too_small(Task.BINARY, np.full(1000, 0.01))
    assert "negatives" in too_small(Task.BINARY, np.full(1000, 0.999))
    assert too_small(Task.BINARY, np.full(300, 0.5)) == ""
    assert too_small(Task.REGRESSION, np.full(300, 5.0)) == ""
    assert too_small(Task.BINARY, np.array([])) != ""
