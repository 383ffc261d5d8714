"""The change detector: its p- and e-values, its false alarms and its delay by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.stats.edetector import (
    EDetector,
    alarms_in,
    conformal_p,
    detector,
    e_value,
    gross_limit,
    observe,
)
from tamid.core.stats.runlength import AIM, evidence_needed


def _watch(state: EDetector, scores: Floats, rng: np.random.Generator) -> list[bool]:
    alarms = []
    for score in scores.tolist():
        state, check = observe(state, score, float(rng.random()))
        alarms.append(check.alarm)
    return alarms


def test_ranks_are_uniform_without_change() -> None:
    """Each rank of a fresh score is as likely as any other, ties or not."""
    rng = np.random.default_rng(0)
    for ties in (False, True):
        p = []
        for _ in range(4000):
            values = rng.normal(size=20)
            sample = (np.round(values) if ties else values).tolist()
            p.append(conformal_p(sorted(sample[:19]), sample[19], float(rng.random())))
        counts = np.unique(p, return_counts=True)[1] / 4000
        assert len(counts) == 20
        assert np.abs(counts - 0.05).max() < 0.015


@pytest.mark.parametrize("weeks", [10, 26, 52])
def test_e_values_average_to_one(weeks: int) -> None:
    """Over equally likely ranks the e-value's mean is 1; a smaller p is never less evidence."""
    values = np.array([e_value((r + 0.5) / (weeks + 1), weeks) for r in range(weeks + 1)])
    assert values.mean() == pytest.approx(1.0)
    assert (np.diff(values) < 0).all()
    # 26 scores that were resampled from fewer weeks tell no more than those weeks.
    assert max(e_value((r + 0.5) / 27, weeks) for r in range(27)) <= values.max()


def _alarms(
    weeks: int, run_length: float, *, references: int = 500, ar: float = 0.0, ties: bool = False,
    graded: bool = False,
) -> int:  # fmt: skip
    rng = np.random.default_rng([weeks, int(run_length), int(10 * ar)])
    noise = rng.normal(size=(references, weeks + 5 + 52))
    for week in range(1, noise.shape[1]):
        noise[:, week] = ar * noise[:, week - 1] + np.sqrt(1 - ar * ar) * noise[:, week]
    if ties:
        noise = np.round(noise)
    return sum(
        len(
            alarms_in(
                row[:weeks].tolist(),
                run_length,
                row[-52:].tolist(),
                rng.random(52).tolist(),
                graded=graded,
            )
        )
        for row in noise
    )


@pytest.mark.parametrize(("weeks", "run_length"), [(10, 52.0), (18, 26.0), (26, 52.0), (80, 52.0)])
def test_false_alarms_are_a_quarter_of_what_is_stated(weeks: int, run_length: float) -> None:
    """Over exchangeable weeks false alarms come as often as aimed at: no more, and not far less."""
    aimed = 500 * 52 / (AIM * run_length)
    assert 0.6 * aimed < _alarms(weeks, run_length) < 1.4 * aimed


@pytest.mark.parametrize(("weeks", "ar"), [(12, 0.0), (26, 0.0), (26, 0.2)])
def test_graded_evidence_keeps_to_what_is_stated(weeks: int, ar: float) -> None:
    """How far a week lies beyond all takes half of the budget instead of a quarter, not more.

    Where neighbouring weeks correlate by 0.2 it takes about all of it.
    """
    stated = 600 * 52 / 208
    found = _alarms(weeks, 208.0, references=600, ar=ar, graded=True)
    assert found < (1.3 if ar else 0.6) * stated


def test_values_that_repeat_cost_no_false_alarms() -> None:
    """Ties are broken at random: no more false alarms than among values that differ."""
    assert _alarms(26, 52.0, ties=True) < 1.4 * 500 / AIM


def test_weeks_like_their_neighbours_keep_to_what_is_stated() -> None:
    """Where neighbouring weeks correlate by 0.2, one false alarm a year is still not reached."""
    assert _alarms(26, 52.0, ar=0.2) < 500


def test_the_evidence_grows_with_the_run_length_and_falls_with_the_weeks() -> None:
    """Also between the simulated points, and beyond them."""
    table = np.array(
        [[evidence_needed(n, x) for x in np.geomspace(26, 1e6, 20)] for n in range(10, 130, 6)]
    )
    assert (np.diff(table, axis=1) > 0).all()
    assert (np.diff(table, axis=0) <= 0).all()
    assert np.isfinite(evidence_needed(10, 1e99))


def test_a_shift_is_noticed_within_weeks() -> None:
    """With 26 reference weeks, a shift of 3 sd is noticed in four checks, nearly always."""
    rng = np.random.default_rng(2)
    delays = []
    for _ in range(100):
        scores = rng.normal(size=26 + 30)
        scores[26:] += 3.0
        alarms = _watch(detector(scores[:26].tolist(), 208.0), scores[26:], rng)
        delays.append(alarms.index(True) + 1 if True in alarms else 31)
    assert np.median(delays) <= 3
    # The threshold of four times as many false alarms, on evenly mixed powers of p, took 77 %.
    assert np.mean(np.array(delays) <= 4) > 0.85


def test_a_mean_beyond_all_weeks_is_noticed_in_fewer() -> None:
    """Graded, two weeks three sd off are mostly enough; by ranks alone it takes three."""
    rng = np.random.default_rng(3)
    found = {True: 0, False: 0}
    for _ in range(200):
        scores = rng.normal(size=26 + 2)
        scores[26:] += 3.0
        for graded in found:
            state = detector(scores[:26].tolist(), 208.0, graded=graded)
            found[graded] += any(_watch(state, scores[26:], rng))
    assert found[False] < 20
    assert found[True] > 110


def test_graded_evidence_grows_up_to_the_fast_path() -> None:
    """Within the reference it is the rank's; at the limit it is nearly an alarm, beyond it one."""
    reference = np.linspace(0, 1, 26).tolist()
    ranks, graded = detector(reference, 208.0), detector(reference, 208.0, graded=True)
    limit = gross_limit(graded.reference)
    for score in (0.3, 0.97, 1.0):
        assert observe(graded, score, 0.5) == (
            replace(observe(ranks, score, 0.5)[0], graded=True), observe(ranks, score, 0.5)[1]
        )  # fmt: skip
    grown = [observe(graded, s, 0.5)[1].e for s in np.linspace(1.01, limit, 20).tolist()]
    assert (np.diff(grown) > 0).all()
    assert 0.9 < grown[-1] / graded.threshold < 1.1
    assert observe(graded, limit + 0.01, 0.5)[1].gross
    # An estimate has an error of its own and no fast path: there is nothing to grow up to.
    assert not detector(reference, 208.0, fast=False, graded=True).graded


def test_evidence_adds_up_as_the_formula_says() -> None:
    """Each check's statistic is e (1 + the last one), whatever came before."""
    rng = np.random.default_rng(5)
    state = replace(detector(rng.normal(size=20).tolist(), 52.0), threshold=1e99)
    last = 0.0
    for score in rng.normal(size=15).tolist():
        state, check = observe(state, score, 0.5)
        assert check.e == e_value(check.p, 20)
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


def test_weeks_of_two_kinds_have_a_spread() -> None:
    """If most weeks lie at the upper end, one slightly above them is no gross break."""
    two_kinds = [0.3] * 8 + [2.8] * 18
    state = detector(two_kinds, 208.0)
    assert not observe(state, 3.5, 0.5)[1].alarm
    assert observe(state, 12.0, 0.5)[1].gross


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


@pytest.mark.parametrize(
    ("reference", "run_length"),
    [([0.1] * 9, 52.0), ([0.1] * 9 + [float("nan")], 52.0), ([0.1] * 10, 1.0)],
)
def test_a_detector_needs_a_reference(reference: list[float], run_length: float) -> None:
    """Too few or unmeasured reference scores, or a run length of nothing, are refused."""
    with pytest.raises(ValueError, match=r"reference|run length"):
        detector(reference, run_length)


def test_an_unmeasured_score_is_refused() -> None:
    """NaN is not silently ranked as good or bad."""
    with pytest.raises(ValueError, match="measured"):
        observe(detector([0.1] * 10, 52.0), float("nan"), 0.5)
