"""Differences of losses: they have the metric's sign, stay within bounds and keep their level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.core.stats.betting import ROLL_BACK_AT, Bets, evidence_worse, observe_differences
from tamid.core.stats.metrics import terms
from tamid.core.stats.paired import Paired, Side, block_means, loss_differences
from tamid.core.values import Task

TASKS = {
    "f1": Task.BINARY, "precision": Task.BINARY, "recall": Task.BINARY, "accuracy": Task.BINARY,
    "auc": Task.BINARY, "brier": Task.BINARY, "log_loss": Task.BINARY,
    "macro_f1": Task.MULTICLASS, "mae": Task.REGRESSION, "rmse": Task.REGRESSION,
    "r2": Task.REGRESSION,
}  # fmt: skip
MEANS = ("accuracy", "brier")
SUMS = ("f1", "precision", "recall")


def _rows(task: Task, seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if task is Task.BINARY:
        return (rng.random(n) < 0.4) * 1.0, rng.random(n), rng.random(n)
    if task is Task.MULTICLASS:
        return tuple(rng.integers(0, 3, (3, n)).astype(np.float64))
    return tuple(rng.normal(size=(3, n)) * 10)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(TASKS)), st.integers(0, 10_000), st.floats(0.01, 1.0))
def test_differences_are_bounded_and_mirror_each_other(
    metric: str, seed: int, level: float
) -> None:
    """Always in [-1, 1]; the models exchanged turn all signs; rows in another order change none."""
    task = TASKS[metric]
    y, a, b = _rows(task, seed)
    one, two = Side(score=a), Side(score=b)
    d = loss_differences(metric, task, y, one, two, level=level).difference
    assert (np.abs(d) <= 1).all()
    if metric != "r2":  # its bound is that of the old model's scores
        back = loss_differences(metric, task, y, two, one, level=level).difference
        assert d == pytest.approx(-back)
        turned = loss_differences(
            metric, task, y[::-1], Side(score=a[::-1]), Side(score=b[::-1]), level=level
        ).difference
        assert turned == pytest.approx(d[::-1])


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(SUMS + MEANS), st.integers(0, 10_000))
def test_at_the_old_models_level_the_sign_is_that_of_the_metric(metric: str, seed: int) -> None:
    """With the level right, the mean difference is positive exactly if the new model is better."""
    y, a, b = _rows(Task.BINARY, seed)
    old = terms(metric, Task.BINARY, y, a).point()
    gain = terms(metric, Task.BINARY, y, b).point() - old
    gain = -gain if metric == "brier" else gain
    d = loss_differences(metric, Task.BINARY, y, Side(score=a), Side(score=b), level=old)
    assert (gain > 1e-12) == (d.difference.sum() > 1e-9)


def test_the_worth_of_a_difference_is_that_of_the_metric() -> None:
    """A small change of F1 or accuracy is told in points of F1 or accuracy."""
    y, a, _ = _rows(Task.BINARY, 1, 4000)
    b = np.where(np.arange(4000) % 50 == 0, y, a)
    for metric in ("f1", "accuracy"):
        old = terms(metric, Task.BINARY, y, a).point()
        gain = terms(metric, Task.BINARY, y, b).point() - old
        found = loss_differences(metric, Task.BINARY, y, Side(score=a), Side(score=b), level=old)
        assert found.difference.mean() * found.worth == pytest.approx(gain, rel=0.05)


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "accuracy"])
def test_a_large_gain_is_told_exactly(metric: str) -> None:
    """From a poor to a perfect model the band lies around the gain of the metric itself."""
    y, a, _ = _rows(Task.BINARY, 2, 400)
    old = terms(metric, Task.BINARY, y, a).point()
    found = loss_differences(metric, Task.BINARY, y, Side(score=a), Side(score=y), level=old)
    assert found.difference.mean() * found.worth == pytest.approx(1.0 - old)


def test_weights_count_and_stay_within_bounds() -> None:
    """The weighted mean keeps its sign, and a weight above the bound is cut."""
    y, old, new = np.ones(3), np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0])

    def found(*weights: float) -> Paired:
        return loss_differences(
            "accuracy", Task.BINARY, y, Side(score=old), Side(score=new),
            level=0.5, weights=np.array(weights), largest=4.0,
        )  # fmt: skip

    heavy = found(3.0, 1.0, 1.0)
    assert heavy.difference.sum() > 0 > found(1.0, 1.0, 1.0).difference.sum()
    assert heavy.difference.mean() * heavy.worth == pytest.approx((3 - 1 - 1) / 5)
    assert found(9.0, 1.0, 1.0).difference[0] == 1.0
    assert math.isnan(found(0.0, 0.0, 0.0).worth)


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "accuracy"])
def test_with_weights_a_gain_is_that_of_the_weighted_metric(metric: str) -> None:
    """Of those who were called only a control group is known: each stands for three others."""
    y, a, _ = _rows(Task.BINARY, 3, 4000)
    weights = np.where(a >= 0.5, 10 / 3, 1.0)
    known = np.random.default_rng(5).random(4000) < 1 / weights
    y, a, weights = y[known], a[known], weights[known]
    old = terms(metric, Task.BINARY, y, a, weights=weights).point()
    found = loss_differences(
        metric, Task.BINARY, y, Side(score=a), Side(score=y),
        level=old, weights=weights, largest=10 / 3,
    )  # fmt: skip
    assert found.difference.mean() * found.worth == pytest.approx(1.0 - old)


def test_rows_of_one_entity_are_one_bet() -> None:
    """Type I: 20 rows that say the same thing count once; as single rows they would mislead."""
    rng = np.random.default_rng(2)
    entity = np.repeat(np.arange(100), 20)
    false = {"rows": 0, "blocks": 0}
    for _ in range(150):
        d = np.repeat(rng.choice([-1.0, 0.0, 1.0], 100, p=[0.2, 0.6, 0.2]), 20)
        paired = Paired(difference=d, worth=1.0)
        means = block_means(paired, entity, 100)
        false["rows"] += _harm(paired)
        false["blocks"] += _harm(means)
    assert false["rows"] / 150 > 0.1
    assert false["blocks"] / 150 <= 0.015


def _harm(found: Paired) -> bool:
    return evidence_worse(observe_differences(Bets(margin=0.0), found.difference)) >= ROLL_BACK_AT


def test_tiny_samples_are_no_error() -> None:
    """One row, or none, gives as many differences."""
    for n in (0, 1):
        y = np.ones(n)
        side = Side(score=np.full(n, 0.7))
        assert len(loss_differences("f1", Task.BINARY, y, side, side, level=0.5).difference) == n
