"""Metrics against scikit-learn, and the laws of their additive terms."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sklearn.metrics as oracle
from numpy.typing import ArrayLike

from tamid.core.contract.metrics import METRIC_FACTS
from tamid.core.stats.arrays import Floats
from tamid.core.stats.auc import auc, placements
from tamid.core.stats.metrics import METRICS, Metric, evaluate, metric_of, terms
from tamid.core.values import Task


def _binary(seed: int = 0, n: int = 400) -> tuple[Floats, Floats, Floats]:
    """Scores in steps of .05, so that ties abound, and weights."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(np.float64)
    score = np.round(np.clip(0.25 * y + 0.75 * rng.random(n), 0, 1) * 20) / 20
    return y, score, rng.integers(1, 5, n).astype(np.float64)


def test_binary_metrics_equal_the_oracle() -> None:
    """Weighted and tied, every binary metric equals scikit-learn's."""
    y, s, w = _binary()
    called = s >= 0.5
    ours = evaluate(Task.BINARY, y, s, threshold=0.5, weights=w)
    expected = {
        "f1": oracle.f1_score(y, called, sample_weight=w),
        "precision": oracle.precision_score(y, called, sample_weight=w),
        "recall": oracle.recall_score(y, called, sample_weight=w),
        "accuracy": oracle.accuracy_score(y, called, sample_weight=w),
        "auc": oracle.roc_auc_score(y, s, sample_weight=w),
        "brier": oracle.brier_score_loss(y, s, sample_weight=w),
        "log_loss": oracle.log_loss(y, np.clip(s, 1e-15, 1 - 1e-15), sample_weight=w),
    }
    assert dict(ours.values) == pytest.approx(expected, rel=1e-9)
    assert ours.n == 400
    assert ours.positives == int(y.sum())


def test_multiclass_metrics_equal_the_oracle() -> None:
    """Macro-F1, accuracy and log-loss of three classes equal scikit-learn's."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 300)
    p = rng.dirichlet(np.ones(3), 300)
    w = rng.random(300) + 0.1
    ours = evaluate(Task.MULTICLASS, y, p, weights=w)
    called = p.argmax(axis=1)
    assert ours["macro_f1"] == pytest.approx(
        oracle.f1_score(y, called, average="macro", sample_weight=w)
    )
    assert ours["accuracy"] == pytest.approx(oracle.accuracy_score(y, called, sample_weight=w))
    assert ours["log_loss"] == pytest.approx(oracle.log_loss(y, p, sample_weight=w))
    assert ours["brier"] == pytest.approx(float(w @ ((p - np.eye(3)[y]) ** 2).sum(1) / w.sum()))


def test_regression_metrics_equal_the_oracle() -> None:
    """MAE, RMSE and R2 equal scikit-learn's, also far away from zero."""
    rng = np.random.default_rng(2)
    y = 1e6 + rng.normal(size=200)
    s = y + 0.3 * rng.normal(size=200)
    w = rng.random(200)
    ours = evaluate(Task.REGRESSION, y, s, weights=w)
    assert ours["mae"] == pytest.approx(oracle.mean_absolute_error(y, s, sample_weight=w))
    assert ours["rmse"] == pytest.approx(oracle.root_mean_squared_error(y, s, sample_weight=w))
    assert ours["r2"] == pytest.approx(oracle.r2_score(y, s, sample_weight=w), rel=1e-6)


def test_hard_classes_can_be_judged() -> None:
    """Class numbers instead of probabilities give the metrics that need no probability."""
    ours = evaluate(Task.MULTICLASS, [0, 1, 2, 2], [0, 1, 2, 1])
    assert set(ours.values) == {"macro_f1", "accuracy"}
    assert ours["accuracy"] == 0.75
    with pytest.raises(ValueError, match="probability"):
        terms("log_loss", Task.MULTICLASS, [0, 1], [0, 1])


@pytest.mark.parametrize("name", sorted(n for n, m in METRICS.items() if Task.BINARY in m.tasks))
def test_a_weight_of_two_is_a_row_twice(name: str) -> None:
    """Whole-number weights mean the same as repeated rows."""
    y, s, w = _binary(3, 120)
    again = np.repeat(np.arange(len(y)), w.astype(int))
    weighted = terms(name, Task.BINARY, y, s, weights=w).point()
    assert weighted == pytest.approx(terms(name, Task.BINARY, y[again], s[again]).point())


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_terms_read_off_the_metric_at_any_scale(metric: Metric) -> None:
    """Multiplying all sums by a constant changes no metric."""
    y, s, _ = _binary(4, 100)
    fact = METRICS[metric.name]
    task = min(fact.tasks)
    score = np.stack([1 - s, s], axis=1) if task is Task.MULTICLASS else s
    t = terms(fact.name, task, y, score)
    total = t.rows.sum(axis=0)
    assert float(t.value(7 * total)) == pytest.approx(t.point())
    assert fact.low <= t.point() <= fact.high


def test_auc_terms_resample_like_the_auc() -> None:
    """Resampling the additive terms moves the AUC as recomputing it does, to first order."""
    y, s, _ = _binary(5, 2000)
    t = terms("auc", Task.BINARY, y, s)
    rng = np.random.default_rng(0)
    through_terms, plain = [], []
    for _ in range(40):
        counts = rng.multinomial(len(y), np.full(len(y), 1 / len(y))).astype(float)
        through_terms.append(float(t.value(counts @ t.rows)))
        plain.append(auc(y, s, counts))
    assert np.abs(np.array(through_terms) - plain).max() < 0.1 * np.std(plain)


@pytest.mark.parametrize("name", ["mae", "rmse", "r2"])
def test_regression_terms_add_up_over_any_part(name: str) -> None:
    """The sums of some rows give the metric of those rows."""
    rng = np.random.default_rng(8)
    y = 50 + rng.normal(size=90) + np.repeat([0, 5, 10], 30)
    s = y + rng.normal(size=90)
    t = terms(name, Task.REGRESSION, y, s)
    for part in (slice(0, 30), slice(10, 80), slice(60, 90)):
        alone = terms(name, Task.REGRESSION, y[part], s[part]).point()
        assert float(t.value(t.rows[part].sum(axis=0))) == pytest.approx(alone)


def test_a_class_that_never_occurs_does_not_count() -> None:
    """Macro-F1 averages the classes seen in truth or prediction, in any part of the rows."""
    p = np.eye(4)[[0, 1, 1, 3]]
    t = terms("macro_f1", Task.MULTICLASS, [0, 1, 0, 3], p)
    assert t.point() == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert float(t.value(t.rows[:2].sum(axis=0))) == 1.0


def test_placements_average_to_the_auc() -> None:
    """Both sides' weighted placements have the AUC as their mean."""
    y, s, w = _binary(6)
    below, above = placements(y, s, w)
    assert np.average(below, weights=w * y) == pytest.approx(auc(y, s, w))
    assert np.average(above, weights=w * (1 - y)) == pytest.approx(auc(y, s, w))


def test_what_cannot_be_measured_is_nan() -> None:
    """One class, no positive call, or no rows give NaN instead of a warning or a made-up number."""
    assert np.isnan(auc([1, 1], [0.2, 0.3]))
    nothing = evaluate(Task.BINARY, [0, 0], [0.1, 0.2])
    assert np.isnan(nothing["f1"])
    assert np.isnan(nothing["precision"])
    assert nothing["accuracy"] == 1.0
    empty = evaluate(Task.REGRESSION, [], [])
    assert all(np.isnan(v) for v in empty.values.values())
    assert (empty.n, empty.n_effective) == (0, 0.0)


def test_rows_of_weight_zero_are_not_there() -> None:
    """A row that weighs nothing changes neither the metrics nor the counts."""
    y, s, w = _binary(7, 60)
    w[::3] = 0.0
    kept = evaluate(Task.BINARY, y[w > 0], s[w > 0], weights=w[w > 0])
    whole = evaluate(Task.BINARY, y, s, weights=w)
    assert dict(whole.values) == pytest.approx(dict(kept.values))
    assert (whole.n, whole.n_effective) == (kept.n, kept.n_effective)
    assert whole.positives == kept.positives


def test_unknown_metric_names_the_known_ones() -> None:
    """A metric that the task does not have is refused with those it has."""
    with pytest.raises(ValueError, match="mae, rmse, r2"):
        metric_of("f1", Task.REGRESSION)


@pytest.mark.parametrize(
    ("task", "y", "score"),
    [
        (Task.BINARY, [0, 1], [0.5, 1.5]),
        (Task.MULTICLASS, [0, 0.5], [[1.0, 0.0], [0.5, 0.5]]),
        (Task.MULTICLASS, [0, 5], [[1.0, 0.0], [0.5, 0.5]]),
        (Task.BINARY, [0, 1, 1], [0.5, 0.5]),
    ],
)
def test_impossible_inputs_are_refused(task: Task, y: ArrayLike, score: ArrayLike) -> None:
    """Scores outside [0, 1], broken or unknown classes and unequal lengths are refused."""
    with pytest.raises(ValueError, match=r"score|class|length"):
        evaluate(task, y, score)


def test_the_contract_and_the_statistics_know_the_same_metrics() -> None:
    """Names, tasks, directions and ranges agree: no accepted contract asks for the unknown."""
    facts = {n: (f.tasks, f.higher_is_better, f.low, f.high) for n, f in METRIC_FACTS.items()}
    assert facts == {n: (m.tasks, m.higher_is_better, m.low, m.high) for n, m in METRICS.items()}


def test_metrics_come_back_from_a_worker() -> None:
    """Measured metrics survive pickling."""
    measured = evaluate(Task.BINARY, [0, 1], [0.2, 0.8])
    assert pickle.loads(pickle.dumps(measured)) == measured
