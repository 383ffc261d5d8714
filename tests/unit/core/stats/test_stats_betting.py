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
    evidence_over,
    evidence_worse,
    joined,
    observe_difference,
    observe_differences,
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


def _panel(rng: np.random.Generator, periods: int, again: bool) -> tuple[bool, bool]:
    """Say whether 800 customers without a difference cause a rollback at some look: both ways."""
    stay = rng.choice([-1.0, 0.0, 1.0], 800, p=[0.05, 0.9, 0.05])
    bets: list[Bets] = []
    product = shares = False
    for _ in range(periods):
        new = stay if again else rng.choice([-1.0, 0.0, 1.0], 800, p=[0.05, 0.9, 0.05])
        bets.append(observe_differences(Bets(margin=0.0), new))
        product |= evidence_over(bets, planned=periods, returning=False)[1] >= ROLL_BACK_AT
        shares |= evidence_over(bets, planned=periods, returning=True)[1] >= ROLL_BACK_AT
    return product, shares


def test_customers_that_come_again_are_not_counted_again_and_again() -> None:
    """Type I over 13 periods: shares of the stake hold 1 %, a product of panels would not."""
    rng = np.random.default_rng(6)
    seen = np.array([_panel(rng, 13, again=True) for _ in range(150)])
    assert seen[:, 0].mean() > 0.1, "what the shares are there for"
    assert seen[:, 1].mean() <= 0.015


def test_new_rows_in_each_period_may_be_multiplied() -> None:
    """Type I over 13 periods of new customers: the product holds 1 %."""
    rng = np.random.default_rng(7)
    seen = [_panel(rng, 13, again=False)[0] for _ in range(200)]
    assert np.mean(seen) <= 0.015


def test_harm_is_found_in_a_panel() -> None:
    """Two more wrong answers in a hundred, 2000 customers, 4 weeks: found in most panels."""
    rng = np.random.default_rng(8)
    found = 0
    for _ in range(40):
        d = rng.choice([-1.0, 0.0, 1.0], 2000, p=[0.03, 0.96, 0.01])
        bets = [observe_differences(Bets(margin=0.0), d)]
        found += evidence_over(bets, planned=4, returning=True)[1] >= ROLL_BACK_AT
    assert found / 40 > 0.5


def test_blocks_at_once_are_blocks_one_by_one_in_any_order() -> None:
    """The wealth after many blocks is that after each of them."""
    d = np.random.default_rng(9).uniform(-1, 1, 50)
    state = Bets(margin=0.02)
    for x in d[::-1].tolist():
        state = observe_difference(state, x)
    whole = observe_differences(Bets(margin=0.02), d)
    assert whole.better == pytest.approx(state.better)
    assert whole.worse == pytest.approx(state.worse)
    assert whole.n == state.n
    assert whole.total == pytest.approx(state.total)


def test_no_bets_are_no_evidence() -> None:
    """Before the first period the evidence is 1 for both."""
    assert evidence_over([], planned=4, returning=True) == (1.0, 1.0)
    assert joined([Bets(margin=0.0)]) == Bets(margin=0.0)
    with pytest.raises(ValueError, match="differences"):
        observe_differences(Bets(margin=0.0), np.array([0.1, math.nan]))
