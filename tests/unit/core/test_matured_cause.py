"""An alarm before any label is asked again, once, when the labels of its periods are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tamid.core import events as ev
from tamid.core.causes import Known
from tamid.core.matured_cause import can_tell, cause_with_labels
from tamid.core.rules.cases import bugs
from tamid.core.rules.retraining import forbidden
from tamid.core.signals import Signals
from tamid.core.state import Alarm
from tamid.core.unlabelled import cause_before_labels
from tamid.core.values import Role, VersionRef
from tamid.testing.histories import POLICY, Story

PERIOD, NAME = "p13", "score_psi/1/p13"
REFERENCE = {
    "quality": tuple(0.84 + 0.002 * i for i in range(12)),
    "positive_rate": (0.3, 0.31, 0.29, 0.3) * 3,
}
CALM = {
    "positive_rate": 0.3, "mean_score": 0.3, "discrimination": 0.3,
    "excess": 0.0, "excess_limit": 0.03,
}  # fmt: skip
# Half of the positives; of that the scores announce a third.
HALVED = {**CALM, "positive_rate": 0.15, "mean_score": 0.25}


def paged(*, columns: Mapping[str, float] | None = None, rates: tuple[float, ...] = ()) -> Story:
    """A champion whose scores moved in a period without labels; diagnosed as far as one can."""
    told = Story()
    ref = VersionRef(number=1, bundle="b", overlay="o")
    reference = {**REFERENCE, "positive_rate": rates} if rates else REFERENCE
    told.tell(
        ev.VersionRegistered(ref=ref, run="r", contract="c", reference=reference),
        ev.Promoted(number=1, previous=0, reason="first", evidence=""),
    )
    for week in range(13):
        labelled(told, f"p{week:02d}", 0.85, CALM)
    moved = columns or {"fee": 9.0, "plan": 8.0}
    told.tell(
        ev.Measured(
            signal="column_drift", period=PERIOD, value=9.0, model_version=1, detail=dict(moved)
        ),
        ev.AlarmRaised(
            alarm=NAME, signal="score_psi", failure="model_failure", severity="warning",
            period=PERIOD, periods=(PERIOD,), noticed_by="t", message="m",
        ),
    )  # fmt: skip
    told.tell(cause_before_labels(alarm(told), told.state))
    return told


def labelled(told: Story, period: str, value: float, detail: Mapping[str, float]) -> None:
    """Say what a period's labels gave."""
    told.tell(
        ev.Measured(
            signal="quality", period=period, value=value, model_version=1, rows=1000,
            matured=1.0, detail=dict(detail),
        )
    )  # fmt: skip


def alarm(told: Story) -> Alarm:
    """The alarm as it stands."""
    return told.state.alarms[NAME]


def asked(told: Story) -> ev.Diagnosed:
    """What the labels say, told to the ledger."""
    assert can_tell(alarm(told), told.state)
    found = cause_with_labels(
        alarm(told), told.state, Known(sign=1.0, label_owner=Role.ML_DEVELOPER)
    )
    told.tell(found)
    return found


def test_it_is_asked_once_and_not_before_the_labels_of_its_period() -> None:
    """Neither without labels nor a second time."""
    told = paged()
    assert not can_tell(alarm(told), told.state)
    labelled(told, PERIOD, 0.85, CALM)
    asked(told)
    assert not can_tell(alarm(told), told.state)
    labelled(told, PERIOD, 0.7, CALM)
    assert not can_tell(alarm(told), told.state)


def test_another_share_of_positives_is_prevalence_and_no_covariate_shift() -> None:
    """Half of the positives, at a quality as ever: the scores moved with them."""
    told = paged()
    first = alarm(told).diagnosis
    assert first is not None
    assert first.cause == "covariate_shift"
    labelled(told, PERIOD, 0.85, HALVED)
    found = asked(told)
    assert (found.cause, found.earlier, found.retraining) == (
        "prevalence", "covariate_shift", "useless",
    )  # fmt: skip
    assert "positives are 15.00%, usually 30.00%; the scores announced 25" in found.reasons[0]
    assert alarm(told).diagnosis == found
    assert found.key != first.key


def test_a_share_that_varies_so_is_no_prevalence() -> None:
    """The same share where reference periods have been as far from their mean."""
    told = paged(rates=(0.5, 0.12, 0.45, 0.13) * 3)
    labelled(told, PERIOD, 0.85, HALVED)
    assert asked(told).cause == "covariate_shift"


def test_a_share_that_moved_with_the_inputs_stays_a_covariate_shift() -> None:
    """Fewer positives among those who are asked about, as the scores announce."""
    told = paged()
    labelled(told, PERIOD, 0.85, {**HALVED, "mean_score": 0.16})
    assert asked(told).cause == "covariate_shift"


def test_other_outcomes_of_the_same_inputs_are_concept_drift_trained_for_after_a_fall() -> None:
    """Without an alarm of quality nothing is trained for it; with one it is needed."""
    drifted = {**CALM, "excess": 0.2}
    held, fallen = paged(), paged()
    labelled(held, PERIOD, 0.8, drifted)
    assert (found := asked(held)).cause == "concept_drift"
    assert found.retraining == "useless"
    assert "no fall of quality is shown" in found.reasons[-1]
    labelled(fallen, PERIOD, 0.6, drifted)
    fallen.tell(
        ev.AlarmRaised(
            alarm=f"quality/1/{PERIOD}", signal="quality", failure="model_failure",
            severity="critical", period=PERIOD, periods=(PERIOD,), noticed_by="t", message="m",
        )
    )  # fmt: skip
    assert (found := asked(fallen)).cause == "concept_drift"
    assert found.retraining == "needed"


def test_labels_that_cannot_be_right_block_and_open_a_case_until_they_come_anew() -> None:
    """No positives at all: the owner of the labels is asked; corrected labels end it."""
    told = paged()
    labelled(told, PERIOD, 0.85, {**CALM, "positive_rate": 0.0})
    assert asked(told).cause == "label_bug"
    assert forbidden(told.state)
    (case,) = bugs(POLICY, told.state, Signals(), told.now)
    assert getattr(case, "about", "") == f"alarm/{NAME}"
    labelled(told, PERIOD, 0.85, CALM)
    found = asked(told)
    assert (found.cause, found.earlier) == ("unknown", "label_bug")
    assert not forbidden(told.state)


def test_labels_that_a_person_found_right_are_doubted_no_more() -> None:
    """Their owner closes the case: the alarm gets another cause. The machine's closing is none."""
    told = paged()
    labelled(told, PERIOD, 0.85, {**CALM, "positive_rate": 0.0})
    doubted = asked(told)
    opened = ev.CaseOpened(
        case=1,
        role=Role.ML_DEVELOPER,
        kind="label_bug",
        title="t",
        about=f"alarm/{NAME}",
        report="",
    )
    told.tell(opened, ev.CaseClosed(case=1, resolution="the alarm is over"))
    assert not can_tell(alarm(told), told.state)
    told.tell(replace(opened, case=2))
    told.tell(ev.CaseClosed(case=2, resolution="a strike"), role=Role.ML_DEVELOPER)
    found = asked(told)
    assert (found.cause, found.earlier) == ("prevalence", "label_bug")
    assert found.key != doubted.key
    assert any(f"a person found those of {PERIOD} right" in text for text in found.excluded)
    assert not forbidden(told.state)
    assert not can_tell(alarm(told), told.state)


def test_what_was_seen_before_stands_where_labels_add_nothing() -> None:
    """One column alone stays with the engineer of the data, now with the quality beside it."""
    told = paged(columns={"fee": 40.0, "plan": 2.0})
    labelled(told, PERIOD, 0.853, CALM)
    found = asked(told)
    assert (found.cause, found.route) == ("unknown", Role.MLOPS_ENGINEER)
    assert "fee stands out alone" in found.reasons[0]
    assert "the labels gave 0.853 in p13" in found.reasons


def test_a_settled_alarm_and_one_of_quality_are_left_alone() -> None:
    """Only what rang without labels and has a first cause is asked again."""
    told = paged()
    labelled(told, PERIOD, 0.85, CALM)
    bare = Alarm(raised=alarm(told).raised, at=told.now)
    assert not can_tell(bare, told.state)
