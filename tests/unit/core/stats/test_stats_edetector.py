"""The change detector: its p- and e-values, its false alarms and its delay by simulation."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tamid.core.stats.edetector import (
    EDetector,
    conformal_p,
    detector,
    detector_from,
    e_value,
    gross_limit,
    observe,
)
from tamid.core.values import canonical_json


def _watch(state: EDetector, scores: np.ndarray, rng: np.random.Generator) -> list[bool]:
    alarms = []
    for score in scores.tolist():
        state, check = observe(state, score, float(rng.random()))
        alarms.append(check.alarm)
    return alarms


def test_ranks_are_uniform_without_change() -> None:
    """p-values of fresh scores are uniform, ties or not."""
    rng = np.random.default_rng(0)
    for ties in (False, True):
        p = []
        for _ in range(4000):
            values = rng.normal(size=21)
            sample = (np.round(values) if ties else values).tolist()
            p.append(conformal_p(sample[:20], sample[20], float(rng.random())))
        deciles = np.histogram(p, bins=10, range=(0, 1))[0] / 4000
        assert np.abs(deciles - 0.1).max() < 0.02


def test_e_values_average_to_one() -> None:
    """Under a uniform p the e-value's expectation is 1; a smaller p is never less evidence."""
    # On a logarithmic grid: much of the expectation sits at very small p.
    p = np.exp(np.linspace(np.log(1e-300), 0.0, 20_001))
    values = np.array([e_value(x) for x in p.tolist()])
    assert float(np.trapezoid(values * p, np.log(p))) == pytest.approx(1.0, abs=1e-3)
    assert (np.diff(values) <= 0).all()


@pytest.mark.parametrize(("threshold", "allowed"), [(52.0, 1.0), (156.0, 1 / 3)])
def test_false_alarms_keep_to_the_budget(threshold: float, allowed: float) -> None:
    """Over exchangeable weeks there are fewer than 52 / threshold false alarms in 52 checks."""
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(150):
        scores = rng.normal(size=26 + 52)
        alarms += sum(_watch(detector(scores[:26].tolist(), threshold), scores[26:], rng))
    assert alarms / 150 < 0.7 * allowed


def test_a_shift_is_noticed_within_weeks() -> None:
    """With 26 reference weeks, a shift of 3 sd is noticed after a median of at most 4 checks."""
    rng = np.random.default_rng(2)
    delays = []
    for _ in range(100):
        scores = rng.normal(size=26 + 30)
        scores[26:] += 3.0
        alarms = _watch(detector(scores[:26].tolist(), 156.0), scores[26:], rng)
        delays.append(alarms.index(True) + 1 if True in alarms else 31)
    assert np.median(delays) <= 4


def test_evidence_adds_up_as_the_formula_says() -> None:
    """Each check's statistic is e (1 + the last one), whatever came before."""
    rng = np.random.default_rng(5)
    state = detector(rng.normal(size=20).tolist(), 1e9)
    last = 0.0
    for score in rng.normal(size=15).tolist():
        state, check = observe(state, score, 0.5)
        assert check.e == e_value(check.p)
        assert check.statistic == pytest.approx(check.e * (1 + last))
        last = 0.0 if check.gross else check.statistic


def test_a_gross_break_alarms_at_once() -> None:
    """A score far above anything seen needs no second week, and the evidence starts again."""
    state = detector(np.linspace(0, 1, 26).tolist(), 156.0)
    after, check = observe(state, gross_limit(state.reference) + 0.01, 0.5)
    assert check.alarm
    assert check.gross
    assert after.statistic == 0.0
    _, below = observe(state, gross_limit(state.reference) - 0.01, 0.5)
    assert not below.alarm


def test_the_comparison_set_stays_the_reference() -> None:
    """Shifted weeks do not become normal: the reference is the same after any number of checks."""
    rng = np.random.default_rng(3)
    first = detector(rng.normal(size=26).tolist(), 52.0)
    state = first
    for _ in range(30):
        state, _ = observe(state, 2.5, 0.5)
    assert state.reference == first.reference
    assert state.checks == 30


def test_the_order_of_the_reference_does_not_matter() -> None:
    """The detector is the same for the same reference scores in any order."""
    scores = np.random.default_rng(4).normal(size=20).tolist()
    assert detector(scores, 52.0) == detector(scores[::-1], 52.0)


def test_the_state_survives_json() -> None:
    """A stored detector goes on exactly where it stopped."""
    state = detector(np.linspace(0, 1, 15).tolist(), 52.0)
    state, _ = observe(state, 0.95, 0.3)
    assert detector_from(json.loads(canonical_json(state))) == state
    assert state.statistic > 0


@pytest.mark.parametrize(
    ("reference", "threshold"),
    [([0.1] * 9, 52.0), ([0.1] * 9 + [float("nan")], 52.0), ([0.1] * 10, 1.0)],
)
def test_a_detector_needs_a_reference(reference: list[float], threshold: float) -> None:
    """Too few or unmeasured reference scores, or a threshold of nothing, are refused."""
    with pytest.raises(ValueError, match=r"reference|threshold"):
        detector(reference, threshold)


def test_an_unmeasured_score_is_refused() -> None:
    """NaN is not silently ranked as good or bad."""
    with pytest.raises(ValueError, match="measured"):
        observe(detector([0.1] * 10, 52.0), float("nan"), 0.5)
