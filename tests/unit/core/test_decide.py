"""The rules of a decision, one situation each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.decide import decide
from tamid.core.rules.release import cooling
from tamid.core.rules.retraining import drifted
from tamid.core.rules.scoring import deliver, undelivered
from tamid.core.signals import Signals
from tamid.core.values import Interval, Role, TablePin, VersionRef, instant
from tamid.testing.histories import PIN, Story, accepted, fallen, refused

PERIODS = tuple(f"2026-01-{d:02d}" for d in (4, 11, 18, 25))
START_OF_2027 = datetime(2027, 1, 1, tzinfo=UTC)
READY = Signals(trainable=PERIODS, matured=PERIODS)


def kinds(done: list[do.Action]) -> list[str]:
    """Return the names of the actions."""
    return [type(a).__name__ for a in done]


def released() -> Story:
    """Return a story with a first champion."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    return story


def succeeded() -> Story:
    """Return a story whose first champion fell and was replaced by a second one."""
    story = released()
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    story.now += timedelta(days=1)
    story.live(READY)
    return story


def worse(version: int, period: str) -> ev.Measured:
    """Return that a version is proven worse than the one before it on a period's live rows."""
    interval = Interval(point=-0.1, low=-0.2, high=-0.02)
    return ev.Measured(
        signal="against_previous",
        period=period,
        value=interval.point,
        interval=interval,
        model_version=version,
    )


def scored_by(rung: str, period: str, revision: int) -> ev.Scored:
    """Return scores that one rung gave."""
    return ev.Scored(period=period, revision=revision, number=1, pin=PIN, rows=10, rungs={rung: 10})


def outage(period: str, revision: int) -> tuple[ev.Event, ...]:
    """Return a period that a lower rung answered, with the incident that says why."""
    opened = ev.IncidentOpened(
        incident=f"outage/{period}",
        failure="system_failure",
        severity="critical",
        noticed_by="scoring",
        message="killed",
        response="lower rungs",
    )
    return scored_by("last_score", period, revision), opened


def test_first_version_goes_live_without_a_shadow_stage() -> None:
    """A first run that passes its gates is released at once: there is nobody to shadow."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"))
    assert kinds(story.live(READY)) == ["Train", "Judge", "Register", "Promote"]
    assert story.state.champion == 1


def test_nothing_happens_without_a_reason() -> None:
    """A healthy model is left alone."""
    story = released()
    story.now += timedelta(days=1)
    assert story.live(READY) == []


def test_confirmed_fall_is_retrained_shadowed_and_released_next_day() -> None:
    """A quality alarm leads to a run at once, and to a new champion after a stay in shadow."""
    story = released()
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    assert kinds(story.live(READY)) == ["OpenIncident", "Train", "Judge", "Register", "Enter"]
    story.now += timedelta(days=1)
    done = kinds(story.live(READY))
    assert done == ["Promote", "ClearAlarm", "CloseIncident"]
    assert story.state.champion == 2
    assert not story.state.open_alarms
    assert not story.state.open_incidents


def test_held_candidate_opens_one_case_and_the_champion_stays() -> None:
    """A candidate that is not good enough is a valid failure: a case, no release, no loop."""
    story = released()
    story.outcome = lambda run: "held"
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    assert kinds(story.live(READY))[-1] == "OpenCase"
    story.now += timedelta(days=3)
    assert story.live(READY) == []
    assert story.state.champion == 1
    assert len(story.state.open_cases) == 1


def test_a_held_matter_is_tried_again_on_much_more_evidence() -> None:
    """A few times with each new week, then whenever the drifted weeks have doubled: a year's few.

    Weeks 30 to 55 are drifted; the third try knows three of them, the next ones 6, 12 and 24.
    """
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(known(30))
    story.outcome = lambda run: "held"
    story.now += timedelta(days=10)
    story.tell(*fallen(1, weeks(31)[-1]))
    for count in range(31, 57):
        for _ in range(7):
            story.live(known(count))
            story.now += timedelta(days=1)
    tried = [len(r.started.degraded_periods) for r in list(story.state.runs.values())[1:]]
    assert tried == [1, 2, 3, 6, 12, 24]
    assert len(story.state.cases) == 1


def test_a_fall_is_answered_when_its_rows_can_tune_and_judge_a_candidate() -> None:
    """A week of 168 rows is waited out, two of them are enough; no run fails for want of rows."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(known(30))
    story.now += timedelta(days=10)
    pin = TablePin(table="m.rows", version=1, digest="d")
    volume = dict.fromkeys(weeks(32)[-2:], 168)
    story.tell(
        ev.DataAccepted(
            source="rows", batch="b", fingerprint="f", pin=pin, rows=336, quarantined={},
            periods=tuple(volume), volume=volume,
        ),
        *fallen(1, weeks(31)[-1]),
    )  # fmt: skip
    assert "Train" not in kinds(story.live(known(31)))
    story.now += timedelta(days=7)
    assert "Train" in kinds(story.live(known(32)))


def test_changed_code_works_on_the_open_case_and_its_release_closes_it() -> None:
    """The developer's answer names the case; when it is live the case is closed."""
    story = released()
    story.outcome = lambda run: "held" if run == "run-0002" else "promote"
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    story.now += timedelta(days=2)
    story.tell(ev.ContractAdopted(contract="c2"))
    story.live(READY)
    assert story.state.runs["run-0003"].started.case == 1
    story.now += timedelta(days=1)
    assert "CloseCase" in kinds(story.live(READY))
    assert story.state.champion == 2


def test_an_answer_to_a_held_first_run_is_tried_at_once_and_settles_its_case() -> None:
    """A changed contract waits for no cooldown; any version that is live answers the case."""
    story = Story(outcome=lambda run: "held" if run == "run-0001" else "promote")
    story.tell(ev.ContractAdopted(contract="c1"))
    assert kinds(story.live(READY))[-1] == "OpenCase"
    story.now += timedelta(hours=1)
    assert story.live(READY) == []
    story.tell(ev.ContractAdopted(contract="c2"))
    assert "Promote" in kinds(story.live(READY))
    story.now += timedelta(days=1)
    story.live(READY)
    assert not story.state.open_cases


def test_a_contract_of_the_same_recipe_costs_no_run() -> None:
    """Where scores go, who answers for what: a new contract, and the model is as it was."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1", recipe="r1"))
    story.live(READY)
    story.now += timedelta(days=10)
    story.tell(ev.ContractAdopted(contract="c2", recipe="r1"))
    assert "Train" not in kinds(story.live(READY))
    story.tell(ev.ContractAdopted(contract="c3", recipe="r2"))
    assert "Train" in kinds(story.live(READY))


@pytest.mark.parametrize("fingerprint", ["sha256:0a1b2c3d4e5f6071", "201f758c7@22"])
def test_refused_batch_blocks_training_until_it_is_repaired(fingerprint: str) -> None:
    """A contract breach opens an incident and a case with the source's owner, and stops runs."""
    story = released()
    story.now += timedelta(days=10)
    bad = replace(refused("2026-02-01"), fingerprint=fingerprint)
    story.tell(bad, *fallen(1, PERIODS[-1]))
    done = story.live(READY)
    assert not {"Train", "CloseIncident"} & set(kinds(done))
    assert [a.role.value for a in done if isinstance(a, do.OpenCase)] == ["mlops_engineer"]
    story.now += timedelta(days=1)
    story.tell(accepted("2026-02-01"))
    done = story.live(READY)
    assert {"CloseCase", "CloseIncident", "Train"} <= set(kinds(done))


def label_file(week: int, reason: str = "") -> ev.DataRefused:
    """Return the refusal of a file of labels; by default a tenth more rows are wrong each week."""
    broken = {} if reason else {"left: no number": 10 * week}
    return ev.DataRefused(
        source="labels", batch=f"week-{week:02d}.csv", fingerprint=f"f{week}",
        owner=Role.MLOPS_ENGINEER, rows=100, broken=broken,
        reasons=(reason or f"{10 * week} of 100 rows break the contract", "which allows 5 %"),
    )  # fmt: skip


def quietly(week: int) -> ev.IncidentOpened:
    """Return the incident of such a file, so that only its case is left to ask for."""
    return ev.IncidentOpened(
        incident=f"refused/labels/week-{week:02d}.csv@f{week}", failure="system_failure",
        severity="critical", noticed_by="n", message="m", response="r",
    )  # fmt: skip


def put_right(week: int) -> ev.LabelsAccepted:
    """Return that such a file came again and was taken."""
    name = f"week-{week:02d}.csv"
    return ev.LabelsAccepted(source="labels", batch=name, fingerprint="g", pin=PIN, new=1)


def test_what_is_refused_for_one_cause_is_one_case_until_all_is_repaired() -> None:
    """Later files join it, its clock is the first's; another cause is another case."""
    story = released()
    story.now += timedelta(days=1)
    story.tell(*(label_file(week) for week in range(1, 9)))
    (opened,) = [a for a in story.live(READY) if isinstance(a, do.OpenCase)]
    assert opened.title == "8 batches of labels break the contract alike"
    assert "10 of 100 rows" in opened.reason
    assert opened.reason.endswith("labels/week-05.csv, labels/week-06.csv and 2 more")
    began, story.now = story.now, story.now + timedelta(hours=9)
    story.tell(label_file(9), label_file(10, "week-10.csv has 3 columns"))
    done = story.live(READY)
    (joined,) = [a for a in done if isinstance(a, do.Comment)]
    assert (joined.case, joined.text[:19]) == (1, "labels/week-09.csv:")
    assert joined.reason == "9 batches are refused for this cause"
    assert story.state.cases[1].at == began
    (other,) = [a for a in done if isinstance(a, do.OpenCase)]
    assert other.about == "refused/labels: * has # columns"
    assert story.live(READY) == []
    story.now += timedelta(hours=1)
    story.tell(*(put_right(week) for week in range(1, 9)))
    story.live(READY)
    assert set(story.state.open_cases) == {1, 2}
    story.tell(label_file(11, "week-11.csv has 4 columns"), put_right(9))
    done = story.live(READY)
    assert set(story.state.open_cases) == {2}, "the same cause under other names and numbers"
    story.tell(put_right(10), put_right(11))
    story.live(READY)
    assert not story.state.open_cases


def test_a_decision_of_older_rules_opens_a_case_for_each_refused_batch() -> None:
    """So it was decided before, and so an audit repeats it; what was open then is still over."""
    story = released()
    story.tell(*(label_file(week) for week in range(1, 4)))
    story.tell(*(quietly(week) for week in range(1, 4)))
    then = decide(story.policy, story.state, READY, story.now, rules=2).actions
    cases = [a for a in then if isinstance(a, do.OpenCase)]
    assert [(a.key, a.about) for a in cases] == [
        (f"case/{week}", f"refused/labels/week-{week:02d}.csv") for week in range(1, 4)
    ]
    story.tell(
        *(
            ev.CaseOpened(case=a.case, role=a.role, kind=a.kind, title=a.title, report="",
                          about=a.about)
            for a in cases
        )
    )  # fmt: skip
    assert story.live(READY) == [], "the cases that are open are about them"
    story.now += timedelta(days=1)
    story.tell(put_right(2))
    story.live(READY)
    assert set(story.state.open_cases) == {1, 3}


def test_system_failure_of_a_run_restarts_it_and_gives_up_with_a_case() -> None:
    """A worker that dies is started again a few times, under the same run."""
    story = Story(outcome=lambda run: "system")
    story.tell(ev.ContractAdopted(contract="c1"))
    done = story.live(READY)
    assert kinds(done).count("Train") == story.policy.restarts + 1
    assert kinds(done)[-2:] == ["Abandon", "OpenCase"]
    assert len(story.state.runs) == 1
    assert story.state.cases[1].opened.role is Role.MLOPS_ENGINEER
    assert story.state.run_in_flight is None


def test_an_abandoned_run_does_not_keep_the_next_one_from_starting() -> None:
    """A full disk that was cleared: after the cooldown the loop trains again."""
    story = Story(outcome=lambda run: "system" if run == "run-0001" else "promote")
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    story.now += timedelta(days=3)
    story.live(READY)
    assert story.state.champion == 1


def test_the_machine_s_case_does_not_swallow_the_developer_s() -> None:
    """After a run that no machine finished, code that fails is a case for who wrote it."""
    story = Story(outcome=lambda run: "system" if run == "run-0001" else "user_code")
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    story.now += timedelta(days=3)
    story.live(READY)
    roles = {case.runs[0]: case.opened.role for case in story.state.open_cases.values()}
    assert roles == {"run-0001": Role.MLOPS_ENGINEER, "run-0002": Role.ML_DEVELOPER}


def test_a_run_that_dies_without_a_word_is_given_up_too() -> None:
    """A controller that is killed in each attempt leaves starts and nothing else."""
    story = Story()
    story.tell(ev.ContractAdopted(contract="c1"))
    for _ in range(story.policy.restarts + 1):
        story.tell(
            ev.RunStarted(
                run="run-0001", trigger="first", reason="r", window="auto", contract="c1",
                code={}, pins=(), seed=7,
            )
        )  # fmt: skip
    assert kinds(story.live(READY)) == ["Abandon", "OpenCase"]
    assert "its process died" in story.state.runs["run-0001"].failed.message  # type: ignore[union-attr]


def test_rollback_when_the_new_champion_is_proven_worse() -> None:
    """The previous champion comes back when the interval of the live difference is below zero."""
    story = succeeded()
    story.tell(worse(2, "2026-02-01"))
    assert "RollBack" in kinds(story.live(READY))
    assert story.state.champion == 1
    assert story.state.versions[2].stopped
    assert story.state.previous == 0, "what was withdrawn is no way back"


def test_for_a_week_after_a_rollback_only_new_code_is_trained() -> None:
    """The fall is still there and its rows are new: it is tried again, but not at once."""
    story = succeeded()
    story.tell(worse(2, "2026-02-01"))
    story.live(READY)
    assert story.state.champion == 1
    pause = cooling(story.state, story.now)
    assert pause == instant(story.state.reigns[-1].since + timedelta(weeks=1))
    story.now += timedelta(days=3)
    story.tell(*fallen(1, "2026-02-01"))
    seen = (*PERIODS, "2026-02-01")
    warm = Signals(trainable=seen, matured=seen)
    cold = replace(warm, cooling=cooling(story.state, story.now))
    assert "Train" not in kinds(story.live(cold))
    assert "Train" in kinds([*decide(story.policy, story.state, warm, story.now).actions])
    said = decide(story.policy, story.state, cold, story.now).waiting
    assert any(f"until {pause[:16]}" in text for text in said)
    story.tell(ev.ContractAdopted(contract="c2"))
    assert "Train" in kinds([*decide(story.policy, story.state, cold, story.now).actions])
    story.now += timedelta(days=5)
    assert cooling(story.state, story.now) == ""


def test_a_rollback_is_no_release() -> None:
    """What the version that came back was replaced for is still there: alarm and case stay open."""
    story = succeeded()
    story.now += timedelta(days=8)
    story.outcome = lambda run: "held"
    story.tell(*fallen(2, "2026-02-01"))
    story.live(Signals(trainable=(*PERIODS, "2026-02-01"), matured=(*PERIODS, "2026-02-01")))
    assert len(story.state.open_cases) == 1
    story.tell(worse(2, "2026-02-01"))
    done = kinds(story.live(READY))
    assert "RollBack" in done
    assert not {"ClearAlarm", "CloseCase", "CloseIncident"} & set(done)
    assert story.state.open_alarms
    assert len(story.state.open_cases) == 1
    assert drifted(story.state, (*PERIODS, "2026-02-01")) == ("2026-02-01",)


def test_two_versions_do_not_take_turns() -> None:
    """A version that was rolled back is not brought back, however bad the one before it looks."""
    story = succeeded()
    for version, period in ((2, "2026-02-01"), (1, "2026-02-08")):
        story.tell(worse(version, period))
        story.live(READY)
    assert [r.number for r in story.state.reigns] == [1, 2, 1]


def test_outage_is_healed_once_a_turn_and_never_by_training() -> None:
    """The champion is asked again in the next turn; while it is down every turn asks just once."""
    story = released()
    due = Signals(due=("2026-02-01",), trainable=PERIODS, matured=PERIODS)
    story.tell(accepted("2026-02-01"), *outage("2026-02-01", revision=1))
    assert kinds(story.live(due)) == ["Deliver"]
    story.now += timedelta(days=1)
    story.tell(scored_by("last_score", "2026-02-01", revision=2))
    assert kinds(story.live(due)) == ["Deliver"], "it failed again: not asked twice in one turn"
    story.now += timedelta(days=1)
    assert kinds(story.live(due)) == ["Score", "Deliver", "CloseIncident"]
    assert not story.state.open_incidents
    story.now += timedelta(days=1)
    assert story.live(due) == []


def test_sink_that_is_down_is_tried_again_and_nothing_is_lost() -> None:
    """Deliveries wait in the outbox with growing pauses until the target takes them."""
    story = released()
    story.sink_up = lambda now: False
    story.tell(accepted("2026-02-01"))
    due = Signals(due=("2026-02-01",), trainable=PERIODS, matured=PERIODS)
    assert kinds(story.live(due)) == ["Score", "Deliver"]
    again = f"{story.now + timedelta(hours=1):%Y-%m-%d %H:%M} UTC"
    story.now += timedelta(minutes=30)
    assert story.live(due) == []
    (waits,) = undelivered(story.policy, story.state)
    assert waits.startswith("1-csv has not taken 1 period(s)")
    assert again in waits
    assert waits in decide(story.policy, story.state, due, story.now).waiting
    now = deliver(story.policy, story.state, due, story.now, patient=False)
    assert [a.key for a in now] == ["deliver/2026-02-01/1/1-csv/2"]
    story.now += timedelta(hours=1)
    story.sink_up = lambda now: True
    assert kinds(story.live(due)) == ["Deliver"]
    assert ("2026-02-01", 1, "1-csv") in story.state.delivered


def test_paused_model_is_scored_but_not_trained() -> None:
    """A pause stops training and releases, never the service."""
    story = released()
    story.tell(ev.Paused(), accepted("2026-02-01"), *fallen(1, PERIODS[-1]))
    story.now += timedelta(days=5)
    done = kinds(story.live(Signals(due=("2026-02-01",), trainable=PERIODS, matured=PERIODS)))
    assert "Score" in done
    assert "Train" not in done


def test_approval_is_awaited_and_a_refusal_stops_the_release() -> None:
    """With approval demanded a version waits in shadow; a refusal withdraws it."""
    story = released()
    story.policy = replace(story.policy, approvers=frozenset({"mlops_engineer"}))
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    story.now += timedelta(days=1)
    assert story.live(READY) == []
    story.tell(ev.ApprovalRefused(number=2))
    assert story.state.challenger == 0
    assert story.state.champion == 1


def test_while_an_approval_is_awaited_nothing_else_is_said_to_be() -> None:
    """The first version waits for a signature: its run is over, and no next try stands against it.

    Once it is refused, the next try is what is waited for.
    """
    story = Story()
    story.policy = replace(story.policy, approvers=frozenset({"mlops_engineer"}))
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    (said,) = decide(story.policy, story.state, READY, story.now).waiting
    assert said == "version 1 waits for approval by mlops_engineer"
    story.tell(ev.ApprovalRefused(number=1))
    (said,) = decide(story.policy, story.state, READY, story.now).waiting
    assert said.startswith("run-0001 passed its gates, and version 1 was stopped: refused by ")
    assert "the next try waits" in said


def test_missed_deadline_is_an_incident_that_ends_with_the_delivery() -> None:
    """A target that is down past the deadline alarms once; taking the scores settles it."""
    story = released()
    story.sink_up = lambda now: False
    story.tell(accepted("2026-02-01"))
    due = Signals(due=("2026-02-01",), trainable=PERIODS, matured=PERIODS)
    story.live(due)
    story.now += timedelta(hours=2)
    late = Signals(due=due.due, trainable=PERIODS, matured=PERIODS, late=("2026-02-01/1-csv",))
    assert "OpenIncident" in kinds(story.live(late))
    story.now += timedelta(hours=9)
    story.sink_up = lambda now: True
    assert kinds(story.live(due)) == ["Deliver", "CloseIncident"]
    assert not story.state.open_incidents


def known(count: int) -> Signals:
    """Return what a turn sees when the labels of so many weeks are in."""
    return Signals(trainable=weeks(count), matured=weeks(count))


def test_case_of_a_first_run_ends_when_a_later_first_run_goes_live() -> None:
    """Failed first runs share one case; the release that follows closes it."""
    story = Story(outcome=lambda run: "promote" if run == "run-0003" else "held")
    story.tell(ev.ContractAdopted(contract="c1"))
    for week in range(8, 12):
        story.live(known(week))
        story.now += timedelta(days=7)
    assert story.state.champion == 1
    assert len(story.state.cases) == 1
    assert not story.state.open_cases


def test_a_first_run_is_never_repeated_on_the_same_evidence() -> None:
    """Day after day on the same labels there is one run; with new ones there is another."""
    story = Story(outcome=lambda run: "undecided")
    story.tell(ev.ContractAdopted(contract="c1"))
    for _ in range(30):
        story.live(known(8))
        story.now += timedelta(days=1)
    assert len(story.state.runs) == 1
    story.live(known(9))
    assert len(story.state.runs) == 2


def test_an_undecided_first_run_is_tried_until_it_is_decided() -> None:
    """However many weeks it takes, within the yearly budget and with ever longer pauses."""
    story = Story(outcome=lambda run: "promote" if story.now > START_OF_2027 else "undecided")
    story.tell(ev.ContractAdopted(contract="c1"))
    for week in range(8, 80):
        story.live(known(week))
        story.now += timedelta(days=7)
    assert story.state.champion
    assert len(story.state.runs) < 14


def test_an_undecided_run_says_how_long_it_waits() -> None:
    """The gates told how many weeks are missing: no try before, and a line says so."""
    story = Story(outcome=lambda run: "undecided")
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(known(8))
    (run,) = story.state.runs.values()
    assert run.judged is not None
    story.tell(replace(run.judged, periods_missing=5))
    story.now += timedelta(days=28)
    waiting = decide(story.policy, story.state, known(12), story.now)
    assert not waiting.actions
    assert waiting.waiting == (
        "run-0001 ended undecided; the next try waits for 1 more period(s) with all labels, "
        "or for new code",
    )
    assert kinds(story.live(known(13)))[0] == "Train"


def test_new_code_is_tried_at_once_after_a_first_run_that_failed() -> None:
    """What failed is not repeated, what is new is; without a champion just as with one."""
    story = Story(outcome=lambda run: "user_code" if run == "run-0001" else "promote")
    story.tell(ev.ContractAdopted(contract="c1"))
    for _ in range(5):
        story.live(known(8))
        story.now += timedelta(days=3)
    assert len(story.state.runs) == 1
    story.tell(ev.ContractAdopted(contract="c2"))
    story.live(known(8))
    assert story.state.champion == 1


def test_data_without_time_is_tried_again_when_it_is_new() -> None:
    """There the table itself is the evidence."""
    table = TablePin(table="m.rows", version=1, digest="sha256:1")
    story = Story(outcome=lambda run: "undecided")
    static = Signals(trainable=("static",), matured=("static",))
    story.tell(ev.ContractAdopted(contract="c1"))
    story.tell(replace(accepted("static"), pin=table))
    story.live(static)
    (run,) = story.state.runs.values()
    story.state = replace(
        story.state,
        runs={"run-0001": replace(run, started=replace(run.started, pins=(table,)))},
    )
    story.now += timedelta(days=9)
    assert story.live(static) == []
    assert "new data" in decide(story.policy, story.state, static, story.now).waiting[0]
    story.tell(replace(accepted("static"), pin=replace(table, version=2, digest="sha256:2")))
    assert "Train" in kinds(story.live(static))


def test_an_undecided_change_of_code_is_judged_again_when_more_is_known() -> None:
    """It would otherwise be forgotten: no trigger fires for code that was tried once."""
    story = released()
    story.now += timedelta(days=3)
    story.outcome = lambda run: "undecided" if run == "run-0002" else "promote"
    story.tell(ev.ContractAdopted(contract="c2"))
    story.live(known(8))
    story.now += timedelta(days=3)
    assert story.live(known(8)) == []
    story.now += timedelta(days=4)
    assert "Train" in kinds(story.live(known(9)))


def test_labels_that_cannot_be_right_are_a_case_and_corrected_ones_settle_it() -> None:
    """A label bug blocks training; when the labels come again right, alarm and case are over."""
    story = released()
    story.now += timedelta(days=10)
    raised, diagnosed = fallen(1, PERIODS[-1], "blocked")
    assert isinstance(diagnosed, ev.Diagnosed)
    bug = replace(diagnosed, cause="label_bug", route=Role.MLOPS_ENGINEER)
    reference = {"quality": tuple(0.80 + i / 1000 for i in range(12))}
    registered = story.state.versions[1].registered
    story.tell(replace(registered, reference=reference), measured(0.2), raised, bug)
    done = story.live(READY)
    assert "Train" not in kinds(done)
    assert [a.kind for a in done if isinstance(a, do.OpenCase)] == ["label_bug"]
    story.now += timedelta(days=1)
    story.tell(measured(0.81))
    assert {"ClearAlarm", "CloseCase", "CloseIncident"} <= set(kinds(story.live(READY)))
    assert not story.state.open_cases


def measured(value: float) -> ev.Measured:
    """Return the first version's quality in the last period."""
    return ev.Measured(signal="quality", period=PERIODS[-1], value=value, model_version=1)


def test_a_settled_alarm_says_nothing_about_the_new_champion() -> None:
    """A turn that died between a release and its aftermath measures nothing on the old drift."""
    story = released()
    story.now += timedelta(days=10)
    story.tell(*fallen(1, PERIODS[-1]))
    assert drifted(story.state, PERIODS) == PERIODS[-1:]
    story.now += timedelta(days=1)
    ref = VersionRef(number=2, bundle="b", overlay="o")
    story.tell(ev.VersionRegistered(ref=ref, run="run-0001", contract="c1"))
    story.tell(ev.Promoted(number=2, previous=1, reason="passed shadow", evidence=""))
    assert story.state.open_alarms
    assert drifted(story.state, PERIODS) == ()


def weeks(count: int) -> tuple[str, ...]:
    """Return the names of so many weeks from the first Sunday of 2026 on."""
    return tuple((date(2026, 1, 4) + timedelta(weeks=k)).isoformat() for k in range(count))


def due(*periods: str) -> Signals:
    """Return what a turn sees when these periods are due."""
    return Signals(due=periods, trainable=PERIODS, matured=PERIODS)


def test_a_target_that_was_down_for_long_gets_everything_oldest_first() -> None:
    """Two months without an answer: no week is lost, and they come in order."""
    story = released()
    story.tell(scored_by("champion", "2025-12-28", revision=1))
    story.live(due())
    story.sink_up = lambda now: False
    for period in weeks(9):
        story.now += timedelta(days=7)
        story.tell(accepted(period))
        story.live(due(period))
    story.sink_up = lambda now: True
    story.now += timedelta(days=2)
    handed = [a.period for a in story.live(due()) if isinstance(a, do.Deliver)]
    assert handed == list(weeks(9))
    assert story.live(due()) == []


def test_a_target_that_is_new_gets_the_latest_and_all_that_follows() -> None:
    """What was scored long before the contract named it was not meant for it."""
    story = released()
    for period in weeks(8):
        story.tell(accepted(period))
        story.live(due(period))
        story.now += timedelta(days=7)
    story.tell(ev.ContractAdopted(contract="c1"))
    story.policy = replace(story.policy, sinks=("1-csv", "2-sql"))
    handed = [a for a in story.live(due()) if isinstance(a, do.Deliver)]
    assert [(a.sink, a.period) for a in handed] == [("2-sql", p) for p in weeks(8)[-4:]]


def test_a_target_that_stays_down_is_a_case_until_it_took_everything() -> None:
    """Who runs the target is told once; the case ends when nothing waits any more."""
    story = released()
    story.sink_up = lambda now: False
    story.tell(accepted("2026-02-01"))
    for _ in range(6):
        story.live(due("2026-02-01"))
        story.now += timedelta(days=1)
    (case,) = story.state.open_cases.values()
    assert (case.opened.kind, case.opened.role) == ("delivery", Role.MLOPS_ENGINEER)
    story.sink_up = lambda now: True
    assert kinds(story.live(due("2026-02-01"))) == ["Deliver", "CloseCase"]
    assert not story.state.open_cases


def test_a_target_that_the_contract_dropped_is_nobody_s_work() -> None:
    """Its case ends, and none is opened again."""
    story = released()
    story.sink_up = lambda now: False
    story.tell(accepted("2026-02-01"))
    for _ in range(6):
        story.live(due("2026-02-01"))
        story.now += timedelta(days=1)
    story.policy = replace(story.policy, sinks=())
    assert kinds(story.live(due("2026-02-01"))) == ["CloseCase"]
    assert "no longer names it" in story.state.cases[1].resolution


def test_a_period_without_any_row_is_withheld_and_alarmed() -> None:
    """No empty file goes out; the incident ends when the rows came after all."""
    story = released()
    nothing = replace(scored_by("champion", "2026-02-01", revision=1), rows=0, rungs={})
    story.tell(nothing)
    done = story.live(due("2026-02-01"))
    assert [a.incident for a in done if isinstance(a, do.OpenIncident)] == ["empty/2026-02-01"]
    assert "Deliver" not in kinds(done)
    story.tell(accepted("2026-02-01"))
    assert kinds(story.live(due("2026-02-01"))) == ["Score", "Deliver", "CloseIncident"]
    assert not story.state.open_incidents


def test_the_answer_to_an_incident_fits_what_happened() -> None:
    """A late turn is not answered by diagnosis and retraining."""
    story = released()
    quality, _ = fallen(1, PERIODS[-1])
    assert isinstance(quality, ev.AlarmRaised)
    late = replace(
        quality, alarm="tick/1", signal="tick", failure="system_failure", severity="warning"
    )
    story.tell(late)
    (opened,) = [a for a in story.live(READY) if isinstance(a, do.OpenIncident)]
    assert "retraining" not in opened.response
    assert "due" in opened.response


def test_a_run_on_a_case_leaves_its_end_in_the_case() -> None:
    """Also when the candidate is no better and the champion is kept."""
    story = released()
    story.now += timedelta(days=10)
    story.outcome = lambda run: {"run-0002": "held", "run-0003": "keep"}.get(run, "promote")
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    story.now += timedelta(days=3)
    story.tell(ev.ContractAdopted(contract="c2"))
    done = [a for a in story.live(READY) if isinstance(a, do.Comment)]
    assert [(a.case, a.run) for a in done] == [(1, "run-0003")]
    assert "ended keep" in story.state.cases[1].comments[-1]
    assert story.live(READY) == []


def test_an_undecided_case_says_that_evidence_is_missing() -> None:
    """Nobody is told that no candidate is good enough when that is not known."""
    story = released()
    story.now += timedelta(days=10)
    story.outcome = lambda run: "undecided"
    story.tell(*fallen(1, PERIODS[-1]))
    story.live(READY)
    assert story.state.cases[1].opened.kind == "undecided"
    assert "too little evidence" in story.state.cases[1].opened.title


def test_the_machine_s_case_ends_with_the_next_run_that_comes_to_its_end() -> None:
    """A full disk that was cleared leaves no open case behind."""
    story = Story(outcome=lambda run: "system" if run == "run-0001" else "held")
    story.tell(ev.ContractAdopted(contract="c1"))
    story.live(READY)
    assert [c.opened.role for c in story.state.open_cases.values()] == [Role.MLOPS_ENGINEER]
    story.now += timedelta(days=3)
    story.live(READY)
    assert [c.opened.role for c in story.state.open_cases.values()] == [Role.ML_DEVELOPER]
