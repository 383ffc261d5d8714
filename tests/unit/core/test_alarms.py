"""Alarms about realised quality, the periods they name, and the cause they are put down to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tamid.core import events as ev
from tamid.core.alarms import QualityLevel, quality_alarm
from tamid.core.causes import Known, cause_of
from tamid.core.paging import HINDSIGHT
from tamid.core.state import Alarm
from tamid.core.values import Interval, Role, VersionRef
from tamid.testing.histories import Story

LEVEL = QualityLevel(
    metric="f1", sign=1.0, at_least=0.8, checks_per_year=52, false_alarms_per_year=1
)
USUAL = tuple(0.87 + 0.01 * (n % 3 - 1) for n in range(10))
BAD = 0.72


def champion(*weeks: float, **detail: float) -> Story:
    """Return a story of a champion whose weeks had these F1."""
    story = Story()
    story.tell(
        ev.VersionRegistered(
            ref=VersionRef(number=1, bundle="b", overlay="o"),
            run="run-0001",
            contract="c",
            reference={"quality": USUAL, "positive_rate": (0.06,) * 10},
        ),
        ev.Promoted(number=1, previous=0, reason="first", evidence=""),
    )
    for week, value in enumerate(weeks):
        story.now += timedelta(weeks=1)
        interval = Interval(point=value, low=value - 0.03, high=value + 0.03)
        story.tell(
            ev.Measured(
                signal="quality", period=f"p{week:02d}", value=value, interval=interval,
                model_version=1, rows=1000, detail={"positive_rate": 0.06, **detail},
            )
        )  # fmt: skip
    return story


def test_quality_at_its_usual_level_is_no_alarm() -> None:
    """Weeks like the reference leave everybody in peace."""
    assert quality_alarm("churn", champion(0.87, 0.86, 0.88, 0.87).state, LEVEL) is None


def test_an_unlucky_week_before_the_fall_is_no_part_of_it() -> None:
    """Slightly below every reference week, but far from the fall: the old world, not the new."""
    alarm = quality_alarm("churn", champion(0.87, 0.855, BAD).state, LEVEL)
    assert alarm is not None
    assert alarm.periods == ("p02",)


def test_all_weeks_of_a_fall_are_named() -> None:
    """Weeks as bad as the one that raised the alarm belong to it."""
    level = QualityLevel(
        metric="f1", sign=1.0, at_least=0.70, checks_per_year=52, false_alarms_per_year=1
    )
    alarm = quality_alarm("churn", champion(0.87, 0.74, 0.73, 0.66).state, level)
    assert alarm is not None
    assert alarm.periods[-1] >= "p02"
    assert set(alarm.periods) <= {"p01", "p02", "p03"}
    assert "p01" in alarm.periods


def test_periods_before_it_was_live_tell_of_a_champion_too() -> None:
    """Version 2 was ready before the world changed: what it would have had is held against it.

    What the version before it had is not.
    """
    story = champion(BAD, BAD)
    assert quality_alarm("churn", story.state, LEVEL) is not None
    story.tell(
        ev.VersionRegistered(
            ref=VersionRef(number=2, bundle="b", overlay="o"), run="run-0002", contract="c",
            reference={"quality": USUAL, "positive_rate": (0.06,) * 10}, trained_through="p01",
        ),
        ev.Promoted(number=2, previous=1, reason="age", evidence=""),
    )  # fmt: skip
    assert quality_alarm("churn", story.state, LEVEL) is None
    before = ev.Measured(
        signal=HINDSIGHT, period="p02", value=BAD, model_version=2, rows=1000,
        interval=Interval(point=BAD, low=BAD - 0.03, high=BAD + 0.03),
        detail={"positive_rate": 0.06, "at_reference_prevalence": 0.87},
    )  # fmt: skip
    story.tell(before)
    raised = quality_alarm("churn", story.state, LEVEL)
    assert raised is not None
    assert (raised.alarm, raised.periods) == ("quality/2/p02", ("p02",))
    assert (
        "0.720 (0.690 to 0.750) in p02, asked in hindsight, for it was not live" in raised.message
    )
    known = Known(sign=1.0, label_owner=Role.ML_DEVELOPER)
    found = cause_of(Alarm(raised=raised, at=story.now), story.state, known)
    assert found.cause == "prevalence"
    # What it answered itself counts beside it, and instead of it where both are there.
    story.tell(replace(before, signal="quality", value=0.87, interval=None))
    assert quality_alarm("churn", story.state, LEVEL) is None


def test_an_error_that_grows_is_said_to_rise() -> None:
    """A lost F1 fell; a mean absolute error that tells the same rose."""
    lost = quality_alarm("churn", champion(0.87, BAD).state, LEVEL)
    errors = QualityLevel(
        metric="mae", sign=-1.0, at_least=None, checks_per_year=52, false_alarms_per_year=1
    )
    grown = quality_alarm("churn", champion(0.87, 1.4).state, errors)
    assert lost is not None
    assert lost.message.startswith("f1 of version 1 fell to 0.720")
    assert grown is not None
    assert grown.message.startswith("mae of version 1 rose to 1.400")


def test_a_fall_is_put_down_to_prevalence_only_if_that_explains_it() -> None:
    """At the usual share of positives the metric must be near the usual again."""
    causes = {
        adjusted: _cause(champion(BAD, at_reference_prevalence=adjusted))
        for adjusted in (0.73, 0.87)
    }
    assert causes == {0.73: "unknown", 0.87: "prevalence"}


def test_a_wide_reference_does_not_make_everything_prevalence() -> None:
    """A metric that stays low at the usual share of positives has another cause."""
    assert _cause(champion(0.75, at_reference_prevalence=0.74)) != "prevalence"


def _cause(story: Story) -> str:
    raised = quality_alarm("churn", story.state, LEVEL)
    assert raised is not None
    alarm = Alarm(raised=raised, at=story.now)
    return cause_of(alarm, story.state, Known(sign=1.0, label_owner=Role.ML_DEVELOPER)).cause
