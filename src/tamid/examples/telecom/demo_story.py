"""The acts of the year in the order of the ledger: what happened, what was done, why, by whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.values import Role
from tamid.core.view.scene import first_lines

_WHO = {
    Role.ML_DEVELOPER: "ML developer",
    Role.MLOPS_ENGINEER: "MLOps engineer",
    Role.CONTROLLER: "loop",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One decision, with its reason; `kind` names the sign it gets in the picture."""

    day: date
    kind: str
    who: str
    what: str
    why: str


def acts_of(records: Sequence[Recorded]) -> tuple[Act, ...]:
    """Return the decisions of a year, oldest first."""
    return tuple(act for record in records for act in _act(record))


def _act(record: Recorded) -> Iterator[Act]:
    event, day = record.event, record.at.date()
    who = _WHO.get(record.role, record.role.value)

    def act(kind: str, what: str, why: str) -> Act:
        return Act(day=day, kind=kind, who=who, what=what, why=why)

    match event:
        case ev.AlarmRaised():
            yield act("alarm", "raised an alarm", f"{event.message} ({event.budget})")
        case ev.Diagnosed():
            cause = event.cause.replace("_", " ")
            yield act("diagnosis", f"diagnosed {cause}", first_lines(event.reasons))
        case ev.Judged():
            yield act("gate", f"{_OUTCOME[event.outcome]} {event.run}", first_lines(event.reasons))
        case ev.Promoted():
            yield act("champion", f"made version {event.number} champion", event.reason)
        case ev.RolledBack():
            yield act("rollback", f"went back to version {event.back_to}", event.reason)
        case ev.RungSet():
            yield act("rung", f"lets {event.rung} answer first", event.reason)
        case ev.DataRefused():
            yield act("bug", f"refused {event.batch}", first_lines(event.reasons))
        case ev.IncidentOpened() if event.incident.startswith("outage/"):
            yield act("outage", "answered by lower rungs, did not train", event.message)
        case ev.IncidentClosed() if event.incident.startswith("outage/"):
            yield act("healed", "scored and delivered the week again", event.resolution)
        case ev.CaseOpened():
            to = _WHO.get(event.role, event.role.value)
            yield act("case", f"opened case {event.case} for the {to}", event.title)
        case ev.CaseCommented() if record.role is not Role.CONTROLLER:
            yield act("answer", f"answered case {event.case}", event.text)
        case ev.CaseClosed():
            yield act("closed", f"closed case {event.case}", event.resolution)
        case _:
            return


_OUTCOME = {
    "promote": "passed",
    "keep": "kept the champion instead of",
    "held": "held",
    "undecided": "left undecided",
}
