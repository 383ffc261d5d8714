"""Causes told apart: concept drift, covariate shift, a label feed, and what is said of the pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tamid.core import events as ev
from tamid.core.causes import Known, cause_anew, cause_of, doubt_lifted
from tamid.core.label_checks import Feed
from tamid.core.paging import realised_of
from tamid.core.quality import realised
from tamid.core.state import Alarm
from tamid.core.values import Role, Task, VersionRef
from tamid.testing.histories import Story

GOOD = 0.85
REFERENCE = {"quality": tuple(0.84 + 0.002 * i for i in range(12)), "positive_rate": (0.5,) * 12}


def story(
    *values: float,
    detail: Mapping[str, float] | None = None,
    reference: Mapping[str, tuple[float, ...]] = REFERENCE,
    signal: str = "quality",
) -> Story:
    """A champion whose last measured period has this detail."""
    told = Story()
    ref = VersionRef(number=1, bundle="b", overlay="o")
    told.tell(
        ev.VersionRegistered(ref=ref, run="r", contract="c", reference=reference),
        ev.Promoted(number=1, previous=0, reason="first", evidence=""),
    )
    for i, value in enumerate(values):
        last = i == len(values) - 1
        told.tell(
            ev.Measured(
                signal=signal,
                period=f"p{i:02d}",
                value=value,
                model_version=1,
                rows=1000,
                detail=dict(detail or {}) if last else {"excess": 0.0, "excess_limit": 0.03},
            )
        )
    return told


def diagnosed(told: Story, feed: Feed | None = None) -> ev.Diagnosed:
    """The diagnosis of an alarm about the last period."""
    period = max(realised_of(told.state, 1))
    raised = ev.AlarmRaised(
        alarm=f"quality/1/{period}", signal="quality", failure="model_failure",
        severity="critical", period=period, periods=(period,), noticed_by="t", message="m",
    )  # fmt: skip
    known = Known(sign=1.0, label_owner=Role.ML_DEVELOPER, feed=feed)
    return cause_of(Alarm(raised=raised, at=told.now), told.state, known)


def measured(turned: bool, moved: float, seed: int) -> Mapping[str, float]:
    """The detail of a period of accuracy: its inputs moved, or what they lead to turned around."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-2 * (rng.normal(size=1500) + moved)))
    y = (rng.random(1500) < p).astype(np.float64)
    if turned:
        half = rng.random(1500) < 0.35
        y = np.where(half, 1 - y, y)
    found = realised("accuracy", Task.BINARY, y, p, threshold=0.5, weights=np.ones(1500))
    return found.detail


def test_turned_outcomes_are_concept_drift_and_moved_inputs_are_not() -> None:
    """Route accuracy on 40 injected drifts of a metric other than F1: all of them right."""
    concept = [diagnosed(story(GOOD, 0.7, detail=measured(True, 0.0, s))) for s in range(20)]
    moved = [diagnosed(story(GOOD, 0.7, detail=measured(False, 0.8, s))) for s in range(20)]
    assert {d.cause for d in concept} == {"concept_drift"}
    assert {d.retraining for d in concept} == {"needed"}
    assert "concept_drift" not in {d.cause for d in moved}
    assert "more wrong answers a row than the scores" in concept[0].reasons[0]


def test_a_model_that_always_promised_too_much_is_measured_by_its_own_habit() -> None:
    """Errors that were always there beyond the announced ones are no drift."""
    told = story(GOOD, GOOD, 0.7, detail={"excess": 0.05, "excess_limit": 0.03})
    assert diagnosed(told).cause == "concept_drift"
    for period in ("p00", "p01"):
        told.tell(
            ev.Measured(
                signal="quality",
                period=period,
                value=GOOD,
                model_version=1,
                rows=1000,
                detail={"excess": 0.045, "excess_limit": 0.03},
            )
        )
    assert diagnosed(told).cause == "unknown"


def test_columns_that_moved_together_are_a_covariate_shift_with_evidence() -> None:
    """The check of the rows says which columns, the labels that errors are as announced."""
    told = story(GOOD, 0.7, detail={"excess": 0.001, "excess_limit": 0.03})
    told.tell(
        ev.PeriodChecked(period="p01", suspected=False, owner=Role.ML_DEVELOPER, shifted=("fee",))
    )
    found = diagnosed(told)
    assert found.cause == "covariate_shift"
    assert "fee moved further than ever in p01" in found.reasons[0]
    assert "as the scores announce" in found.reasons[1]


def test_a_share_of_positives_as_some_reference_periods_had_is_no_label_bug() -> None:
    """Where periods without any positive are usual, one more proves nothing about the labels."""
    none = {"positive_rate": 0.0}
    assert diagnosed(story(GOOD, 0.7, detail=none)).cause == "label_bug"
    nights = {**REFERENCE, "positive_rate": (0.5, 0.0, 0.6, 0.4) * 3}
    assert diagnosed(story(GOOD, 0.7, detail=none, reference=nights)).cause != "label_bug"


@pytest.mark.parametrize(
    ("feed", "cause"),
    [
        (Feed(name="north", share=3.0, without=0.86), "label_bug"),
        (Feed(name="north", share=3.0, without=0.7), "unknown"),
        (Feed(name="north", share=1.2, without=0.86), "unknown"),
        (None, "unknown"),
    ],
)
def test_wrong_answers_in_one_feed_are_a_label_bug(feed: Feed | None, cause: str) -> None:
    """Only if they crowd there, and the others are as good as usual."""
    found = diagnosed(story(GOOD, 0.7), feed)
    assert found.cause == cause
    assert found.retraining == ("blocked" if cause == "label_bug" else "needed")


@pytest.mark.parametrize("signal", ["quality", "hindsight"])
def test_a_fall_put_down_to_labels_is_asked_anew_when_they_come_again(signal: str) -> None:
    """Labels that still cannot be right change nothing; right ones show what the fall is."""
    told = story(GOOD, 0.7, detail={"positive_rate": 0.05}, signal=signal)
    first = diagnosed(told)
    raised = ev.AlarmRaised(
        alarm=first.alarm, signal="quality", failure="model_failure", severity="critical",
        period="p01", periods=("p01",), noticed_by="t", message="m",
    )  # fmt: skip
    told.tell(raised, first)

    def asked() -> ev.Diagnosed | None:
        alarm = told.state.alarms[first.alarm]
        assert doubt_lifted(alarm, told.state)
        return cause_anew(alarm, told.state, Known(sign=1.0, label_owner=Role.ML_DEVELOPER))

    assert not doubt_lifted(told.state.alarms[first.alarm], told.state)
    before = told.state.measured[f"{signal}@1"]["p01"]
    told.tell(replace(before, detail={"positive_rate": 0.06}))
    assert asked() is None
    told.tell(replace(before, detail={"positive_rate": 0.5}))
    other = asked()
    assert other is not None
    assert (other.cause, other.retraining, other.earlier) == ("unknown", "needed", "label_bug")
    assert other.key != first.key


def test_the_pace_is_told() -> None:
    """At once, or by and by."""
    assert "it came at once" in " ".join(diagnosed(story(0.85, 0.85, 0.6)).reasons)
    slow = diagnosed(story(0.85, 0.8, 0.75, 0.7, 0.65))
    assert "it came by and by" in " ".join(slow.reasons)


def test_what_speaks_against_other_causes_is_told_with_figures() -> None:
    """Of a concept drift: no refusal, sound rows, labels as usual, and what prevalence explains."""
    detail = {**measured(True, 0.0, 3), "positive_rate": 0.51, "at_reference_prevalence": 0.62}
    told = story(GOOD, GOOD, 0.6, detail=detail)
    told.tell(
        ev.PeriodChecked(
            period="p02", suspected=False, owner=Role.MLOPS_ENGINEER, oddity=1.2, level=2.5,
            rows=500, against=20,
        )
    )  # fmt: skip
    found = diagnosed(told, Feed(name="b", share=1.1, without=0.6))
    assert found.cause == "concept_drift"
    assert [text.partition(":")[0] for text in found.excluded] == [
        "contract breach", "broken rows", "label bug", "prevalence",
    ]  # fmt: skip
    assert "at most 1.2 spreads, 2.5 are odd" in found.excluded[1]
    assert "positives are 51.0%, usually 50.0%" in found.excluded[2]
    assert "1.1 times its share" in found.excluded[2]
    assert "it would be 0.620, it is 0.600" in found.excluded[3]


def test_what_nobody_looked_at_is_not_called_ruled_out() -> None:
    """Without a check of the rows broken ones are not excluded; an unknown cause lists them all."""
    found = diagnosed(story(GOOD, GOOD, 0.6, detail={"excess": 0.0, "excess_limit": 0.03}))
    assert found.cause == "unknown"
    assert "not excluded" in found.excluded[1]
    assert found.excluded[-1].startswith("concept drift: +0.000 wrong answers")


def test_the_first_cause_has_none_before_it() -> None:
    """A label bug is told with contract and rows alone: later causes were not asked for."""
    found = diagnosed(story(GOOD, GOOD, 0.6, detail={"positive_rate": 0.05}))
    assert found.cause == "label_bug"
    assert len(found.excluded) == 2
