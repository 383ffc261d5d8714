"""What is said about a model: the two questions, and what is open, awaited and under way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.values import Role, canonical_json
from tamid.core.view.build import snapshot
from tamid.core.view.scene import Scene
from tamid.core.view.snapshot import Snapshot
from tamid.testing import scenes
from tamid.testing.life import CONTRACT, Life
from tamid.workshop import parse


def look(life: Life, text: str = CONTRACT) -> Snapshot:
    """Return the snapshot at the story's moment."""
    contract: Contract = parse(text)
    return snapshot(
        Scene(
            model="churn",
            contract=contract,
            state=life.state,
            records=life.records,
            now=life.now,
            zone=UTC,
        )
    )


@pytest.fixture
def live() -> Life:
    """Version 1 is live; two weeks were served on time, the first one is measured."""
    life = scenes.first_release(Life())
    scenes.served(life, 0)
    scenes.served(life, 1)
    scenes.measured(life, 0, 0.83)
    return life


def test_an_empty_ledger_knows_nothing_and_says_so() -> None:
    """Before anything happened both answers are "unknown", without a number."""
    snap = look(Life())
    assert (snap.service.reply, snap.quality.reply) == ("unknown", "unknown")
    assert snap.service.number is None
    assert snap.quality.number is None
    assert snap.champion is None
    assert snap.condition == "waiting"


def test_a_healthy_service_is_told_with_number_interval_and_date(live: Life) -> None:
    """Two periods of two on time; the interval says how little two periods prove."""
    answer = look(live).service
    assert answer.reply == "yes"
    assert answer.number == 1.0
    assert answer.interval is not None
    assert answer.interval.low == pytest.approx(0.342, abs=0.001)
    assert answer.on == live.period(1)
    assert "100 % of 1 000 answers came from the champion" in answer.sentence


def test_a_right_model_is_told_with_what_it_rests_on(live: Life) -> None:
    """Number, interval, period, rows, share of labels, and when the next truth comes."""
    answer = look(live).quality
    assert answer.reply == "yes"
    assert (answer.number, answer.on) == (0.83, live.period(0))
    for part in (
        "0.810 to 0.850",
        "1 000 rows",
        "48 positives",
        "98 % of the labels",
        "2026-01-27",
    ):
        assert part in answer.sentence
    assert answer.sentence.endswith("The next truth, for 2026-01-11, comes on 2026-01-27.")
    # week 1 ends on the 18th; seven days of horizon and two of reporting follow
    assert answer.known_from == datetime(2026, 1, 27, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "reply"), [(0.78, "yes"), (0.76, "probably"), (0.74, "doubtful"), (0.72, "no")]
)
def test_the_interval_decides_how_sure_the_answer_is(value: float, reply: str) -> None:
    """Only a whole interval (plus or minus 0.02) on one side of 0.75 is a yes or a no."""
    life = scenes.first_release(Life())
    scenes.served(life, 0)
    scenes.measured(life, 0, value)
    assert look(life).quality.reply == reply


def test_for_errors_smaller_is_better() -> None:
    """With a largest accepted error the same rules hold the other way round."""
    text = CONTRACT.replace("{metric: f1, at_least: 0.75}", "{metric: mae, at_most: 0.75}")
    text = text.replace("task: binary", "task: regression").replace(", positive: 1", "")
    life = scenes.first_release(Life())
    scenes.served(life, 0)
    scenes.measured(life, 0, 0.70)
    assert look(life, text).quality.reply == "yes"
    scenes.measured(life, 0, 0.80)
    assert look(life, text).quality.reply == "no"


def test_a_released_model_without_truth_is_unknown_until_a_date() -> None:
    """The date of the first truth and the figure of the gates stand in for the answer."""
    life = scenes.first_release(Life())
    scenes.served(life, 0)
    answer = look(life).quality
    assert answer.reply == "unknown"
    assert answer.known_from == datetime(2026, 1, 20, tzinfo=UTC)
    assert "At its gates f1 was 0.831" in answer.sentence
    assert "comes on 2026-01-20" in answer.sentence


def test_a_new_champion_s_truth_is_not_awaited_of_what_others_answered(live: Life) -> None:
    """The weeks of the version before it, and one that a lower rung answered, say nothing of it."""
    scenes.challenger(live)
    live.at(days=15).say(ev.Promoted(number=2, previous=1, reason="r", evidence=""))
    scenes.served(live, 3, number=2, rule=1000)
    scenes.served(live, 4, number=2)
    answer = look(live).quality
    assert answer.reply == "unknown"
    assert answer.sentence.endswith(f"The next truth, for {live.period(4)}, comes on 2026-02-17.")


def test_a_canary_says_which_answers_it_waits_for(live: Life) -> None:
    """Of a server that answers with it; none so far, then what is still missing, then nothing."""
    scenes.challenger(live)
    live.say(ev.StageEntered(number=2, stage="canary 5%", online=True))
    seen: list[str] = []
    for verdict, reasons in (("nodata", ("40 of 200 answers",)), ("pass", ())):
        card = look(live).challenger
        assert card is not None
        seen.append(card.waits)
        live.say(
            ev.TrialMeasured(number=2, stage="canary 5%", verdict=verdict, reasons=reasons)  # type: ignore[arg-type]
        )
    card = look(live).challenger
    assert card is not None
    assert [*seen, card.waits] == ["none so far", "40 of 200 answers", ""]


def test_an_alarm_makes_the_answer_no_and_carries_its_cause(live: Life) -> None:
    """The open alarm stands with message, cause and the role that must act."""
    scenes.served(live, 2)
    scenes.fall(live, 1)
    snap = look(live)
    assert snap.quality.reply == "no"
    assert "likely cause: concept drift" in snap.quality.reasons[0]
    assert (snap.alarms[0].cause, snap.alarms[0].route) == ("concept_drift", "ml_developer")
    # a bad model is no failure of the service
    assert snap.service.reply == "yes"
    unnamed = CONTRACT.replace("{metric: f1, at_least: 0.75}", "{metric: f1}")
    assert unnamed != CONTRACT
    assert "no least value, and an alarm is open" in look(live, unnamed).quality.sentence


def test_a_lower_rung_degrades_the_service(live: Life) -> None:
    """Answers of a lower rung beyond the agreed quarantine are said and counted."""
    scenes.served(live, 2, rule=300)
    snap = look(live)
    assert snap.service.reply == "degraded"
    assert "70 % of 1 000 answers" in snap.service.sentence
    assert snap.condition == "degraded"


def test_rows_in_quarantine_do_not_degrade_the_service(live: Life) -> None:
    """Up to the contract's share of bad rows a lower rung answers as agreed."""
    scenes.served(live, 2, rule=20)
    assert look(live).service.reply == "yes"


def test_a_late_period_counts_against_the_number(live: Life) -> None:
    """Delivered after Sunday 06:00 is not on time."""
    scenes.served(live, 2, late=True)
    answer = look(live).service
    assert answer.reply == "degraded"
    assert answer.number == pytest.approx(2 / 3)


def test_a_missed_period_is_a_no(live: Life) -> None:
    """A week whose moment passed without scores is named."""
    live.at(days=14, hours=7)
    answer = look(live).service
    assert answer.reply == "no"
    assert any(live.period(2) in reason for reason in answer.reasons)


def test_a_period_before_its_hour_is_not_held_against_the_service(live: Life) -> None:
    """At 05:00 the scores of this Sunday are not due yet."""
    live.at(days=14, hours=5)
    snap = look(live)
    assert snap.service.reply == "yes"
    assert snap.deliveries[-1].served == "waiting"


def test_a_target_that_is_down_is_named(live: Life) -> None:
    """The scores wait in the outbox, with attempts and date."""
    live.at(days=14, hours=3)
    live.say(
        ev.DeliveryDelayed(
            period=live.period(1), revision=2, sink="1-csv", error="disk full", attempt=3
        )
    )
    answer = look(live).service
    assert answer.reply == "degraded"
    assert "3 attempts" in answer.reasons[0]


def test_a_correction_does_not_make_a_period_late(live: Life) -> None:
    """Revision 2 comes late by nature; the first one counts."""
    period = live.period(1)
    live.at(days=9)
    live.say(
        ev.Delivered(period=period, revision=2, sink="1-csv", receipt="r", rows=1000, late=True)
    )
    assert look(live).deliveries[-1].served == "on time"


def test_a_held_candidate_shows_as_a_case_with_its_clock(live: Life) -> None:
    """The case names role, title and the day by which an answer is expected."""
    scenes.served(live, 2)
    scenes.held(live, scenes.fall(live, 1))
    snap = look(live)
    (case,) = snap.cases
    assert (case.role, case.overdue) == ("ml_developer", False)
    assert case.answer_by == case.at + timedelta(days=7)
    assert snap.runs[-1].outcome == "held"
    assert snap.condition == "held"
    assert snap.awaited[0].who == "ml_developer"
    live.now += timedelta(days=8)
    assert look(live).cases[0].overdue


def test_an_approval_is_awaited_of_the_role_that_has_not_given_it(live: Life) -> None:
    """With `approval: both` the second role remains after the first agreed."""
    text = CONTRACT.replace("approval: auto", "approval: both")
    scenes.served(live, 2)
    scenes.fall(live, 1)
    scenes.challenger(live)
    snap = look(live, text)
    assert [a.who for a in snap.awaited if a.who != "time"] == ["ml_developer", "mlops_engineer"]
    live.say(ev.ApprovalGiven(number=2), actor="dana", role=Role.ML_DEVELOPER)
    snap = look(live, text)
    assert [a.who for a in snap.awaited if a.who != "time"] == ["mlops_engineer"]
    assert snap.challenger is not None
    assert (snap.challenger.number, snap.challenger.stage) == (2, "shadow")
    assert snap.condition == "waiting"


def test_a_loop_that_should_have_turned_is_overdue(live: Life) -> None:
    """A daily loop is overdue after a day and a half."""
    assert live.state.last_tick is not None
    live.now = live.state.last_tick + timedelta(hours=35)
    assert not look(live).turning.overdue
    live.now = live.state.last_tick + timedelta(hours=37)
    assert look(live).turning.overdue


def test_a_pause_says_who_and_why(live: Life) -> None:
    """Whoever looks sees who stopped the loop and what is needed to go on."""
    live.say(ev.Paused(), actor="dana", role=Role.MLOPS_ENGINEER, reason="moving house")
    snap = look(live)
    assert snap.turning.paused_by == "mlops_engineer dana: moving house"
    assert any("tamid resume" in a.what for a in snap.awaited)


def test_a_refused_batch_waits_for_the_owner_of_its_source(live: Life) -> None:
    """Until a case is open the refusal itself names who must repair it."""
    live.say(
        ev.DataRefused(
            source="rows",
            batch="w.csv",
            fingerprint="f",
            owner=Role.MLOPS_ENGINEER,
            reasons=("minutes above max in 31 % of rows",),
        )
    )
    assert any(a.who == "mlops_engineer" and "rows/w.csv" in a.what for a in look(live).awaited)


def test_truth_that_is_overdue_is_called_so(live: Life) -> None:
    """Labels that should be in and are not measured are awaited with their date."""
    live.at(days=40)
    assert "were due on" in look(live).quality.sentence


def test_the_snapshot_is_plain_json(live: Life) -> None:
    """The page and --json get the same values as text."""
    scenes.held(live, scenes.fall(live, 1))
    text = canonical_json(look(live))
    assert '"question":"Is the service healthy?"' in text
    assert text == canonical_json(look(live))


def test_a_contract_without_time_has_no_clock() -> None:
    """Without a time column nothing is due and nothing is watched; both are said plainly."""
    text = CONTRACT.replace("  time: week\n", "").replace(", horizon: 7d, reporting_lag: 2d", "")
    text = text[: text.index("delivery:")]
    life = scenes.first_release(Life())
    snap = look(life, text)
    assert snap.quality.known_from is None
    assert "Without a time column nothing is watched" in snap.quality.sentence


def test_a_service_that_fell_silent_is_not_healthy(live: Life) -> None:
    """More than a year after the last scores the answer is no, whatever stood there before."""
    answer = look(live.at(days=500)).service
    assert answer.reply == "no"
    assert answer.number == 0.0
    assert f"nothing was served since {live.period(1)}" in answer.sentence


def test_old_truth_does_not_say_that_the_model_is_right_today(live: Life) -> None:
    """Once newer labels were due and nobody measured them the answer is unknown."""
    assert look(live.at(days=23)).quality.reply == "yes"
    answer = look(live.at(days=40)).quality
    assert answer.reply == "unknown"
    assert answer.number == 0.83
    assert "were due on 2026-01-27 and are not measured yet" in answer.sentence


def test_the_budget_of_alarms_is_said_also_while_none_is_open(live: Life) -> None:
    """How often an alarm is false belongs beside "none open"; before anything pages it is empty."""
    assert look(Life()).budget == ""
    owed = CONTRACT.replace("monitoring: {", "monitoring: {false_alarms_per_year: 2, ", 1)
    assert "at most 2 false alarms a year expected" in look(live, owed).budget
    scenes.served(live, 2)
    scenes.fall(live, 1)
