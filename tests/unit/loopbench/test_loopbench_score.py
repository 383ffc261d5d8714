"""The score of hand-made records, and the parts it is made of."""

from __future__ import annotations

import math

import pytest

from tamid.loopbench.diagnosing import Finding, gravest
from tamid.loopbench.events import Event, Kind
from tamid.loopbench.injected import Trial
from tamid.loopbench.score import Parts, bug_share, clipped, poisson_interval


def a_trial(
    kind: Kind = "unit", route: str = "bug", blind: float = 1.0, told: float = math.nan
) -> Trial:
    """Return a trial as it might have gone."""
    return Trial(
        event=Event(kind=kind, seed=0, onset=30, until=34), found_blind=blind, found_told=told,
        route=route, recovered=1.0, lost=0.0, shift=4.0, promoted=0, harmful=0, years=0.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "score"),
    [
        (Parts(regret=1.0, retrains=0.0, false_alarms=0.0, harmful=0.0, wait=1.0), 0.0),
        (Parts(regret=0.13, retrains=23.0, false_alarms=0.0, harmful=0.0, wait=1.0), 64.0),
        (Parts(regret=0.22, retrains=5.0, false_alarms=52.0, harmful=0.0, wait=1.0), -182.0),
        (Parts(regret=0.0, retrains=0.0, false_alarms=1.0, harmful=0.5, wait=3.0), 91.0),
    ],
)
def test_the_score_is_its_formula(parts: Parts, score: float) -> None:
    """Never scores 0, weekly its published 64, and each fault costs what it should."""
    assert parts.score == pytest.approx(score)


def test_regret_is_clipped_and_what_is_undecidable_is_left_out() -> None:
    """One wild set cannot decide the mean."""
    assert clipped([-9.0, 0.5, math.nan, 7.0]) == pytest.approx(0.5)
    assert math.isnan(clipped([math.nan]))


def test_a_rate_has_an_exact_interval() -> None:
    """No event in two years: at most 1.84 a year (Garwood)."""
    low, high = poisson_interval(0, 2.0)
    assert low == 0.0
    assert high == pytest.approx(3.689 / 2, abs=1e-3)
    low, high = poisson_interval(10, 1.0)
    assert (low, high) == pytest.approx((4.795, 18.39), abs=1e-2)


def test_the_first_page_counts_whatever_it_rests_on() -> None:
    """Without labels or with them, the earlier; never later than the horizon."""
    assert a_trial(blind=3.0, told=2.0).found == 2.0
    assert a_trial(blind=math.nan, told=math.nan).found == 13.0


def test_a_bug_is_caught_if_it_was_called_one_in_time() -> None:
    """The wrong kind of bug still blocks training; a drift's name does not."""
    assert a_trial().caught
    assert a_trial(route="label_bug").caught
    assert not a_trial(route="covariate").caught
    assert not a_trial(route="bug", blind=math.nan).caught
    assert not a_trial(route="label_bug").rightly
    trials = [a_trial(), a_trial(route="none"), a_trial(kind="tilt")]
    assert bug_share(trials, {"unit"}) == 0.5


def test_the_gravest_finding_stands() -> None:
    """What was once called a bug is not forgotten for a drift seen later."""
    findings = [
        Finding(check=t, route=r, confirmed=False)
        for t, r in enumerate(("none", "bug", "covariate"))
    ]
    assert gravest(findings) == "bug"
    assert gravest([]) == "none"
