"""The backtest: the loop's own ticks over history, with a clock that is moved by hand.

Nothing is simulated but the clock: the ticks are those of the live loop, and rows and labels come
in when they were known. What was served is judged afterwards on all labels there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.periods import period_of
from tamid.core.quality import Realised, realised
from tamid.core.state import State
from tamid.core.values import ENTITY, KNOWN_AT, LABEL, PERIOD, STATIC_PERIOD, TIME, Task
from tamid.core.windows import holdout
from tamid.ports import TrainingJob
from tamid.stages import dataset, inbox
from tamid.stages.feeds import LABELS, ROWS, rule_of
from tamid.stages.loop import adopt, tick
from tamid.stages.monitoring import observe
from tamid.stages.packaging import pack
from tamid.stages.quarantine import moments
from tamid.stages.reading import MOMENT
from tamid.stages.registry import overlay_of, voice
from tamid.stages.rig import Rig
from tamid.stages.rungs import Voice

SERVED, FROZEN, WEEKLY = "served", "frozen", "always"
# A metric of these is taken on chances; all others on what was decided with them.
_ON_CHANCES = frozenset({"auc", "brier", "log_loss"})
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that the loop noticed or did, in plain words."""

    at: datetime
    kind: str
    text: str
    period: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """One period of a replay: the quality of what was served, and what others would have given.

    `version`: the one that answered for most rows. `others`: quality by rival.
    """

    period: str
    rows: int
    version: int
    served: float
    low: float
    high: float
    others: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the loop would have done over a stretch of history, and how good it would have been.

    `means`: the mean over the weeks that all have, by "served" and rival.
    """

    model: str
    metric: str
    higher_is_better: bool
    begin: datetime
    end: datetime
    ticks: int
    runs: int
    releases: int
    weeks: tuple[Week, ...]
    means: Mapping[str, float]
    happenings: tuple[Happening, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Which stretch of history is played, and against whom.

    `move` sets the rig's clock; `later` is a moment at which all labels are known. `rivals`:
    "frozen" (the first version for ever), "always" (trained anew at each period's start on all
    that was known then, live at once, without gates).
    """

    begin: datetime
    end: datetime
    later: datetime
    move: Callable[[datetime], object]
    rivals: tuple[str, ...] = (FROZEN,)


def replay(rig: Rig, text: str, code: dict[str, str], course: Course) -> Replay:
    """Turn the loop from `begin` to `end` under one contract and judge what it served.

    Raises:
        what a tick raises: the loop itself is at work.
    """
    state = adopt(rig, text, code, course.begin, reason="a replay begins")
    contract = rig.contract(state.contract)
    steps = (course.end - course.begin) // contract.monitoring.every + 1
    trained: dict[str, Voice] = {}
    for step in range(steps):
        now = course.begin + step * contract.monitoring.every
        course.move(now)
        state = tick(rig, "replay", state).state
        if WEEKLY in course.rivals:
            _train_anew(rig, contract, state, now, trained)
        rig.progress.step("ticks replayed", step + 1, steps)
    records = rig.ledger.read(rig.model)
    course.move(course.later)
    truth = _all_labels(rig, contract, state, course.later)
    return _judged(rig, contract, state, records, truth, trained, course)


def known_rows(contract: Contract, frame: pl.DataFrame) -> pl.Series:
    """Return when each row became known: what the contract's column says, else the row's time."""
    zone = contract.calendar.timezone
    column = contract.data.source.known_at or contract.data.time
    return _moments(frame, column, zone)


def known_labels(contract: Contract, frame: pl.DataFrame) -> pl.Series:
    """Return when each label became known.

    What the column of a separate label source says; else the event's moment plus the reporting
    lag, or the row's time plus horizon and lag.
    """
    label, zone = contract.data.label, contract.calendar.timezone
    if label.source is not None and label.source.known_at:
        return _moments(frame, label.source.known_at, zone)
    if label.event_time is not None:
        return _moments(frame, label.event_time, zone) + label.reporting_lag
    return _moments(frame, contract.data.time, zone) + label.horizon + label.reporting_lag


def known_events(contract: Contract, table: str, frame: pl.DataFrame) -> pl.Series:
    """Return when each event of a further table became known: when it happened."""
    return _moments(frame, contract.data.tables[table].time, contract.calendar.timezone)


def _moments(frame: pl.DataFrame, column: str | None, zone: str) -> pl.Series:
    if column is None:
        return pl.Series(KNOWN_AT, [None] * frame.height, dtype=MOMENT)
    return moments(frame, column, zone)


def _train_anew(
    rig: Rig, contract: Contract, state: State, now: datetime, trained: dict[str, Voice]
) -> None:
    """Train on all that is known at a period's start; it answers for that period."""
    rule = rule_of(contract)
    period = STATIC_PERIOD if rule is None else period_of(rule, now)
    periods = observe(rig, contract, state, now).trainable
    if not state.champion or period in trained or not periods:
        return
    frame = dataset.training_rows(rig.tables, contract, state, state.pins, periods, now)
    present = tuple(sorted(frame.get_column(PERIOD).unique().to_list()))
    job = TrainingJob(
        run=f"{WEEKLY}-{period}",
        contract=rig.blobs.get(state.contract).decode(),
        code={path: rig.blobs.get(digest).decode() for path, digest in state.code.items()},
        frame=frame,
        windows={"all": present},
        holdout=holdout(present),
        seed=contract.training.seed,
        judge_salt=rig.salt,
    )
    result = rig.trainer.train(job, contract.training.timeout, rig.progress)
    packed = pack(result, rig.blobs, rig.signer)
    threshold = overlay_of(rig, packed.overlay).threshold
    trained[period] = Voice(
        number=0, bundle=packed.bundle, overlay=packed.overlay, threshold=threshold
    )


def _all_labels(rig: Rig, contract: Contract, state: State, later: datetime) -> State:
    """Take in every label there is; the state returned pins the full inbox."""
    source = rig.sources.get(LABELS) or rig.sources[ROWS]
    pins = dict(state.pins)
    for event in inbox.ingest(
        contract,
        source,
        rig.tables,
        rows=pins.get(rig.table(ROWS)),
        known=state.batches.get(LABELS, {}),
        now=later,
        token=0,
    ):
        if isinstance(event, ev.LabelsAccepted):
            pins[event.pin.table] = event.pin
    return replace(state, pins=pins)


def _judged(
    rig: Rig,
    contract: Contract,
    state: State,
    records: Sequence[Recorded],
    truth: State,
    trained: Mapping[str, Voice],
    course: Course,
) -> Replay:
    metric = quality_metric(contract)
    weeks = tuple(
        week
        for period in sorted(state.scored)
        if (week := _week(rig, contract, truth, period, trained, course)) is not None
    )
    return Replay(
        model=rig.model,
        metric=metric,
        higher_is_better=METRIC_FACTS[metric].higher_is_better,
        begin=course.begin,
        end=course.end,
        ticks=sum(isinstance(r.event, ev.Ticked) for r in records),
        runs=len(state.runs),
        releases=len(state.reigns),
        weeks=weeks,
        means=means_of(weeks, course.rivals),
        happenings=tuple(h for r in records if (h := happening(r)) is not None),
    )


def means_of(weeks: Sequence[Week], rivals: Sequence[str]) -> dict[str, float]:
    """Return the mean quality of what was served and of each rival, over the weeks all have."""
    common = [w for w in weeks if all(r in w.others for r in rivals)]
    if not common:
        return {}
    found = {SERVED: sum(w.served for w in common) / len(common)}
    return found | {r: sum(w.others[r] for w in common) / len(common) for r in rivals}


def _week(
    rig: Rig,
    contract: Contract,
    truth: State,
    period: str,
    trained: Mapping[str, Voice],
    course: Course,
) -> Week | None:
    """Judge a period on final labels: each row by the first answer that was given for it."""
    pin = truth.pins[rig.table("predictions")]
    answers = rig.tables.read(pin, periods=[period]).sort("revision")
    first = answers.unique([ENTITY, TIME], keep="first", maintain_order=True)
    first = first.filter(pl.col("score").is_not_null())
    rows = dataset.labelled(rig.tables, contract, truth.pins, first, course.later)
    if rows.is_empty():
        return None
    served = _measured(contract, rows)
    others = {}
    voices = {WEEKLY: trained.get(period), FROZEN: voice(rig, truth, truth.reigns[0].number)}
    for rival in course.rivals:
        who = voices.get(rival)
        if who is not None:
            others[rival] = _measured(contract, _answered(rig, contract, truth, rows, who)).value
    return Week(
        period=period,
        rows=rows.height,
        version=int(rows.get_column("version").mode().max()),  # type: ignore[arg-type]
        served=served.value,
        low=served.interval.low,
        high=served.interval.high,
        others=others,
    )


def _answered(
    rig: Rig, contract: Contract, truth: State, rows: pl.DataFrame, who: Voice
) -> pl.DataFrame:
    """Return judged rows with the answers of another model."""
    period = rows.get_column(PERIOD)[0]
    inputs = dataset.good(
        dataset.joined(rig.tables, contract, truth.pins, [period], rig.clock.now())
    )
    scores = rig.scorer.score(who.bundle, who.overlay, inputs, reasons=0, timeout=_PATIENCE).frame
    scored = inputs.select(ENTITY, TIME).with_columns(scores.get_column("score"))
    both = rows.drop("score").join(scored, on=[ENTITY, TIME], how="inner", nulls_equal=True)
    if contract.task is not Task.BINARY or who.threshold is None:
        return both
    return both.with_columns((pl.col("score") >= who.threshold).cast(pl.Int64).alias("decision"))


def _measured(contract: Contract, rows: pl.DataFrame) -> Realised:
    """Measure the contract's metric on answers of any version, unweighted."""
    metric = quality_metric(contract)
    decided = contract.task is Task.BINARY and metric not in _ON_CHANCES
    answer = rows.get_column("decision" if decided else "score").cast(pl.Float64)
    weight = pl.Series([1.0]).new_from_index(0, rows.height)
    return realised(
        metric,
        contract.task,
        rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        answer.fill_null(0.0).to_numpy(),
        threshold=0.5,
        weights=weight.to_numpy(),
        entities=rows.get_column(ENTITY).to_numpy(),
    )


def happening(record: Recorded) -> Happening | None:
    """Return what an event means for the story of a replay; None for the routine of every tick."""
    event = record.event
    match event:
        case ev.Promoted():
            text = f"version {event.number} goes live: {event.reason}"
            return Happening(at=record.at, kind="release", text=text)
        case ev.RolledBack():
            text = f"back to version {event.back_to}: {event.reason}"
            return Happening(at=record.at, kind="rollback", text=text)
        case ev.AlarmRaised():
            return Happening(at=record.at, kind="alarm", text=event.message, period=event.period)
        case ev.Diagnosed():
            text = f"{event.cause}, retraining {event.retraining}: {'; '.join(event.reasons)}"
            return Happening(at=record.at, kind="diagnosis", text=text)
        case ev.RunStarted():
            text = f"{event.run} ({event.trigger}): {event.reason}"
            return Happening(at=record.at, kind="run", text=text)
        case ev.RunFailed():
            return Happening(at=record.at, kind="failed", text=f"{event.run}: {event.message}")
        case ev.Judged():
            text = f"{event.run} {event.outcome}: {'; '.join(event.reasons)}"
            return Happening(at=record.at, kind=event.outcome, text=text)
        case ev.DataRefused():
            text = f"{event.source} {event.batch} refused: {'; '.join(event.reasons)}"
            return Happening(at=record.at, kind="refused", text=text)
        case ev.CaseOpened():
            return Happening(at=record.at, kind="case", text=f"case {event.case}: {event.title}")
        case ev.RungSet():
            text = f"{event.rung} answers first: {event.reason}"
            return Happening(at=record.at, kind="rung", text=text)
        case _:
            return None
