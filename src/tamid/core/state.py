"""What is true now about one model: runs, versions, reigns, alarms, cases, deliveries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tamid.core import events as ev
from tamid.core.chain import GENESIS
from tamid.core.values import Role, TablePin

# What a case on periods whose rows may be broken is about: this, and the first such period.
SUSPECTED = "suspected/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A passage through training and how far it came."""

    started: ev.RunStarted
    at: datetime
    attempts: int = 1
    finished: ev.RunFinished | None = None
    failed: ev.RunFailed | None = None
    judged: ev.Judged | None = None
    judged_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Whether the run still has to be finished or judged."""
        return self.judged is None and (self.failed is None or self.failed.failure == "system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A registered version and the stage of its release; `usual`: the accepted new normal.

    `asked`: the blob of what is usual online, `asked_on` what that rests on ("" if nothing is).
    `earlier`: overlays that held before its threshold was moved, each up to an event's number.
    `evidence`: what was measured when it entered its stage. `online`: model servers answer with it
    in this stage, so that it is judged by what they report (`trial`, the newest such judgement).
    """

    registered: ev.VersionRegistered
    at: datetime
    stage: str = "registered"
    stage_at: datetime | None = None
    approvals: frozenset[str] = frozenset()
    stopped: str = ""
    usual: str = ""
    usual_seq: int = 0
    asked: str = ""
    asked_on: str = ""
    asked_seq: int = 0
    evidence: Mapping[str, float] = field(default_factory=dict)
    online: bool = False
    trial: ev.TrialMeasured | None = None
    earlier: tuple[tuple[int, str], ...] = ()

    @property
    def moved_seq(self) -> int:
        """Number of the event that moved the threshold last: what came before is settled."""
        return self.earlier[-1][0] if self.earlier else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """A stretch of time in which one version was champion, by whose act and on what evidence."""

    number: int
    since: datetime
    seq: int
    actor: str
    role: str
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm and, once known, its latest diagnosis, with the event that told it."""

    raised: ev.AlarmRaised
    at: datetime
    seq: int = 0
    diagnosis: ev.Diagnosed | None = None
    diagnosed_seq: int = 0
    cleared: str = ""
    cleared_at: datetime | None = None
    cleared_seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A piece of work for a named role.

    `heard_at`: when a person last said something. `escalated`: who is asked besides its role.
    """

    opened: ev.CaseOpened
    at: datetime
    comments: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    heard_at: datetime | None = None
    escalated: Role | None = None
    resolution: str = ""
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A failure of the system or of the model."""

    opened: ev.IncidentOpened
    at: datetime
    resolution: str = ""
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refused batch that is not repaired; `brought`: which of its noted rows came since.

    `contract`: digest of the one that refused it.
    """

    event: ev.DataRefused
    at: datetime
    contract: str = ""
    brought: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """When a model was taken out of service, by whom and why."""

    at: datetime
    actor: str
    role: str
    reason: str

    @property
    def words(self) -> str:
        """Return it as a sentence's end."""
        return f"on {self.at.date()} by {self.actor} ({self.role}): {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialised:
    """What was computed of a feature view last, and when."""

    event: ev.ViewMaterialised
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The present of one model. Mappings are never changed in place.

    `recipes`: what a model is made from, of every contract that was in force. `definitions`: of
    every feature view that it ever used, by "name@version"; `views`: what was materialised of each
    last. `cleaned`: the last count of the declared cleaning. `experiments`: runs that never become
    versions; no rule looks at them. `volume`: rows of each period. `first_seen`: when a source's
    first batch came. `noted`: what was odd about the last batch of a source. `heard`: labels that
    came of each period; a batch counts evenly for its periods. `labels_right`: periods whose labels
    a person found right. `taken`: the last claim of what servers wrote; `answered`: when such
    answers last came for a period. `servers`: what each model server told last, by its process.
    `served_at`: when a model server was last known to answer. `erased`: entities that stand for
    nobody any more. `acts_seq`: the event that last brought acts of a campaign.
    """

    seq: int = 0
    head: str = GENESIS
    contract: str = ""
    recipes: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    adopted_at: datetime | None = None
    definitions: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, Materialised] = field(default_factory=dict)
    cleaned: ev.RowsCleaned | None = None
    batches: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refused: Mapping[str, Refusal] = field(default_factory=dict)
    pins: Mapping[str, TablePin] = field(default_factory=dict)
    periods: Mapping[str, int] = field(default_factory=dict)
    latest: Mapping[str, str] = field(default_factory=dict)
    volume: Mapping[str, int] = field(default_factory=dict)
    first_seen: Mapping[str, datetime] = field(default_factory=dict)
    noted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    relabelled: Mapping[str, int] = field(default_factory=dict)
    heard: Mapping[str, float] = field(default_factory=dict)
    checked: Mapping[str, ev.PeriodChecked] = field(default_factory=dict)
    checked_seq: Mapping[str, int] = field(default_factory=dict)
    taken_as_sound: frozenset[str] = frozenset()
    labels_right: frozenset[str] = frozenset()
    measured: Mapping[str, Mapping[str, ev.Measured]] = field(default_factory=dict)
    measured_seq: Mapping[str, int] = field(default_factory=dict)
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    runs: Mapping[str, Run] = field(default_factory=dict)
    experiments: Mapping[str, Run] = field(default_factory=dict)
    versions: Mapping[int, Version] = field(default_factory=dict)
    reigns: tuple[Reign, ...] = ()
    rung: str = "champion"
    scored: Mapping[str, ev.Scored] = field(default_factory=dict)
    scored_seq: Mapping[str, int] = field(default_factory=dict)
    scored_at: Mapping[str, datetime] = field(default_factory=dict)
    delivered: frozenset[tuple[str, int, str]] = frozenset()
    late: frozenset[str] = frozenset()
    delayed: Mapping[str, tuple[int, datetime]] = field(default_factory=dict)
    taken: str = ""
    answered: Mapping[str, int] = field(default_factory=dict)
    cases: Mapping[int, Case] = field(default_factory=dict)
    paused: ev.Paused | None = None
    retired: Retirement | None = None
    erased: frozenset[str] = frozenset()
    last_tick: datetime | None = None
    servers: Mapping[str, ev.ServerReported] = field(default_factory=dict)
    served_at: datetime | None = None
    acts_seq: int = 0

    @property
    def champion(self) -> int:
        """Number of the version that answers, 0 before the first release."""
        return self.reigns[-1].number if self.reigns else 0

    @property
    def previous(self) -> int:
        """Number of the champion before this one that was not withdrawn, 0 if there is none."""
        for reign in reversed(self.reigns[:-1]):
            if reign.number != self.champion and not self.versions[reign.number].stopped:
                return reign.number
        return 0

    @property
    def released_at(self) -> datetime | None:
        """When a version last went live for the first time; a rollback is no release."""
        known: set[int] = set()
        moment = None
        for reign in self.reigns:
            if reign.number not in known:
                moment = reign.since
            known.add(reign.number)
        return moment

    @property
    def challenger(self) -> int:
        """Number of the version on its way into production, 0 if none is."""
        for number in sorted(self.versions, reverse=True):
            version = self.versions[number]
            if not version.stopped and version.stage not in ("live", "retired"):
                return number
        return 0

    @property
    def suspected(self) -> tuple[str, ...]:
        """Periods whose rows may be broken: kept from training and gates until they are mended."""
        odd = (p for p, c in self.checked.items() if c.suspected)
        return tuple(sorted(p for p in odd if p not in self.taken_as_sound))

    @property
    def open_alarms(self) -> Mapping[str, Alarm]:
        """Alarms that have not been cleared."""
        return {k: a for k, a in self.alarms.items() if not a.cleared}

    @property
    def open_cases(self) -> Mapping[int, Case]:
        """Cases that have not been closed."""
        return {k: c for k, c in self.cases.items() if not c.resolution}

    @property
    def open_incidents(self) -> Mapping[str, Incident]:
        """Incidents that are not over."""
        return {k: i for k, i in self.incidents.items() if not i.resolution}

    @property
    def every_run(self) -> Mapping[str, Run]:
        """Runs and experiments, oldest first."""
        both = {**self.runs, **self.experiments}
        return dict(sorted(both.items(), key=lambda named: named[1].at))

    @property
    def run_in_flight(self) -> Run | None:
        """The run that has not come to its end."""
        for run in reversed(list(self.runs.values())):
            if run.open:
                return run
        return None

    def live_on(self, moment: datetime) -> Reign | None:
        """Return the reign that was in force at a moment."""
        return next((r for r in reversed(self.reigns) if r.since <= moment), None)

    def measure(self, signal: str, version: int, period: str) -> ev.Measured | None:
        """Return the latest measurement of a signal for a version and period."""
        return self.measured.get(f"{signal}@{version}", {}).get(period)
