"""What became of the broken file, the outage and the cases, told from ledgers made for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.values import Role, TablePin
from tamid.examples.telecom.demo_happenings import answers_of, bug_of, outages_of
from tamid.testing.life import Life, digest, digests_of
from tamid.testing.scenes import fall, first_release, held, release, run, served

PIN = TablePin(table="churn.rows", version=9, digest=digest("rows9"))


def arrival(life: Life, week: int) -> ev.DataAccepted:
    """Return the event of a week's file that the loop took in."""
    period = life.period(week)
    return ev.DataAccepted(
        source="rows", batch=f"{period}.csv", fingerprint=f"{life.now}", pin=PIN, rows=1000,
        periods=(period,),
    )  # fmt: skip


def learnt_from(life: Life, week: int) -> None:
    """Tell of a run whose periods hold a week."""
    run(life, "run-0002", "age", "old", digests_of(None))
    period = life.period(week)
    life.records = [
        replace(r, event=replace(r.event, periods=(period,)))
        if isinstance(r.event, ev.RunStarted) and r.event.run == "run-0002"
        else r
        for r in life.records
    ]


def bug(records: list[Recorded], week: int) -> tuple[date, int, bool, bool]:
    """Return what is told of the broken week: its day, runs trained on it, refused, repaired."""
    day = Life().begin.date() + timedelta(weeks=week)
    found = bug_of(records, day, day + timedelta(days=3))
    return found.day, found.trained_on, found.refused, found.repaired is not None


def test_a_bug_that_nobody_noticed_counts_as_trained_on() -> None:
    """The broken file was taken for good and a run began before its repair: that is one run."""
    life = first_release(Life())
    life.at(days=14)
    life.say(arrival(life, 2))
    learnt_from(life, 2)
    life.at(days=17)
    life.say(arrival(life, 2))
    assert bug(life.records, 2)[1:] == (1, False, True)


def test_a_run_after_the_repair_is_no_fault() -> None:
    """Once the repaired file was taken in, its week may be trained on."""
    life = first_release(Life())
    life.at(days=14)
    life.say(arrival(life, 2))
    life.at(days=17)
    life.say(arrival(life, 2))
    learnt_from(life, 2)
    assert bug(life.records, 2)[1:] == (0, False, True)


def test_an_outage_names_who_answered_and_what_was_begun() -> None:
    """Rungs of the first answer, the day it healed, and runs that began meanwhile."""
    life = first_release(Life())
    served(life, 1, rule=1000)
    name = f"outage/{life.period(1)}"
    life.say(
        ev.IncidentOpened(
            incident=name, failure="system_failure", severity="critical",
            noticed_by="scoring", message="killed", response="restart",
        )
    )  # fmt: skip
    (open_,) = outages_of(life.records)
    assert (open_.healed, open_.runs, open_.rungs["rule"]) == (None, 0, 1000)
    learnt_from(life, 1)
    life.at(days=8)
    life.say(ev.IncidentClosed(incident=name, resolution="it answers again"))
    (over,) = outages_of(life.records)
    assert (over.healed, over.runs) == (life.now.date(), 1)


def test_a_word_under_a_case_is_no_cure() -> None:
    """A comment of the developer answers a case; only a version of his code cures it."""
    life = first_release(Life())
    served(life, 0)
    held(life, fall(life, 0))
    (alone,) = answers_of(life.records)
    assert (alone.answered, alone.cured) == (None, None)
    life.at(days=20)
    life.say(ev.CaseCommented(case=1, text="no idea"), role=Role.ML_DEVELOPER)
    (looked,) = answers_of(life.records)
    assert (looked.answered, looked.cured) == (life.now.date(), None)


def test_code_that_is_held_at_first_may_cure_later() -> None:
    """The case's own run yields no version; a later run of the same code does."""
    life = first_release(Life())
    served(life, 0)
    held(life, fall(life, 0))
    run(life, "run-0003", "code", "the contract or the code changed", digests_of(None))
    run(life, "run-0004", "quality", "another week is known", digests_of(None))
    answered = {"run-0003", "run-0004"}
    life.records = [
        replace(
            r,
            event=replace(r.event, code={"features.py": "v2"}, case=int(r.event.run == "run-0003")),
        )
        if isinstance(r.event, ev.RunStarted) and r.event.run in answered
        else r
        for r in life.records
    ]
    life.at(days=20)
    release(life, 2, 1, "run-0004", digests_of(None))
    life.say(ev.Promoted(number=2, previous=1, reason="passed shadow", evidence=""))
    (cured,) = answers_of(life.records)
    assert cured.cured == life.now.date()
