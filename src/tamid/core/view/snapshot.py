"""What can be said about one model at one moment, as frozen values without any rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tamid.core.values import Interval
from tamid.core.view.lift import LiftCard

Reply = Literal["yes", "probably", "doubtful", "degraded", "no", "unknown"]
Condition = Literal["fine", "degraded", "held", "waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one of the two questions, with its number, interval and date.

    `measure` names the number; `on` is the period or moment that it is about; `known_from` is the
    next moment at which more will be known (None: nothing is awaited).
    """

    question: str
    reply: Reply
    sentence: str
    measure: str = ""
    number: float | None = None
    interval: Interval | None = None
    on: str = ""
    known_from: datetime | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCard:
    """A version: where it comes from and how it got where it is.

    `waits`: which answers of servers are awaited before it goes on, "" if none are.
    """

    number: int
    stage: str
    since: datetime | None
    actor: str
    role: str
    reason: str
    run: str
    trained_through: str
    bundle: str
    overlay: str
    evidence: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    stopped: str = ""
    waits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCard:
    """An open alarm with its diagnosis, if there is one; `left`: why no run answers it for now.

    `excluded`: what speaks against the causes that were asked for before the one it is put down to.
    `earlier`: what it was put down to before its labels were in.
    """

    alarm: str
    at: datetime
    failure: str
    severity: str
    message: str
    periods: tuple[str, ...]
    noticed_by: str
    budget: str
    cause: str = ""
    confirmed: bool = False
    route: str = ""
    reasons: tuple[str, ...] = ()
    left: str = ""
    excluded: tuple[str, ...] = ()
    earlier: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentCard:
    """A failure that is not over."""

    incident: str
    at: datetime
    failure: str
    severity: str
    message: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCard:
    """A case with its clock; `closed_at` is None while it is open.

    `escalated`: who is asked as well since the clock ran out.
    """

    number: int
    kind: str
    role: str
    title: str
    at: datetime
    answer_by: datetime
    overdue: bool
    comments: int
    runs: tuple[str, ...]
    report: str
    closed_at: datetime | None = None
    resolution: str = ""
    escalated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCard:
    """A run and what came of it.

    `data`, `code`: digests of all that it was given, and of contract and code together. `rows`: how
    many it learnt from. `dirty`: its code is committed nowhere.
    """

    run: str
    at: datetime
    trigger: str
    reason: str
    outcome: str
    why: str
    window: str
    attempts: int
    metrics: Mapping[str, float]
    seconds: float | None
    version: int
    case: int
    experiment: bool = False
    rows: int = 0
    data: str = ""
    code: str = ""
    git: str = ""
    dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCard:
    """One period's scores and where they are; `targets` says of each: delivered, late, delayed."""

    period: str
    revision: int
    version: int
    rows: int
    rungs: Mapping[str, int]
    targets: Mapping[str, str]
    due: datetime | None
    served: Literal["on time", "late", "waiting", "missed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured period of a version's realised quality."""

    period: str
    version: int
    value: float
    interval: Interval | None
    matured: float
    rows: int
    positives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateCard:
    """What a period's quality will probably be, before its labels; `reasons` are the grade's.

    `coverage`: share of the `checks` earlier intervals that held their truth (None: none has met it
    yet); `first_truth`: when the labels are due. Of grade C `sentence` says that nothing can be
    estimated, and `value` is for the record only.
    """

    period: str
    version: int
    measure: str
    value: float
    interval: Interval | None
    at_reference_prevalence: float | None
    sampling_error: float
    grade: Literal["A", "B", "C"]
    word: str
    reasons: tuple[str, ...]
    coverage: float | None
    checks: int
    first_truth: datetime | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """What is awaited of whom; `who` is a role, or "time"."""

    who: str
    what: str
    since: datetime | None = None
    by: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event in plain words; `broken`: the rules of the contract that a batch broke, counted."""

    seq: int
    at: datetime
    kind: str
    actor: str
    role: str
    text: str
    reason: str = ""
    broken: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turning:
    """The loop itself: when it turned, when it should, and whether it is overdue."""

    last: datetime | None
    every: str
    due: datetime | None
    overdue: bool
    paused_by: str = ""
    paused_until: str = ""
    retired: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All about one model at `now`; the terminal and the page show nothing else.

    `budget`: how often the alarms of the champion are false, in words; `lifts`: of each offer.
    """

    model: str
    now: datetime
    seq: int
    head: str
    service: Answer
    quality: Answer
    turning: Turning
    rung: str
    champion: VersionCard | None
    challenger: VersionCard | None
    alarms: tuple[AlarmCard, ...]
    incidents: tuple[IncidentCard, ...]
    cases: tuple[CaseCard, ...]
    runs: tuple[RunCard, ...]
    deliveries: tuple[DeliveryCard, ...]
    series: tuple[Point, ...]
    awaited: tuple[Awaited, ...]
    recent: tuple[Line, ...]
    estimate: EstimateCard | None = None
    tickets: tuple[str, ...] = ()
    budget: str = ""
    lifts: tuple[LiftCard, ...] = ()

    @property
    def condition(self) -> Condition:
        """The one word that `--exit-code` turns into a status; the worst that holds.

        A degraded service comes first, then a candidate that a gate holds, then waiting for a
        person (or, before the first release, for labels). A retired model owes nothing.
        """
        if self.turning.retired:
            return "fine"
        if self.service.reply in ("no", "degraded"):
            return "degraded"
        if any(case.kind == "held" and case.closed_at is None for case in self.cases):
            return "held"
        people = [a for a in self.awaited if a.who != "time"]
        return "waiting" if people or self.champion is None else "fine"
