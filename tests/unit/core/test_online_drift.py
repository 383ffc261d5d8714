"""Served traffic pages like a batch: one budget for both, weights by chance, run length."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tamid.core import events as ev
from tamid.core.alarms import QualityLevel, is_back_to_normal, unlabelled_alarm
from tamid.core.paging import budget_of
from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import number_counts, profile_numbers
from tamid.core.stats.edetector import alarms_in
from tamid.core.unlabelled import cause_before_labels
from tamid.core.usual import Weeks, movement, usual_scores
from tamid.core.values import VersionRef
from tamid.stages.asked import evened
from tamid.stages.online_usual import FEWEST_WEEKS
from tamid.testing.histories import Story

LEVEL = QualityLevel(
    metric="f1", sign=1.0, at_least=0.8, checks_per_year=52, false_alarms_per_year=1
)
MOVED = tuple(np.random.default_rng(0).gamma(4.0, 0.005, 26).round(5).tolist())
CALM = sorted(MOVED)[13]
PROFILE = profile_numbers("score", np.random.default_rng(0).normal(size=5000))


def told(**signals: list[float]) -> Story:
    """Return the story of a champion whose usual traffic was frozen, and what came after."""
    story = Story()
    both = dict.fromkeys(("score_psi", "input_psi"), MOVED)
    story.tell(
        ev.VersionRegistered(
            ref=VersionRef(number=1, bundle="b", overlay="o"), run="run-0001", contract="c",
            reference=both,
        ),
        ev.Promoted(number=1, previous=0, reason="first", evidence=""),
    )  # fmt: skip
    say(story, "online_score_psi", "2025-12-28", 9.0)
    frozen = {f"online_{s}": values for s, values in both.items()}
    story.tell(ev.OnlineUsual(number=1, on="served", usual="u", reference=frozen))
    for signal, values in signals.items():
        for week, value in enumerate(values):
            say(story, signal, period(week), value)
    return story


def say(story: Story, signal: str, name: str, value: float, **detail: float) -> None:
    """Tell one measurement of the champion."""
    story.now += timedelta(hours=1)
    story.tell(
        ev.Measured(
            signal=signal, period=name, value=value, model_version=1, rows=1000, detail=detail
        )
    )


def period(week: int) -> str:
    """Return the name of a week."""
    return f"2026-w{week:03d}"


def test_a_move_of_served_scores_pages_and_what_came_before_the_reference_does_not() -> None:
    """A gross week of the time before is no alarm; one after it warns, with the budget said."""
    assert unlabelled_alarm("churn", told(online_score_psi=[CALM] * 9).state, LEVEL) is None
    alarm = unlabelled_alarm("churn", told(online_score_psi=[CALM, 1.5]).state, LEVEL)
    assert alarm is not None
    assert (alarm.signal, alarm.severity, alarm.period) == (
        "online_score_psi", "warning", period(1),
    )  # fmt: skip
    assert "the online scores of version 1 moved" in alarm.message
    assert "at most 1 false alarm a year expected over all 5 signals" in alarm.budget


def test_part_of_a_week_is_not_held_against_weeks() -> None:
    """The running week and the one in which the champion came wait until they are whole."""
    state = told(online_input_psi=[CALM, 1.5]).state
    assert unlabelled_alarm("churn", state, LEVEL, None, {period(1)}) is None
    assert unlabelled_alarm("churn", state, LEVEL) is not None


def test_batch_and_online_share_one_budget_and_one_page() -> None:
    """More signals ask for more evidence each; while one matter is open the others are silent."""
    story = told(score_psi=[CALM, 1.5], online_score_psi=[CALM, 1.5])
    assert budget_of(story.state, LEVEL).run_length == 52 * 5
    alarm = unlabelled_alarm("churn", story.state, LEVEL)
    assert alarm is not None
    assert alarm.signal == "score_psi"
    story.tell(alarm)
    assert unlabelled_alarm("churn", story.state, LEVEL) is None


def test_an_online_alarm_names_the_column_that_was_asked_and_ends_when_it_is_calm() -> None:
    """Its diagnosis reads what was measured online; two calm weeks end it."""
    story = told(online_input_psi=[CALM, 1.5])
    say(story, "online_column_drift", period(1), 9.0, usage=9.0, calls=1.0)
    alarm = unlabelled_alarm("churn", story.state, LEVEL)
    assert alarm is not None
    story.tell(alarm)
    (opened,) = story.state.open_alarms.values()
    assert "usage stands out alone" in cause_before_labels(opened, story.state).reasons[0]
    assert not is_back_to_normal(story.state, opened)
    for week in (2, 3):
        say(story, "online_input_psi", period(week), CALM)
    assert is_back_to_normal(story.state, opened)


@pytest.mark.parametrize(("mixed", "shift"), [(False, 0.0), (True, 0.0), (True, 0.5)])
def test_run_length_on_simulated_traffic(mixed: bool, shift: float) -> None:
    """As few served weeks as are allowed, kept by one chance or by several: the budget holds.

    Weeks differ among each other by a tenth of a spread; a shift of half a spread is seen.
    """
    years = 24
    found = [_alarms_of_a_year(seed, mixed, shift) for seed in range(years)]
    if shift:
        assert sum(bool(alarms) for alarms in found) >= 0.9 * years
    else:
        assert sum(len(alarms) for alarms in found) <= years / 4


def test_unscaled_weights_would_cry_wolf() -> None:
    """Rows that stand for ten are no ten rows: without scaling every sampled week looks moved."""
    rng = np.random.default_rng(1)
    far: list[float] = []
    near: list[float] = []
    for _ in range(20):
        values, chance = _week(rng, mixed=True, shift=0.0)
        for weights, kept in ((1 / chance, far), (evened(1 / chance), near)):
            counts = number_counts(PROFILE, values, weights=weights)
            kept.append(float(counts.sum()))
    assert min(far) > 1.8 * max(near)
    assert max(near) < 400


def _alarms_of_a_year(seed: int, mixed: bool, shift: float) -> list[int]:
    rng = np.random.default_rng([seed, mixed, 7])
    names: list[str] = []
    days: list[Floats] = []
    for week in range(FEWEST_WEEKS):
        values, chance = _week(rng, mixed=mixed, shift=0.0)
        weights = evened(1 / chance)
        day = rng.integers(0, 7, len(values))
        for one in range(7):
            names.append(f"2026-01-{week + 1:02d}")
            days.append(number_counts(PROFILE, values[day == one], weights=weights[day == one]))
    weeks = Weeks(names=tuple(names), counts={"score": np.array(days)})
    usual = usual_scores(weeks, "s", {"score": 1.0}, rng, FEWEST_WEEKS)["s"]
    scores = []
    for _ in range(52):
        values, chance = _week(rng, mixed=mixed, shift=shift)
        counts = number_counts(PROFILE, values, weights=evened(1 / chance))
        scores.append(movement(weeks, "2026-12-01", {"score": counts}, {"score": 1.0}).value)
    return alarms_in(usual, 52.0 * 6, scores, rng.random(52).tolist(), FEWEST_WEEKS)


def _week(rng: np.random.Generator, *, mixed: bool, shift: float) -> tuple[Floats, Floats]:
    """Return the kept scores of a week and the chance of each; a full disk keeps one in ten."""
    values = rng.normal(shift + rng.normal(0, 0.1), 1.0, 1000)
    chance = np.where((np.arange(1000) < 500) | (not mixed), 1.0, 0.1)
    kept = rng.random(1000) < chance
    return values[kept], chance[kept]
