"""Lost entities: an incident if the contract would not let so many pass, else a line in status."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, timedelta

from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.rules.incidents import incidents
from tamid.core.signals import Signals
from tamid.core.turnout import losses
from tamid.core.view.scene import Scene
from tamid.core.view.tickets import tickets
from tamid.testing.histories import PIN, START, Story
from tamid.testing.life import CONTRACT, Life
from tamid.testing.scenes import first_release, served
from tamid.workshop import parse


def scored(
    week: int, lost: tuple[int, ...], of: tuple[int, ...] = (2010,), revision: int = 1
) -> ev.Scored:
    """Return a scored week, and who stayed away from it."""
    return ev.Scored(
        period=str(date(2026, 1, 4) + timedelta(weeks=week)), revision=revision, number=1, pin=PIN,
        rows=2010, rungs={"champion": 2010}, lost=lost, lost_of=of * len(lost),
    )  # fmt: skip


def told(*weeks: ev.Scored) -> list[str]:
    """Return the periods that lost more than usual."""
    story = Story()
    story.tell(*weeks)
    return [loss.period for loss in losses(story.state, 52.0)]


def test_a_loss_is_held_against_the_weeks_before_it() -> None:
    """Thirty where nobody is ever lost; not where thirty are lost every week."""
    assert told(*(scored(w, (0,)) for w in range(5)), scored(5, (30,))) == ["2026-02-08"]
    assert told(*(scored(w, (28 + w,)) for w in range(6))) == []


def test_the_first_scored_weeks_are_held_against_those_seen_before_them() -> None:
    """A week knows what was lost of late when it was scored, also before the model was live."""
    assert told(scored(0, (30, 0, 0, 0))) == ["2026-01-04"]
    assert told(scored(0, (30, 25, 0, 0))) == []
    assert told(scored(0, (30, 0))) == []


def test_an_unusual_week_is_no_measure_but_three_in_a_row_are() -> None:
    """The second lost batch is told as the first was; a world in which so many leave is not."""
    calm = [scored(w, (0,)) for w in range(5)]
    assert told(*calm, scored(5, (30,)), scored(6, (0,)), scored(7, (30,))) == [
        "2026-02-08",
        "2026-02-22",
    ]
    story = told(*calm, *(scored(w, (30,)) for w in range(5, 12)))
    assert story == ["2026-02-08", "2026-02-15", "2026-02-22"]


def test_late_rows_settle_it_and_an_empty_week_says_nothing() -> None:
    """The last revision counts; where no row came at all nobody is known to have left."""
    calm = [scored(w, (0,)) for w in range(5)]
    assert told(*calm, scored(5, (30,)), scored(5, (0,), revision=2)) == []
    assert told(*calm, scored(5, (2010,))) == []
    assert told(*calm, scored(5, ()), scored(6, (30,))) == ["2026-02-15"]


def test_a_lost_week_is_an_incident_of_the_system_until_it_is_over() -> None:
    """A warning, which closes when the rows came or two weeks have passed; nothing is blocked."""
    story, text = Story(), "90 of 2010 entities have no row in 2026-02-08"
    (opened,) = story.live(Signals(lost={"2026-02-08": text}))
    incident = story.state.open_incidents["lost/2026-02-08"].opened
    assert opened.key == "incident/lost/2026-02-08"
    assert (incident.failure, incident.severity) == ("system_failure", "warning")
    assert story.live(Signals(lost={"2026-02-08": text})) == []
    (closed,) = incidents(story.policy, story.state, Signals(), story.now)
    assert closed.key == "close/lost/2026-02-08"


def seen(lost: int, contract: Contract) -> tuple[str, ...]:
    """Return the tickets of a model that was served for weeks and lost some in the last one."""
    life = first_release(Life(START))
    for week in range(7):
        served(life, week)
    state = life.state
    scored_weeks = {
        p: replace(s, lost=(0 if p != max(state.scored) else lost,), lost_of=(2010,))
        for p, s in state.scored.items()
    }
    here = Scene(model="churn", contract=contract, state=replace(state, scored=scored_weeks),
                 records=life.records, now=life.now, zone=UTC)  # fmt: skip
    return tickets(here)


def test_a_harmless_loss_is_a_line_in_status_and_no_incident() -> None:
    """Up to the share of bad rows that the contract lets pass; more is left to the incident."""
    contract = parse(CONTRACT)
    (line,) = seen(30, contract)
    assert line.startswith("30 of 2010 entities have no row in 2026-02-15 (1.5%)")
    assert seen(90, contract) == ()
    assert seen(0, contract) == ()
