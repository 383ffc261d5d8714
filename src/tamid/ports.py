"""What the stages need of the world: Protocols of at most five methods, with their laws.

Each port has an in-memory adapter (`tamid.adapters.memory`) and a suite of laws in `tamid.testing`
that every adapter passes. Frames that cross a port are Polars frames; files are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from tamid.core.values import TablePin

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.chain import Draft, Recorded
    from tamid.core.compiled.lane import Laid, Rule
    from tamid.core.learning.advice import Ask, Study
    from tamid.core.learning.model import Param
    from tamid.core.spool import Segment
    from tamid.core.trial import ArmCounts


class Clock(Protocol):
    """The only source of the present moment."""

    def now(self) -> datetime:
        """Return the present as an aware UTC moment; never goes back within one process."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to act on one model until `until`; `token` grows with every holder."""

    stream: str
    holder: str
    token: int
    until: datetime


class Ledger(Protocol):
    """Append-only streams of events, one per model.

    Laws: sequence numbers start at 1 and have no gaps; an append is all or nothing and durable when
    it returns; what was appended is read back unchanged, in order, chained by hash.
    """

    def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """Return the events of a stream with a sequence number above `after`."""
        ...

    def append(
        self, stream: str, drafts: Sequence[Draft], expected: int, token: int
    ) -> Sequence[Recorded]:
        """Append behind event number `expected`.

        Raises:
            Conflict: the stream has grown past `expected`.
            LeaseLost: a lease with a higher token than `token` exists (token 0: a person's act,
                accepted whatever lease is held).
        """
        ...

    def streams(self) -> Sequence[str]:
        """Return the names of all streams, sorted."""
        ...


class Leases(Protocol):
    """One holder a stream at a time, with fencing tokens, in the ledger's own database."""

    def acquire(self, stream: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        """Take the lease, or renew one's own; a new holder gets a higher token.

        Raises:
            Conflict: another holder's lease has not run out; the message names holder and end.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give the lease back; a lease that was lost already is ignored."""
        ...


class Blobs(Protocol):
    """Immutable content addressed by its SHA-256 digest.

    Laws: `get(put(x)) == x`; putting twice is the same as once; content is checked when read.
    """

    def put(self, content: bytes) -> str:
        """Store durably and return the digest."""
        ...

    def get(self, digest: str) -> bytes:
        """Return the content. Raises NotFound, or IntegrityError if it does not fit its digest."""
        ...

    def has(self, digest: str) -> bool:
        """Say whether the content is here."""
        ...


class Tables(Protocol):
    """Versioned tables, cut into slices by the column `_period`.

    Laws: a version, once pinned, reads the same for ever; writing with a key that a version already
    carries returns that version and writes nothing; a digest depends on content alone (not on row
    order within a slice, file names or time of writing).
    """

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        key: str,
        token: int,
        mode: Literal["append", "slice"],
    ) -> TablePin:
        """Append rows, or replace exactly the slices that `frame` has; columns may be added.

        Raises:
            DataError: a column's type cannot be stored (the message names it), or changes type.
            LeaseLost: the table was written by a controller with a higher token (0: no check).
        """
        ...

    def read(
        self,
        pin: TablePin,
        *,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a pinned version, optionally of some slices and columns only."""
        ...

    def latest(self, table: str) -> TablePin | None:
        """Return the newest version, or None if the table was never written."""
        ...

    def find(self, table: str, key: str) -> TablePin | None:
        """Return the version that was written with `key`: how a crash's orphan is adopted."""
        ...

    def verify(self, pin: TablePin) -> None:
        """Read a pinned version whole; raise IntegrityError unless its content fits its digest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One file or table version that a producer has put down."""

    name: str
    fingerprint: str
    size: int
    modified: datetime


class Source(Protocol):
    """Where rows or events come from."""

    def batches(self) -> Sequence[Batch]:
        """Return what is there now, oldest first; temporary and hidden names are left out."""
        ...

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return a batch's rows as they are, untyped where the format has no types.

        Raises:
            BatchNotReady: empty, half-written, vanished or changed since it was listed.
            DataError: it cannot be parsed at all; the message says where.
        """
        ...


class Known(NamedTuple):
    """What is known of one entity: `inputs` (JSON) as of a moment, and its last valid score.

    Moments in seconds since 1970. `inputs` None: it has no row; `score` None: no model scored it.
    A tuple, for every entity gets one at every change of rows or scores.
    """

    entity: str
    as_of: float | None
    inputs: str | None
    score: float | None
    version: int
    made: float


class Lookup(Protocol):
    """What servers look up by entity: a whole content under one key, swapped at once.

    Laws: a reader sees one content or the next, never a mixture; what could not be written leaves
    the one before it.
    """

    def key(self) -> str:
        """Return the key of the present content, "" where there is none."""
        ...

    def get(self, entity: str) -> Known | None:
        """Return what is known of an entity."""
        ...

    def write(self, key: str, entries: Iterable[Known]) -> None:
        """Swap in a new content. Raises SystemFailure."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Segments that were taken together, oldest first, each by its name; `name` is theirs alone."""

    name: str
    segments: Mapping[str, Segment]


class Spool(Protocol):
    """What servers wrote down for the controller, in segments.

    Laws: a segment is in one claim only; a claim stays the same until it is discarded, whatever
    dies meanwhile; what somebody still writes is in none, nor what began after it.
    """

    def claim(self) -> Claim | None:
        """Return the claim that is not discarded yet, else one of what is ready; None: nothing."""
        ...

    def discard(self, claim: str) -> None:
        """Forget a claim's segments; a claim that is not there is ignored."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a repository says of files: its commit, its branch, which files differ, and how.

    `commit` "" where nothing was ever committed; `branch` "" where none is checked out.
    """

    commit: str
    branch: str
    changed: tuple[str, ...]
    diff: str


class Repository(Protocol):
    """Where the versions of the user's own files are kept."""

    def standing(self, files: Sequence[str], anchor: str) -> Standing | None:
        """Return how files stand that match any of some patterns, such as `*.py`.

        `anchor`: a file that must be known; None where it is not, or there is no repository.
        Laws: a file is changed if it was added, edited, renamed or removed since the commit; names
        are sorted. Nothing is ever written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenModel:
    """A model that was made elsewhere, as the file it came in.

    `kind`: see :func:`tamid.core.learning.kinds.kind_of`. `inputs`: which columns its nameless
    inputs are. `through`: the last period that it has learnt from, "none" of them, or "" where
    nobody said. `papers`: what came with it, by its path in the bundle.
    """

    name: str
    kind: str
    content: bytes
    inputs: tuple[str, ...] = ()
    through: str = ""
    papers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """All that a worker needs to make one candidate; a pure value plus a frame.

    `frame` holds one row per labelled example: `_entity`, `_time`, `_period`, `_label` (0/1, class
    index or number), `_weight` (1 / chance of being observed), and the joined columns. Where labels
    trickle in, `_period` and `_known_at` tell when a label became known, and `_fit_weight` (1 /
    chance of being known by now) counts when a row is learnt from, not when it is looked at.
    `params`: take these, and search for none.
    `held` is the window in force: another is taken only if it is shown to be better, and one
    `out_of_season`, which may be offered after a drift, only if it is better beyond doubt.
    `by_weeks`: none is in force, and another than the default must be better beyond what the weeks
    differ by.
    """

    run: str
    contract: str
    code: Mapping[str, str]
    frame: pl.DataFrame
    windows: Mapping[str, tuple[str, ...]]
    holdout: tuple[str, ...]
    seed: int
    degraded: bool = False
    judge_salt: str = ""
    resume: str = ""
    params: Mapping[str, Param] | None = None
    held: str = ""
    given: GivenModel | None = None
    out_of_season: tuple[str, ...] = ()
    by_weeks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What a worker gives back: the bundle's files, the overlay, scores to judge by, and its costs.

    `judged` holds one row per judging example: `_entity`, `_time`, `_period`, `_label`, `_weight`,
    `score` of the candidate and `baseline_<name>` per baseline.
    """

    files: Mapping[str, bytes]
    overlay: Mapping[str, object]
    judged: pl.DataFrame
    window: str
    report: Mapping[str, object]
    metrics: Mapping[str, float]
    rows: int
    seconds: float
    peak_mb: float


class Progress(Protocol):
    """Where long work says how far it is."""

    def step(self, text: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done."""
        ...


class Trainer(Protocol):
    """A place to train: a spawned process here, other machines later."""

    def train(self, job: TrainingJob, timeout: timedelta, progress: Progress) -> TrainingResult:
        """Make a candidate.

        Laws: the same job on the same lock, architecture and threads gives the same files.
        Raises:
            UserCodeError: the user's code failed; the message holds its own traceback lines.
            WorkerDied: the worker was killed, ran out of memory or time; may be tried again.
        """
        ...


class Rehearser(Protocol):
    """Tries a training job out without training; what places to train may offer besides."""

    def try_out(self, job: TrainingJob, timeout: timedelta) -> Mapping[str, object]:
        """Load the code, try the features on the rows and the pipeline's types; fit nothing.

        Raises:
            UserCodeError, DataError, WorkerDied: as training would.
        """
        ...

    def test(self, job: TrainingJob, timeout: timedelta) -> Sequence[Mapping[str, Any]]:
        """Run the generated tests of the code on the rows; return what came of each.

        Raises:
            UserCodeError: the code cannot be loaded; WorkerDied: it hangs, or killed its process.
        """
        ...


class Studier(Protocol):
    """Looks for what would make a recipe better; what places to train may offer besides."""

    def study(
        self, job: TrainingJob, ask: Ask, timeout: timedelta, progress: Progress
    ) -> tuple[Study, pl.DataFrame]:
        """Fit variants of a job's recipe, and say what each would bring; make no candidate.

        The frame holds the rows whose label is in doubt, the most doubtful first: `_entity`,
        `_time`, `_period`, `_label`, `_better` (the class that fits), `chance_given` and
        `chance_better`.

        Raises:
            UsageError: nothing can be fitted anew.
            UserCodeError, DataError, WorkerDied: as training would.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A bundle's answers for a frame, in its row order.

    `score`: (n,) probability or number after calibration; multiclass: `classes` (n, k) beside the
    index of the best class in `score`. `reasons`: (n, r) column names, strongest first, if asked.
    """

    frame: pl.DataFrame
    seconds: float
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beside:
    """Another version that is asked in turns with one that is measured, with rows of its own."""

    bundle: str
    overlay: str
    frame: pl.DataFrame


class Scorer(Protocol):
    """Runs a bundle's own code and model away from the controller, with a kill deadline."""

    def score(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        *,
        reasons: int,
        timeout: timedelta,
        reduced: bool = False,
    ) -> Scores:
        """Return a frame with `score` (and `reason_1..r`, `class_<name>`) per row of `frame`.

        `reduced`: by the bundle's model that does without some columns.

        Raises:
            UserCodeError, WorkerDied, IntegrityError: signature or digest does not hold.
            NotFound: the bundle has no reduced model.
        """
        ...

    def probe(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        repeats: int,
        beside: Beside | None = None,
    ) -> Mapping[str, float]:
        """Load in a clean process; return start_s, p50_ms, p99_ms, memory_mb and size_mb.

        The times of a row are without waiting for a processor that others keep busy. With another
        version `beside`, which answers, both are asked in turns in that process: `times_as_long` is
        how many times as long this one takes for a row, the median of all turns.
        """
        ...


class RuleRunner(Protocol):
    """Runs the contract's rule out of a bundle's own code, away from the controller."""

    def rule(self, bundle: str, code: str, frame: pl.DataFrame, *, timeout: timedelta) -> Scores:
        """Return a frame with `score` per row of `frame`; `code` is `file.py:function`.

        Raises:
            UserCodeError, WorkerDied, IntegrityError: as for :meth:`Scorer.score`.
        """
        ...


class RowModel(Protocol):
    """Answers for single rows here and now: a validated program, no code of anybody.

    A row maps each input of the model to its value: a number, a text, a boolean, or None where it
    is missing. Scores are after the overlay's calibration.
    Laws: a row's answer depends on that row alone; `scores` gives what `score` gives for each; more
    inputs than the model reads change nothing; a word that training never saw counts as missing.
    """

    def score(self, row: Mapping[str, float | int | str | bool | None]) -> float:
        """Return a chance or a number; multiclass: the index of the best class.

        Raises:
            DataError: the row lacks an input, or it is no number where the model needs one.
        """
        ...

    def scores(self, rows: Sequence[Mapping[str, float | int | str | bool | None]]) -> list[float]:
        """Return the score of each row. Raises DataError as for one."""
        ...

    def chances(self, row: Mapping[str, float | int | str | bool | None]) -> tuple[float, ...]:
        """Return the chances of all classes in the schema's order; one number for other tasks."""
        ...

    def contributions(
        self, row: Mapping[str, float | int | str | bool | None]
    ) -> Mapping[str, float]:
        """Return how much each feature moved the answer, as :meth:`Model.contributions` does."""
        ...


class RowForm(Protocol):
    """What requests of one client have in common: all but the values of one row.

    Law: a row that was read gets the score that its lane gives its values, and no other.
    """

    def read(self, body: bytes, at: int) -> bool:
        """Say whether the bytes from a place on are such a request with plain values; keep them."""
        ...

    def score(self) -> float | None:
        """Return the score of the row that the lane read last, as the lane would."""
        ...


class RowLane(Protocol):
    """The shortest way from a decoded row to its score, for rows that plainly keep the contract.

    A row is a tuple of values in the order of the rules that the lane was asked for; what follows
    them is not looked at. Used by one thread at a time.
    Laws: a score is the one that the model's `score` gives; None says nothing about the row, but
    that the ordinary road must decide; a row that breaks a rule always gets None.
    """

    def score(self, values: tuple[Any, ...]) -> float | None:
        """Return the score, or None."""
        ...

    def scores(self, rows: list[tuple[Any, ...]]) -> list[float | None]:
        """Return what :meth:`score` says of each row."""
        ...

    def form(self, laid: Laid) -> RowForm | None:
        """Return a form; None where the lane reads no bytes.

        Raises:
            ValueError: the values are not one for each rule.
        """
        ...


@runtime_checkable
class LanedModel(RowModel, Protocol):
    """A row model that knows a shorter way for some contracts."""

    def lane(self, rules: Sequence[Rule], unset: Any) -> RowLane | None:
        """Return a lane for rows under rules; None where it has none.

        `unset`: what stands in a row for an input that was left out; it counts as missing.
        """
        ...


class Signer(Protocol):
    """Signs and verifies; the private key never leaves the adapter."""

    def sign(self, message: bytes) -> str:
        """Return `<key id>:<signature in base64>`."""
        ...

    def verify(self, message: bytes, signature: str) -> None:
        """Raise IntegrityError unless a trusted, unrevoked key made this signature."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One period's scores for one target; `key` names (model, period, revision, sink)."""

    key: str
    model: str
    period: str
    revision: int
    frame: pl.DataFrame
    reason: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class Sink(Protocol):
    """A target of deliveries.

    Laws: delivering a parcel with a key that was delivered changes nothing and returns the receipt;
    a parcel is visible whole or not at all; a higher revision of the same period replaces a lower.
    """

    def deliver(self, parcel: Parcel) -> str:
        """Hand over and return a receipt. Raises SinkDown when the target did not take it."""
        ...


@runtime_checkable
class AnsweringSink(Sink, Protocol):
    """A target that can be asked whether it is there, without being handed anything."""

    def reach(self) -> None:
        """Ask, and leave it as it is. Raises SinkDown when a delivery would fail for certain."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialReport:
    """What one server process counted of a version in shadow or canary since `since`.

    `arms`: by arm, the champion's among them. `stopped`: why this process sends nobody there any
    more, "" while it does.
    """

    number: int
    stage: str
    since: str
    arms: Mapping[str, ArmCounts]
    stopped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """What one process of a model server has done since it began; the newest replaces all others.

    `rungs` counts rows by the rung that answered. `changes`: when another rung came to answer most
    rows, and why, oldest first.
    """

    process: str
    began: str
    at: str
    champion: int = 0
    rungs: Mapping[str, int] = field(default_factory=dict)
    changes: Sequence[str] = ()
    restarts: int = 0
    trial: TrialReport | None = None


class Reports(Protocol):
    """Where server processes tell the controller what they did; they write nothing else.

    Laws: a report replaces the one of the same process whole; what is damaged or half-written is
    as if it had not been told; a process that ended is still heard.
    """

    def tell(self, model: str, report: ServerReport) -> None:
        """Put a report down. Raises OSError where there is no room for it."""
        ...

    def heard(self, model: str) -> Sequence[ServerReport]:
        """Return the newest report of each process, in the order of their names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of a metric; `step` is its place on the metric's axis."""

    name: str
    value: float
    at: datetime
    step: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A piece of work as a tracking server shows it: a run, a trial, a version in production.

    `key` is its name for good, `parent` the key of the run that it belongs to. `params` are what
    went in, `tags` what can be said of it by now.
    """

    key: str
    title: str
    began: datetime
    status: Literal["running", "finished", "failed"] = "running"
    ended: datetime | None = None
    parent: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    readings: Sequence[Reading] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A column that a model takes or gives."""

    name: str
    kind: Literal["number", "text", "boolean", "moment"] = "number"
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A version under one overlay as a model registry shows it; `overlay` tells it from others.

    `files`: the bundle as a directory, manifest and sealed overlay among them. `run`: the key of
    the run that made it. `inputs`, `outputs`: what it takes and gives.
    """

    number: int
    bundle: str
    overlay: str
    run: str
    made: datetime
    files: Mapping[str, bytes]
    inputs: Sequence[Slot] = ()
    outputs: Sequence[Slot] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class Mirror(Protocol):
    """A tracking server that shows one model to people; nothing is ever read from it.

    Laws: whatever was shown may be shown again, and changes nothing; what is known by now replaces
    what was known before, but for parameters, which keep their first value; readings add up.
    Every method raises MirrorDown when the server did not take it all.
    """

    def show(self, work: Sequence[Exhibit]) -> None:
        """Show pieces of work, parents before their children."""
        ...

    def attach(self, key: str, files: Mapping[str, bytes]) -> None:
        """Lay files beside a piece of work that was shown, by their path."""
        ...

    def publish(self, edition: Edition) -> None:
        """Put a version into the registry, behind those that are there; its run was shown."""
        ...

    def point(self, alias: str, overlay: str) -> None:
        """Let an alias name the edition under an overlay that was published; "" takes it away."""
        ...
