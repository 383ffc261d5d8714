"""Alarms before any label: one budget, one page per matter, special weeks and their like."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tamid.core import events as ev
from tamid.core.alarms import QualityLevel, is_back_to_normal, quality_alarm, unlabelled_alarm
from tamid.core.paging import HINDSIGHT, budget_of
from tamid.core.rules.incidents import incidents
from tamid.core.rules.release import aftermath
from tamid.core.signals import Signals
from tamid.core.special_weeks import Names
from tamid.core.unlabelled import cause_before_labels
from tamid.core.values import Interval, Role, VersionRef
from tamid.testing.histories import POLICY, Story

LEVEL = QualityLevel(
    metric="f1", sign=1.0, at_least=0.8, checks_per_year=52, false_alarms_per_year=1
)
USUAL = tuple(0.87 + 0.01 * (n % 3 - 1) for n in range(26))
MOVED = tuple(np.random.default_rng(0).gamma(4.0, 0.005, 26).round(5).tolist())
CALM = sorted(MOVED)[13]


def told(**weeks: list[float]) -> Story:
    """Return the story of a champion whose signals had these values, week by week."""
    story = Story()
    story.tell(
        ev.VersionRegistered(
            ref=VersionRef(number=1, bundle="b", overlay="o"), run="run-0001", contract="c",
            reference={
                "quality": USUAL, "score_psi": MOVED, "input_psi": MOVED,
                "score_psi/weeks": (26.0,), "input_psi/weeks": (26.0,), "score_psi/rows": (900.0,),
            },
        ),
        ev.Promoted(number=1, previous=0, reason="first", evidence=""),
    )  # fmt: skip
    for signal, values in weeks.items():
        for week, value in enumerate(values):
            say(story, signal, week, value)
    return story


def say(story: Story, signal: str, week: int, value: float, **more: object) -> None:
    """Tell one measurement of the champion."""
    story.now += timedelta(hours=1)
    wide = Interval(point=value, low=value - 0.03, high=value + 0.03)
    known = {"interval": wide if signal in ("quality", "estimate") else None, "rows": 1000}
    story.tell(
        ev.Measured(
            signal=signal, period=period(week), value=value, model_version=1,
            **{**known, **more},  # type: ignore[arg-type]
        )
    )  # fmt: skip


def period(week: int) -> str:
    """Return the name of a week."""
    return f"2026-w{week:03d}"


def test_calm_signals_page_nobody() -> None:
    """Values like the reference, for a year, raise nothing."""
    story = told(score_psi=[CALM] * 52, input_psi=[CALM] * 52, quality=[0.87] * 52)
    assert unlabelled_alarm("churn", story.state, LEVEL) is None
    assert quality_alarm("churn", story.state, LEVEL) is None


def test_moved_scores_page_before_any_label() -> None:
    """A gross move of the scores pages at once, as a warning, with the whole budget said."""
    alarm = unlabelled_alarm("churn", told(score_psi=[CALM, 1.5]).state, LEVEL)
    assert alarm is not None
    assert (alarm.signal, alarm.severity, alarm.period) == ("score_psi", "warning", period(1))
    assert "at most 1 false alarm a year expected over all 4 signals" in alarm.budget
    assert "seasons" in alarm.budget


def test_a_week_whose_rows_still_come_in_pages_nobody() -> None:
    """Its first days are unlike whole weeks; once all is there it pages as any other."""
    state = told(score_psi=[CALM, 1.5]).state
    assert unlabelled_alarm("churn", state, LEVEL, filling={period(1)}) is None
    assert unlabelled_alarm("churn", state, LEVEL, filling={period(2)}) is not None


def test_the_threshold_is_shared_by_all_that_may_page() -> None:
    """Each signal more makes every one of them ask for more evidence; less budget, too."""
    story = told(score_psi=[CALM])
    budget = budget_of(story.state, LEVEL)
    assert budget.signals == ("contract", "quality", "score_psi", "input_psi")
    assert budget.run_length == 52 * 4
    say(story, "estimate", 0, 0.86)
    assert budget_of(story.state, LEVEL).run_length == 52 * 5
    assert budget_of(story.state, LEVEL).stretch > budget.stretch > 1.0


def test_all_signals_together_keep_the_budget() -> None:
    """Exchangeable weeks: contract, quality, scores and inputs page once a year at most, in sum."""
    years = 30
    pages = sum(_pages_of_a_year(seed) for seed in range(years))
    # Detectors that do not share the budget page 27 times in 60 years, these 10 times.
    assert pages <= years / 3


def _pages_of_a_year(seed: int) -> int:
    rng = np.random.default_rng(seed)
    known = told().state
    version = known.versions[1]

    def draw(signal: str, n: int) -> list[float]:
        values = rng.normal(0.87, 0.01, n) if signal == "quality" else rng.gamma(4.0, 0.005, n)
        return [float(v) for v in values]

    reference = {**version.registered.reference}
    measured = {}
    for signal in ("quality", "score_psi", "input_psi"):
        reference[signal] = tuple(draw(signal, 26))
        measured[f"{signal}@1"] = {
            period(week): ev.Measured(
                signal=signal, period=period(week), value=value, model_version=1, rows=1000
            )
            for week, value in enumerate(draw(signal, 52))
        }
    registered = replace(version.registered, reference=reference)
    state = replace(known, versions={1: replace(version, registered=registered)}, measured=measured)
    found = [quality_alarm(f"m{seed}", state, LEVEL), unlabelled_alarm(f"m{seed}", state, LEVEL)]
    return sum(alarm is not None for alarm in found)


def test_one_matter_pages_once() -> None:
    """While quality has fallen, moved scores stay silent; while scores page, inputs do."""
    story = told(score_psi=[CALM, 1.5], input_psi=[CALM, 1.5])
    first = unlabelled_alarm("churn", story.state, LEVEL)
    assert first is not None
    story.tell(first)
    assert unlabelled_alarm("churn", story.state, LEVEL) is None
    for week in range(4):
        say(story, "quality", week, 0.5)
    assert quality_alarm("churn", story.state, LEVEL) is not None


def test_an_estimate_pages_only_where_it_can_be_trusted() -> None:
    """Grades A and B page on a fall; grade C never does."""
    good = {"weeks": 12.0, "skill": 0.5, "domain_auc": 0.6, "outside": 0.0}
    pages = {}
    for name, detail in {"A": good, "C": {**good, "skill": -1.0}}.items():
        story = told()
        for week in range(6):
            say(story, "estimate", week, 0.6, detail=detail)
        pages[name] = unlabelled_alarm("churn", story.state, LEVEL)
    assert pages["A"] is not None
    assert pages["A"].signal == "estimate"
    assert "(grade A, no interval has met its truth yet)" in pages["A"].message
    assert pages["C"] is None


def test_few_answers_of_the_champion_are_not_judged() -> None:
    """A week that a lower rung answered mostly is spread by chance, and is passed over."""
    story = told()
    say(story, "score_psi", 0, 1.5, rows=50)
    assert unlabelled_alarm("churn", story.state, LEVEL) is None


def test_replay_pages_identically() -> None:
    """Twice the same story gives byte for byte the same alarm."""
    story = told(input_psi=[MOVED[3]] * 3 + [max(MOVED)] * 40)
    one, two = (unlabelled_alarm("churn", story.state, LEVEL) for _ in range(2))
    assert one == two
    assert one is not None


def test_a_page_alone_starts_no_training() -> None:
    """Its diagnosis routes it and says that training waits for labels."""
    story = told(score_psi=[CALM, 1.5])
    alarm = unlabelled_alarm("churn", story.state, LEVEL)
    assert alarm is not None
    story.tell(alarm)
    say(story, "column_drift", 1, 40.0, detail={"minutes": 40.0, "plan": 2.0})
    found = cause_before_labels(story.state.alarms[alarm.alarm], story.state)
    assert found.retraining != "needed"
    assert found.route is Role.MLOPS_ENGINEER
    assert "minutes" in found.reasons[0]
    opened = incidents(POLICY, story.state, Signals(), story.now)
    assert "false alarm a year" in getattr(opened[0], "noticed_by", "")


def test_a_shift_that_went_away_is_settled() -> None:
    """Two weeks like the reference end the alarm, and its weeks are not counted again."""
    story = told(score_psi=[CALM, 1.5, 1.5])
    alarm = unlabelled_alarm("churn", story.state, LEVEL)
    assert alarm is not None
    story.tell(alarm)
    say(story, "score_psi", 3, CALM)
    assert not is_back_to_normal(story.state, story.state.alarms[alarm.alarm])
    say(story, "score_psi", 4, CALM)
    assert is_back_to_normal(story.state, story.state.alarms[alarm.alarm])
    (settled,) = aftermath(POLICY, story.state, Signals(), story.now)
    assert settled.key == f"clear/{alarm.alarm}"
    story.tell(ev.AlarmCleared(alarm=alarm.alarm, reason=settled.reason))
    say(story, "score_psi", 5, CALM)
    assert unlabelled_alarm("churn", story.state, LEVEL) is None


def _holidays(*weeks: int) -> Names:
    return {period(w): frozenset({"Pesach"}) for w in weeks}


@pytest.mark.parametrize("signal", ["score_psi", "quality"])
def test_a_first_holiday_pages_nobody(signal: str) -> None:
    """Without its like nothing is said of a special week, however far out it lies."""
    bad, calm = (1.5, CALM) if signal == "score_psi" else (0.5, 0.87)
    story = told(**{signal: [calm] * 10 + [bad] + [calm] * 5})
    assert _any(story, _holidays(10)) is None
    assert _any(story, {}) is not None


def test_a_holiday_is_held_against_the_last_one() -> None:
    """As far out as last year is usual; many times as far is an alarm."""
    year = [CALM] * 10 + [0.3] + [CALM] * 40
    for now, expected in ((0.33, False), (5.0, True)):
        story = told(score_psi=[*year, now])
        found = _any(story, _holidays(10, len(year)))
        assert (found is not None) is expected
        if found is not None:
            assert "Pesach" in found.message


def test_a_holiday_before_it_was_live_is_held_against_the_last_one() -> None:
    """What is seen of it in hindsight counts as what a champion answered itself does."""
    for now, expected in ((0.85, False), (0.3, True)):
        story = told(quality=[0.87] * 10 + [0.85] + [0.87] * 5)
        say(story, HINDSIGHT, 16, now)
        found = quality_alarm("churn", story.state, LEVEL, _holidays(10, 16))
        assert (found is not None) is expected


def test_a_special_week_leaves_the_evidence_as_it_was() -> None:
    """A year with special weeks pages in the same week as one without them."""
    shifted = [CALM] * 5 + [max(MOVED)] * 30
    plain = _any(told(score_psi=shifted), {})
    special = _any(told(score_psi=[*shifted[:8], 0.4, *shifted[8:]]), _holidays(8))
    assert plain is not None
    assert special is not None
    assert abs(int(special.period[-3:]) - int(plain.period[-3:])) <= 3


def _any(story: Story, special: Names) -> ev.AlarmRaised | None:
    found = quality_alarm("churn", story.state, LEVEL, special)
    return found or unlabelled_alarm("churn", story.state, LEVEL, special)
