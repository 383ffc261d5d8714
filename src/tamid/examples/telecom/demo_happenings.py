"""What became of the file that came broken, of the outage, and of the cases: from the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.values import Role

E = TypeVar("E", bound=ev.Event)

_OUTAGE = "outage/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """The week whose file came broken.

    `refused`: whether the loop refused it. `repaired_on`: the day on which its supplier sends it
    anew; `repaired`: on which the loop took that in. `trained_on`: runs that were given the week
    before. `answers`, `corrected`: outcomes of the first delivery and of the last.
    """

    day: date
    refused: bool
    repaired_on: date
    repaired: date | None
    trained_on: int
    answers: int
    corrected: int
    case_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The week in which the scorer was down; `runs`: how many began before it was healed."""

    day: date
    rungs: dict[str, int]
    healed: date | None
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A case about a candidate; `answered` by the ML developer, `cured` by a version of his code.

    If its own run is held on the weeks that are known, one on more weeks may still bring it live.
    """

    case: int
    kind: str
    opened: date
    answered: date | None
    cured: date | None


def bug_of(records: Sequence[Recorded], day: date, repaired_on: date) -> Bug:
    """Return what became of the file of a week that is known to have come broken.

    Whether it was trained on is counted whatever the loop thought of the file: a bug that nobody
    noticed is the one that would be trained on.
    """
    period = str(day)
    repaired = next(
        (
            r
            for r in records
            if isinstance(r.event, ev.DataAccepted)
            and r.event.source == "rows"
            and period in r.event.periods
            and r.at.date() >= repaired_on
        ),
        None,
    )
    before = [r.event for r in records if repaired is None or r.seq < repaired.seq]
    runs = [e for e in before if isinstance(e, ev.RunStarted) and period in e.periods]
    answers = [e for e in of_kind(records, ev.Delivered) if e.period == period]
    opened = {e.case for e in of_kind(records, ev.CaseOpened) if e.kind == "bug"}
    return Bug(
        day=day,
        refused=any(period in e.periods for e in of_kind(records, ev.DataRefused)),
        repaired_on=repaired_on,
        repaired=repaired.at.date() if repaired else None,
        trained_on=len(runs),
        answers=answers[0].rows if answers else 0,
        corrected=answers[-1].rows if answers else 0,
        case_closed=bool(opened & {e.case for e in of_kind(records, ev.CaseClosed)}),
    )


def outages_of(records: Sequence[Recorded]) -> tuple[Outage, ...]:
    """Return every week in which nobody could answer as usual."""
    return tuple(
        _outage(records, r, r.event.incident)
        for r in records
        if isinstance(r.event, ev.IncidentOpened) and r.event.incident.startswith(_OUTAGE)
    )


def answers_of(records: Sequence[Recorded]) -> tuple[Answer, ...]:
    """Return what became of each case about a candidate."""
    return tuple(
        _answer(records, r.event, r.at.date())
        for r in records
        if isinstance(r.event, ev.CaseOpened) and r.event.kind in ("held", "undecided")
    )


def of_kind(records: Sequence[Recorded], kind: type[E]) -> list[E]:
    """Return the events of one kind."""
    return [r.event for r in records if isinstance(r.event, kind)]


def _outage(records: Sequence[Recorded], opened: Recorded, incident: str) -> Outage:
    closed = next(
        (
            r
            for r in records
            if isinstance(r.event, ev.IncidentClosed) and r.event.incident == incident
        ),
        None,
    )
    period = incident.removeprefix(_OUTAGE)
    during = [
        r.event for r in records if r.seq > opened.seq and (closed is None or r.seq < closed.seq)
    ]
    sheets = [e for e in of_kind(records, ev.Scored) if e.period == period]
    return Outage(
        day=opened.at.date(),
        rungs=dict(sheets[0].rungs) if sheets else {},
        healed=closed.at.date() if closed else None,
        runs=sum(isinstance(e, ev.RunStarted) for e in during),
    )


def _answer(records: Sequence[Recorded], case: ev.CaseOpened, day: date) -> Answer:
    said = [
        r.at.date()
        for r in records
        if isinstance(r.event, ev.CaseCommented)
        and r.event.case == case.case
        and r.role is Role.ML_DEVELOPER
    ]
    started = of_kind(records, ev.RunStarted)
    given = [(e.contract, e.code) for e in started if e.case == case.case]
    runs = {e.run for e in started if (e.contract, e.code) in given}
    numbers = {e.ref.number for e in of_kind(records, ev.VersionRegistered) if e.run in runs}
    live = [
        r.at.date()
        for r in records
        if isinstance(r.event, ev.Promoted) and r.event.number in numbers
    ]
    return Answer(
        case=case.case,
        kind=case.kind,
        opened=day,
        answered=said[-1] if said else None,
        cured=live[0] if live else None,
    )
