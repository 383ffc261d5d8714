"""The ledger's vocabulary: one frozen class per thing that happened.

Frames, models and reports are never in the ledger, only their digests. A field may be added with a
default; a field is never renamed or removed, so that every old recording can be read for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tamid.core.stats.betting import Bets
from tamid.core.values import Interval, Role, TablePin, VersionRef

Failure = Literal["system_failure", "model_failure"]
Severity = Literal["critical", "warning", "note"]
Cause = Literal[
    "contract_breach", "label_bug", "concept_drift", "covariate_shift", "prevalence", "unknown",
    "broken_values", "dependency_break", "concentration",
]  # fmt: skip
# Noted of a refused batch of which no row has an entity and a moment.
NO_KEYS = "no keys"
# Causes that lie in the rows of a source that kept its contract.
ROW_BUGS = ("broken_values", "dependency_break", "concentration")
Remedy = Literal["needed", "useless", "blocked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a model; `key` makes a repeated act visible as the same act."""

    version: ClassVar[int] = 1
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractAdopted(Event):
    """A contract came into force for new runs; its text is the blob `contract`.

    `views`: the definition of each feature view that it uses, by "name@version"; `recipe`: the
    digest of what a model is made from and judged by, "" in ledgers from before it was recorded.
    """

    contract: str
    code: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    recipe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAccepted(Event):
    """A batch was read into a table; bad rows were set aside, counted per rule.

    `latest` is the moment of the last row of each period: from it the labels' maturity is reckoned.
    `notes`: what is odd and was not so in the last batch; `standing`: what is odd still. `new`,
    `changed` and `removed` count rows against what was stored, all others were there already.
    `volume`: how many rows more a period has by it. `aside`: how many of the `rows` were set aside,
    0 in ledgers from before they were counted. `brought`: noted rows of refused batches in it.
    """

    source: str
    batch: str
    fingerprint: str
    pin: TablePin
    rows: int
    quarantined: Mapping[str, int] = field(default_factory=dict)
    periods: tuple[str, ...] = ()
    latest: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    new: int = 0
    changed: int = 0
    removed: int = 0
    volume: Mapping[str, int] = field(default_factory=dict)
    aside: int = 0
    brought: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsCleaned(Event):
    """What the declared cleaning does to rows that came since it was counted last.

    `pin`, `contract`: the rows' version, and the contract whose steps were counted; `through`: the
    ledger's number up to which periods are counted. `steps`: rows before, rows after and values
    changed, by "number name" of the step.
    """

    pin: TablePin
    contract: str
    through: int
    periods: tuple[str, ...]
    steps: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersCleaned(Event):
    """What the declared cleaning did to answers that servers had written down, by period.

    `claim`: which were taken in. `contract`: whose steps. `steps`, by period: rows before, rows
    after and values changed, by "number name" of the step, of the logged rows that a model or the
    rule answered. `stands_for`: how many answers these rows stand for, the sum of one over each
    one's chance to be kept; no count is scaled by it. `unlogged`: columns that are cleaned and
    never logged, so that no count holds them.
    """

    claim: str
    contract: str
    steps: Mapping[str, Mapping[str, tuple[int, ...]]]
    stands_for: Mapping[str, float]
    unlogged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewMaterialised(Event):
    """A feature view was computed over all events that are stored of it, once for all its users.

    `number`, `definition`: the version of the view, and the digest of what it is. `events` were
    computed on; `pin` holds what came of them: `rows` moments at which a feature of one of the
    `entities` changed. `late` events were known later than the view's delay says. `through`: when
    the newest of the events came.
    """

    view: str
    number: int
    definition: str
    events: TablePin
    pin: TablePin
    rows: int
    entities: int = 0
    late: int = 0
    through: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRefused(Event):
    """A batch broke the contract and none of it is used; a confirmed bug of its source.

    `noted`: keyed digests of some of its rows' entities and moments, by which it is recognised when
    another batch brings them; `NO_KEYS` alone where no row has both.
    """

    source: str
    batch: str
    fingerprint: str
    owner: Role
    reasons: tuple[str, ...]
    rows: int = 0
    broken: Mapping[str, int] = field(default_factory=dict)
    periods: tuple[str, ...] = ()
    noted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodChecked(Event):
    """A period's rows were held against earlier periods; `suspected` keeps them from training.

    `confirmed`: missing, stuck or far out of range, not only unlike. `oddity` is the oddest
    column's, `level` what it had to reach, `against` how many periods it was compared with.
    `shifted`: columns that moved further than ever, as the world moves them and not alone.
    """

    period: str
    suspected: bool
    owner: Role
    cause: Cause = "unknown"
    confirmed: bool = False
    columns: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    oddity: float = 0.0
    level: float = 0.0
    rows: int = 0
    against: int = 0
    shifted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsAccepted(Event):
    """Labels were put into the inbox.

    `stale`: labels that say otherwise than a later one which came before; they are history.
    `invalid`: labels that were left out because value, entity or a moment cannot be read.
    """

    source: str
    batch: str
    fingerprint: str
    pin: TablePin
    new: int
    repeated: int = 0
    corrected: int = 0
    unmatched: int = 0
    future: int = 0
    periods: tuple[str, ...] = ()
    invalid: int = 0
    stale: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionsAccepted(Event):
    """A file of who got which offer when was put into the inbox.

    `offers`: new acts by offer. `repeated`: acts that were there already. `late`: about periods
    whose outcome was due before they came. `unknown`: entities that no scores were made for;
    `held_back`: entities that were to be left alone. `invalid` lines were left out, `problems` says
    which and why.
    """

    source: str
    batch: str
    fingerprint: str
    pin: TablePin
    new: int
    repeated: int = 0
    late: int = 0
    unknown: int = 0
    held_back: int = 0
    invalid: int = 0
    problems: tuple[str, ...] = ()
    offers: Mapping[str, int] = field(default_factory=dict)
    periods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersTaken(Event):
    """What servers had written down was taken into the tables.

    `rows` were kept, in `periods`; `answered`: all that was answered, by "version/rung"; `lost`:
    answers that no log had room for. `times`: how long requests took. `killed`: processes that did
    not end in order. Of the labels that were sent back `unknown` name no answer that was kept,
    `invalid` say nothing that the contract understands.
    """

    claim: str
    segments: int
    pin: TablePin | None = None
    times: TablePin | None = None
    rows: int = 0
    answered: Mapping[str, int] = field(default_factory=dict)
    lost: int = 0
    periods: tuple[str, ...] = ()
    killed: tuple[str, ...] = ()
    unknown: int = 0
    invalid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Event):
    """One number about one period; `matured` is the share of labels it rests on.

    Of two versions side by side `bets` holds the wealth that this period's paired losses left, and
    `band` the confidence sequence by then: it holds at all looks at once.
    """

    signal: str
    period: str
    value: float
    interval: Interval | None = None
    model_version: int = 0
    rows: int = 0
    positives: int = 0
    matured: float = 1.0
    pins: tuple[TablePin, ...] = ()
    detail: Mapping[str, float] = field(default_factory=dict)
    band: Interval | None = None
    bets: Bets | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Event):
    """A signal passed its threshold; `budget` says how often this happens by chance."""

    alarm: str
    signal: str
    failure: Failure
    severity: Severity
    period: str
    noticed_by: str
    message: str
    periods: tuple[str, ...] = ()
    budget: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCleared(Event):
    """What the alarm was about is over."""

    alarm: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalAccepted(Event):
    """A person took a drift for the new normal: the alarm is over and the reference moved there.

    `overlay` is the signed policy overlay with the new reference, `usual` the blob of the new
    reference weeks, `periods` those that show the new normal. `asked`: the blob of what is usual
    online, if the alarm was about that.
    """

    alarm: str
    number: int
    overlay: str
    usual: str
    reference: Mapping[str, tuple[float, ...]]
    periods: tuple[str, ...] = ()
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineUsual(Event):
    """What is usual online for a version, frozen: what its alarms about served traffic go by.

    `on`: it rests on served rows, or, until there are enough, on the weeks of the bundle, if the
    first served week was like them. `usual` is the blob of the reference weeks, `periods` the
    served ones that it was told by.
    """

    number: int
    on: Literal["served", "bundle"]
    usual: str
    reference: Mapping[str, tuple[float, ...]]
    periods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdMoved(Event):
    """Another threshold alone repaired the quality: a signed overlay, and no new model.

    `before`, `threshold`: where the decision began and begins; `reference`: what is usual from now
    on; `periods`: the drifted ones that showed it.
    """

    alarm: str
    number: int
    overlay: str
    before: float
    threshold: float
    reference: Mapping[str, tuple[float, ...]]
    periods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosed(Event):
    """The likely cause behind an alarm, and who must act; `excluded` speaks against others.

    `earlier`: what it was put down to before the labels of its periods were in; or came anew, or
    were found right.
    """

    alarm: str
    cause: Cause
    confirmed: bool
    route: Role
    reasons: tuple[str, ...]
    periods: tuple[str, ...] = ()
    retraining: Remedy = "needed"
    excluded: tuple[str, ...] = ()
    earlier: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentOpened(Event):
    """A failure, of the system (no answer) or of the model (an answer that is not good)."""

    incident: str
    failure: Failure
    severity: Severity
    noticed_by: str
    message: str
    response: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentClosed(Event):
    """The failure is over."""

    incident: str
    resolution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A passage through training began, with all that it rests on pinned.

    `experiment`: it is tried and recorded, and never becomes a version. `git`, `branch`: commit and
    branch of the contract's folder; `changed`: files that differ from the commit, `diff` the blob
    that says how.
    `held`: the window in force; `out_of_season`: windows that lack a season of the coming month;
    they are left out, or, in a run for `degraded_periods`, taken if better beyond doubt.
    `reach`: how many of the latest periods each window covers, of `decay` the half-life; {} in
    ledgers from before it was recorded.
    `given`: the blob of a model that was handed over, which is judged and not fitted.
    `by_weeks`: a routine run takes another window than all periods only if that is shown over weeks
    anew; false in ledgers from before, where the window in force had to be beaten.
    """

    run: str
    trigger: str
    reason: str
    window: str
    contract: str
    code: Mapping[str, str]
    pins: tuple[TablePin, ...]
    seed: int
    case: int = 0
    periods: tuple[str, ...] = ()
    degraded_periods: tuple[str, ...] = ()
    environment: str = ""
    git: str = ""
    dirty: bool = False
    experiment: bool = False
    branch: str = ""
    changed: tuple[str, ...] = ()
    diff: str = ""
    held: str = ""
    out_of_season: tuple[str, ...] = ()
    given: str = ""
    reach: Mapping[str, int] = field(default_factory=dict)
    by_weeks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run yielded a candidate; `report` is the blob of trials, windows and metrics.

    `reduced`: what its model without some columns reaches, empty where it has none.
    """

    run: str
    bundle: str
    overlay: str
    report: str
    metrics: Mapping[str, float]
    window: str
    rows: int
    seconds: float
    peak_mb: float
    judged: TablePin | None = None
    reduced: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(Event):
    """A run gave no candidate; a system failure is tried again until the run is abandoned."""

    run: str
    failure: Literal["system", "user_code", "data", "abandoned"]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Event):
    """The gates' verdicts on a candidate and its outcome; `report` is the blob with all numbers.

    `periods_missing`: how many more periods with labels an undecided outcome waits for, 0 unknown.
    """

    run: str
    outcome: Literal["promote", "keep", "held", "undecided"]
    reasons: tuple[str, ...]
    report: str
    failed: tuple[str, ...] = ()
    difference: Interval | None = None
    decidable_at: str = ""
    periods: tuple[str, ...] = ()
    periods_missing: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRegistered(Event):
    """A candidate that passed became a version."""

    ref: VersionRef
    run: str
    contract: str
    reference: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    trained_through: str = ""
    usual: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEntered(Event):
    """A version entered a stage of its release: shadow, canary or live.

    `online`: model servers answer, so a canary gets its share of the entities there, and goes on
    only by what they report.
    """

    number: int
    stage: str
    evidence: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    online: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReported(Event):
    """What one process of a model server has done since it began, as it told last.

    `rungs` counts rows by the rung that answered. `changes`: when another rung came to answer most
    rows, and why, where no incident tells of it. `champion`: the version that it answers with.
    """

    process: str
    began: str
    until: str
    champion: int
    rungs: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMeasured(Event):
    """What model servers told of a version in shadow or canary, all processes added up.

    `verdict`: fail is stopped, nodata never goes on. `arms`: rows, failed, slow, p99 in
    seconds and distance of the scores, by arm.
    """

    number: int
    stage: str
    verdict: Literal["pass", "fail", "nodata"]
    reasons: tuple[str, ...] = ()
    arms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted(Event):
    """A version became champion."""

    number: int
    previous: int
    reason: str
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack(Event):
    """The champion was replaced by an earlier version."""

    number: int
    back_to: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStopped(Event):
    """A version in shadow or canary was withdrawn before it went live."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGiven(Event):
    """A person agreed to a release."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRefused(Event):
    """A person refused a release."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RungSet(Event):
    """The ladder's first rung for all answers was changed."""

    rung: str
    reason: str
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored(Event):
    """Every entity of a period got its outcome; `rungs` counts who answered.

    `lost`, `lost_of`: how many of how many entities of the period before stayed away without a
    word, first in this period, then in earlier ones that were looked at; empty: no panel.
    """

    period: str
    revision: int
    number: int
    pin: TablePin
    rows: int
    rungs: Mapping[str, int]
    reason: str = ""
    lost: tuple[int, ...] = ()
    lost_of: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(Event):
    """A target took a period's scores."""

    period: str
    revision: int
    sink: str
    receipt: str
    rows: int
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDelayed(Event):
    """A target did not take the scores; the parcel stays in the outbox."""

    period: str
    revision: int
    sink: str
    error: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseOpened(Event):
    """A piece of work for a named role; `report` is the blob with the evidence."""

    case: int
    role: Role
    kind: Literal["held", "bug", "undecided", "label_bug", "delivery"]
    title: str
    report: str
    about: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCommented(Event):
    """Somebody added to a case; `escalated_to`: this role is asked as well from now on."""

    case: int
    text: str
    run: str = ""
    escalated_to: Role | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed(Event):
    """The work is done."""

    case: int
    resolution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityErased(Event):
    """A person had an entity forgotten: its pseudonym stands for nobody any more.

    In a store of names `pseudonym` is what stands in their place since; `report`, the blob of the
    proof, tells which slices were rewritten, each by its digest before and after.
    """

    pseudonym: str
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackGiven(Event):
    """A person took labelled rows of production out of the workspace, to learn from them.

    `number`: the version whose answers they are; `pins`: the tables they were read from, `periods`
    and `rows` how much of them.
    """

    number: int
    periods: tuple[str, ...]
    rows: int
    pins: tuple[TablePin, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """A person stopped the loop from acting; scoring goes on."""

    until: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A person let the loop act again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired(Event):
    """A person took the model out of service: no scores, training or alarms; its record stays."""

    champion: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstated(Event):
    """A person brought a retired model back into service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(Event):
    """What nobody needs any more was cleared away.

    `report`: the blob that lists every version of a table that can no longer be read. `pins`:
    tables that lost old rows, as they stand since; `periods`: the periods of such rows, by table;
    `rows`: how many rows left a table one by one.
    """

    report: str
    versions: int = 0
    pins: tuple[TablePin, ...] = ()
    periods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Event):
    """What one tick decided on what it knew; the audit decides again and compares bytes.

    `rules`: by which of the loop's rules it saw (`signals.RULES`), 0 from before they were counted.
    """

    tick: str
    round: int
    signals: str
    actions: str
    policy: str
    rules: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked(Event):
    """One turn of the loop ended; `rules` as in `Decided`."""

    tick: str
    seconds: float = 0.0
    rules: int = 0
