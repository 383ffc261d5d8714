"""Laws that every statistic and the verdict keep, on inputs that hypothesis invents."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tamid.core.stats.arrays import Floats
from tamid.core.stats.blocks import Groups, choose_blocks
from tamid.core.stats.bootstrap import blocks_needed, sign_flip_bounds
from tamid.core.stats.calibration import apply_calibration, fit_isotonic, fit_platt
from tamid.core.stats.compare import Finding, compare
from tamid.core.stats.drift import number_counts, profile_numbers, psi
from tamid.core.stats.edetector import detector, observe
from tamid.core.stats.intervals import exact_binomial, metric_interval, newcombe, wilson
from tamid.core.stats.metrics import METRICS, terms
from tamid.core.stats.threshold import best_for_f1
from tamid.core.values import Task
from tamid.core.verdict import GateOutcome, GateVerdict, Outcome, conclude, reasons

_scores = st.floats(0, 1, allow_subnormal=False)
_numbers = st.floats(-1e6, 1e6, allow_subnormal=False)
_BINARY = sorted(name for name, m in METRICS.items() if Task.BINARY in m.tasks)


@st.composite
def _judged(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, Floats]:
    """Labels, two models' scores and weights of the same rows."""
    n = draw(st.integers(0, 40))
    y = draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0])))
    one = draw(arrays(np.float64, n, elements=_scores))
    two = draw(arrays(np.float64, n, elements=_scores))
    w = draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, 1.0, 3.0])))
    return y, one, two, w


@given(_judged(), st.sampled_from(_BINARY))
def test_metrics_ignore_the_order_of_rows(
    rows: tuple[Floats, Floats, Floats, Floats], name: str
) -> None:
    """Shuffling rows changes no metric, and each lies in its range or is NaN."""
    y, s, _, w = rows
    order = np.argsort(np.sin(np.arange(len(y)) * 12.9898 + len(y)))
    value = terms(name, Task.BINARY, y, s, weights=w).point()
    again = terms(name, Task.BINARY, y[order], s[order], weights=w[order]).point()
    assert math.isclose(value, again, abs_tol=1e-9) or (math.isnan(value) and math.isnan(again))
    assert math.isnan(value) or METRICS[name].low <= value + 1e-12 <= METRICS[name].high + 1e-9


@given(_judged(), st.sampled_from(_BINARY))
def test_intervals_hold_their_point(rows: tuple[Floats, Floats, Floats, Floats], name: str) -> None:
    """An interval contains its point, and clusters of one row change nothing."""
    y, s, _, w = rows
    t = terms(name, Task.BINARY, y, s, weights=w)
    got = metric_interval(t)
    assert math.isnan(got.point) or got.low - 1e-9 <= got.point <= got.high + 1e-9
    alone = metric_interval(t, clusters=np.arange(len(y)))
    assert np.allclose([got.low, got.high], [alone.low, alone.high])


@given(st.integers(1, 500), st.data())
def test_proportions_hold_their_point_and_nest(n: int, data: st.DataObject) -> None:
    """Wilson and exact intervals contain the proportion; a higher level is never narrower."""
    x = data.draw(st.integers(0, n))
    for interval in (wilson, exact_binomial):
        inner, outer = interval(x, n, 0.9), interval(x, n, 0.99)
        assert 0 <= outer.low <= inner.low <= x / n <= inner.high <= outer.high <= 1


@given(st.integers(1, 99), st.integers(1, 99), st.data())
def test_a_difference_turned_around_is_its_mirror(n1: int, n2: int, data: st.DataObject) -> None:
    """Swapping the samples swaps and negates the bounds."""
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    one, two = newcombe(x1, n1, x2, n2), newcombe(x2, n2, x1, n1)
    assert np.allclose([one.low, one.point, one.high], [-two.high, -two.point, -two.low])


@given(_judged(), st.sampled_from(_BINARY), st.integers(1, 6))
def test_comparing_the_other_way_round_is_the_mirror(
    rows: tuple[Floats, Floats, Floats, Floats], name: str, weeks: int
) -> None:
    """Exchanging champion and challenger negates the difference, and never both are superior."""
    y, one, two, w = rows
    groups = Groups(entity=np.arange(len(y)), week=np.arange(len(y)) % weeks)
    a, b = (terms(name, Task.BINARY, y, s, weights=w) for s in (one, two))
    up = compare(a, b, groups, margin=0.01, rng=np.random.default_rng(0), draws=50)
    down = compare(b, a, groups, margin=0.01, rng=np.random.default_rng(0), draws=50)
    assert np.isclose(up.difference.point, -down.difference.point, equal_nan=True)
    assert not (up.finding is down.finding is Finding.SUPERIOR)
    assert (up.finding is Finding.UNDECIDED) == (down.finding is Finding.UNDECIDED)
    assert up.difference.low <= up.difference.high or math.isnan(up.difference.low)


@given(arrays(np.float64, st.integers(5, 12), elements=_numbers), st.floats(-100, 100))
def test_sign_flip_bounds_move_with_the_effects(effects: Floats, shift: float) -> None:
    """Adding a constant to every block's effect moves both bounds by it; they never cross."""
    shares, rng = np.ones(len(effects)), np.random.default_rng(0)
    low, high = sign_flip_bounds(effects, shares, rng)
    moved = sign_flip_bounds(effects + shift, shares, rng)
    assert low <= high + 1e-9
    assert np.allclose(moved, (low + shift, high + shift), atol=1e-6)


@given(st.floats(0.001, 0.9))
def test_blocks_needed_is_the_fewest(alpha: float) -> None:
    """One block less could not reach the level."""
    n = blocks_needed(alpha)
    assert 2.0**-n <= alpha * (1 + 1e-9)
    assert n <= 1 or 2.0 ** -(n - 1) > alpha


@given(arrays(np.float64, st.integers(0, 60), elements=_numbers), st.integers(1, 8))
def test_every_row_has_one_block(influence: Floats, weeks: int) -> None:
    """Whatever unit is chosen, its codes number all rows without gaps."""
    n = len(influence)
    groups = Groups(entity=np.arange(n) // 3, day=np.arange(n), week=np.arange(n) // weeks)
    for blocks in choose_blocks(influence, groups).blocks:
        assert len(blocks.codes) == n
        assert set(blocks.codes.tolist()) == set(range(blocks.count))


@given(
    arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=True)),
    arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_nan=True)),
)
def test_profiles_count_every_value(reference: Floats, values: Floats) -> None:
    """Each value falls into exactly one bin, and the index is never negative."""
    profile = profile_numbers("x", reference)
    counts = number_counts(profile, values)
    assert profile.n == len(reference)
    assert counts.sum() == len(values)
    index = psi(profile.counts, counts)
    assert math.isnan(index) if len(values) == 0 else index >= 0
    assert psi(profile.counts, profile.counts) == 0


@given(
    st.lists(_numbers, min_size=10, max_size=30),
    st.lists(st.tuples(_numbers, st.floats(0.001, 0.999)), max_size=30),
)
def test_detectors_are_folds(reference: list[float], checks: list[tuple[float, float]]) -> None:
    """The same scores give the same alarms; evidence is never negative and restarts on alarm."""
    first = second = detector(reference, 52.0)
    for score, tie in checks:
        first, check = observe(first, score, tie)
        second, again = observe(second, score, tie)
        assert check == again
        assert 0 < check.p < 1
        assert check.alarm == (check.gross or check.statistic >= first.threshold)
        assert first.statistic == (0.0 if check.alarm else check.statistic)


@given(st.lists(_numbers, min_size=10, max_size=30), _numbers, _numbers, st.floats(0.01, 0.99))
def test_a_larger_score_is_never_less_evidence(
    reference: list[float], one: float, two: float, tie: float
) -> None:
    """With the same tie-break, evidence grows with the score."""
    state = detector(reference, 1e9)
    low, high = sorted((one, two))
    assert observe(state, low, tie)[1].e <= observe(state, high, tie)[1].e * (1 + 1e-12)


@given(_judged())
def test_calibration_keeps_the_ranking(rows: tuple[Floats, Floats, Floats, Floats]) -> None:
    """Calibrated scores are probabilities in the order of the scores."""
    y, s, other, w = rows
    for fitted in (fit_platt(y, s, w), fit_isotonic(y, s, w)):
        mapped = apply_calibration(fitted, np.sort(other))
        assert ((mapped >= 0) & (mapped <= 1)).all()
        assert (np.diff(mapped) >= -1e-12).all()


@given(_judged())
def test_the_best_threshold_delivers_what_it_promises(
    rows: tuple[Floats, Floats, Floats, Floats],
) -> None:
    """Applied to the same rows, the threshold reaches its F1."""
    y, s, _, w = rows
    if len(y) == 0:
        return
    choice = best_for_f1(y, s, w)
    f1 = terms("f1", Task.BINARY, y, s, threshold=choice.threshold, weights=w).point()
    assert math.isclose(choice.reached, 0.0 if math.isnan(f1) else f1, abs_tol=1e-9)


_verdicts = st.lists(
    st.builds(
        GateVerdict,
        gate=st.sampled_from(["minimum f1", "slices", "fairness", "calibration"]),
        outcome=st.sampled_from(GateOutcome),
        blocking=st.booleans(),
    ),
    max_size=5,
)


@given(_verdicts, st.booleans())
def test_more_failures_never_help(verdicts: list[GateVerdict], degraded: bool) -> None:
    """The order of gates does not matter, a failed one always holds, and reasons are given."""
    outcome = conclude(verdicts, None, True, degraded)
    failed = GateVerdict(gate="service", outcome=GateOutcome.FAIL)
    assert conclude(verdicts[::-1], None, True, degraded) is outcome
    assert conclude([*verdicts, failed], None, True, degraded) is Outcome.HELD
    assert reasons(verdicts, None, True, degraded)
