"""Bets on paired differences: error rates under peeking, power, and the band."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from tamid.core.stats.betting import (
    PROMOTE_AT,
    ROLL_BACK_AT,
    Bets,
    bets_from,
    confidence_sequence,
    evidence_better,
    evidence_worse,
    observe_difference,
)
from tamid.core.values import canonical_json


def _run(differences: np.ndarray, margin: float = 0.0) -> tuple[float, float]:
    """Return the greatest evidence ever seen, for better and for worse."""
    state, better, worse = Bets(margin=margin), 1.0, 1.0
    for d in differences.tolist():
        state = observe_difference(state, d)
        better, worse = max(better, evidence_better(state)), max(worse, evidence_worse(state))
    return better, worse


def test_looking_after_every_block_is_safe() -> None:
    """Without a difference, promotion at any look happens in under 5 %, rollback in under 1 %."""
    rng = np.random.default_rng(0)
    seen = [_run(rng.choice([-1.0, 0.0, 1.0], 300, p=[0.1, 0.8, 0.1])) for _ in range(200)]
    assert np.mean([b >= PROMOTE_AT for b, _ in seen]) <= 0.05
    assert np.mean([w >= ROLL_BACK_AT for _, w in seen]) <= 0.015


def test_at_the_margin_the_error_rate_holds() -> None:
    """A challenger exactly as much worse as the margin is promoted in under 5 %."""
    rng = np.random.default_rng(1)
    seen = [_run(rng.normal(-0.02, 0.05, 150).clip(-1, 1), margin=0.02)[0] for _ in range(150)]
    assert np.mean([b >= PROMOTE_AT for b in seen]) <= 0.05


def test_an_equal_challenger_is_let_through_by_the_margin() -> None:
    """No difference at all is, in time, shown to be within the margin, and never harmful."""
    d = np.random.default_rng(5).normal(0.0, 0.1, 600).clip(-1, 1)
    better, worse = _run(d, margin=0.05)
    assert better >= PROMOTE_AT
    assert worse < 3
    assert _run(d, margin=0.0)[0] < PROMOTE_AT


def test_a_clear_difference_is_found() -> None:
    """A better challenger is promoted, and the mirrored one rolled back, in most streams."""
    rng = np.random.default_rng(2)
    up = [rng.normal(0.08, 0.2, 400).clip(-1, 1) for _ in range(40)]
    assert np.mean([_run(d)[0] >= PROMOTE_AT for d in up]) > 0.9
    assert np.mean([_run(-d)[1] >= ROLL_BACK_AT for d in up]) > 0.8


def test_the_two_bets_mirror_each_other() -> None:
    """With no margin, turning all signs around swaps the evidence."""
    d = np.random.default_rng(3).uniform(-1, 1, 60)
    assert _run(d) == pytest.approx(_run(-d)[::-1])


def test_extreme_streams_stay_finite() -> None:
    """Thousands of sure wins or losses neither overflow nor turn into NaN."""
    for sign in (1.0, -1.0):
        better, worse = _run(np.full(3000, sign), margin=0.01)
        assert math.isfinite(better)
        assert math.isfinite(worse)


def test_the_band_covers_at_all_times() -> None:
    """The mean lies inside the band at every look in at least 95 % of the streams."""
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(80):
        state = Bets(margin=0.0)
        outside = False
        for d in (rng.random(500) < 0.3).astype(float).tolist():
            state = observe_difference(state, d)
            band = confidence_sequence(state, planned=300)
            outside = outside or not band.low <= 0.3 <= band.high
        missed += outside
    assert missed / 80 <= 0.05


def test_the_band_is_open_before_it_is_true() -> None:
    """Before a hundred blocks the band is the whole range; later it narrows."""
    state = Bets(margin=0.0)
    widths = []
    for i in range(1000):
        state = observe_difference(state, (i % 2) * 0.2)
        band = confidence_sequence(state)
        widths.append(band.high - band.low)
    assert widths[98] == 2.0
    assert widths[99] < 0.5
    assert widths[-1] < widths[99]


def test_the_state_survives_json() -> None:
    """Stored bets go on exactly where they stopped."""
    state = Bets(margin=0.01)
    for d in (0.1, -0.3, 0.7):
        state = observe_difference(state, d)
    assert bets_from(json.loads(canonical_json(state))) == state


@pytest.mark.parametrize("difference", [1.5, -1.01, math.nan])
def test_impossible_differences_are_refused(difference: float) -> None:
    """A difference outside [-1, 1], or none at all, is an error."""
    with pytest.raises(ValueError, match="difference"):
        observe_difference(Bets(margin=0.0), difference)
