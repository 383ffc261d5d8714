"""What `decide` may ask for: one frozen class an action, with its idempotency key and reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tamid.core.events import Failure, Severity
from tamid.core.values import Role, jsonable


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something to do; doing it twice with the same key is the same as once."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Action):
    """Give every entity of a period its outcome."""

    period: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver(Action):
    """Hand a period's scores to one target."""

    period: str
    revision: int
    sink: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Train(Action):
    """Start, or after a crash continue, a run; an empty `window` is the contract's."""

    run: str
    trigger: str
    case: int = 0
    degraded: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()
    window: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver(Train):
    """Take a model that a person hands over through a run of its own; only people ask for it."""

    given: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abandon(Action):
    """Give up a run that was started again and again and never came to its end."""

    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge(Action):
    """Hold the gates against a finished run."""

    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Action):
    """Make a candidate that passed a version."""

    run: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enter(Action):
    """Bring a version into a stage before live: shadow or canary."""

    number: int
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote(Action):
    """Make a version the champion."""

    number: int
    previous: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRelease(Action):
    """Withdraw a version that has not gone live."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack(Action):
    """Bring an earlier champion back."""

    number: int
    back_to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveThreshold(Action):
    """Sign a policy overlay with another threshold over the same bundle."""

    alarm: str
    number: int
    threshold: float
    period: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRung(Action):
    """Let another rung of the ladder answer first."""

    rung: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase(Action):
    """Hand work to a role."""

    case: int
    role: Role
    kind: Literal["held", "bug", "undecided", "label_bug", "delivery"]
    title: str
    about: str
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment(Action):
    """Add what was learnt to an open case, or hand it to another role as well."""

    case: int
    text: str
    run: str = ""
    escalated_to: Role | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCase(Action):
    """The work of a case is done."""

    case: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident(Action):
    """Record a failure and the answer to it."""

    incident: str
    failure: Failure
    severity: Severity
    noticed_by: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseIncident(Action):
    """Record that a failure is over."""

    incident: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearAlarm(Action):
    """Record that the matter of an alarm is settled."""

    alarm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do now, in this order; `waiting` says what is awaited of people or of time."""

    actions: tuple[Action, ...] = ()
    waiting: tuple[str, ...] = field(default=())


def action_record(action: Action) -> dict[str, object]:
    """Write an action as plain JSON types with its kind, for the ledger and for `why`."""
    body = jsonable(action)
    assert isinstance(body, dict)
    return {"do": type(action).__name__, **body}
