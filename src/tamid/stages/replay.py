"""The backtest: the loop's own ticks over history, with a clock that is moved by hand.

Nothing is simulated but the clock: the ticks are those of the live loop, and rows and labels come
in when they were known. What was served is judged afterwards on all labels there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.periods import end_of, period_of
from tamid.core.quality import Realised, realised
from tamid.core.state import State
from tamid.core.values import ENTITY, LABEL, PERIOD, STATIC_PERIOD, TIME, WEIGHT, Task
from tamid.core.windows import holdout
from tamid.ports import Progress, TrainingJob
from tamid.stages import dataset, in_fact, inbox, joining
from tamid.stages.feeds import LABELS, ROWS, rule_of
from tamid.stages.filing import numbered
from tamid.stages.loop import adopt, tick
from tamid.stages.monitoring import observe
from tamid.stages.named import by_id
from tamid.stages.packaging import pack
from tamid.stages.past import ALWAYS, FROZEN, Replay, Week, happening, means_of
from tamid.stages.registry import overlay_of, voice
from tamid.stages.rig import Rig
from tamid.stages.voices import Voice

# A metric of these is taken on chances; all others on what was decided with them.
_ON_CHANCES = frozenset({"auc", "brier", "log_loss"})
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Which stretch of history is played, and against whom.

    `move` sets the rig's clock; `later` is a moment at which all labels are known. `rivals`:
    "frozen" (the first version for ever), "always" (trained anew at each period's start on all
    that was known then, live at once, without gates). `facts`: whom campaigns really acted on;
    `unread`: what is not known of that, and why.
    """

    begin: datetime
    end: datetime
    later: datetime
    move: Callable[[datetime], object]
    progress: Progress
    rivals: tuple[str, ...] = (FROZEN,)
    facts: pl.DataFrame | None = None
    unread: str = ""


def replay(rig: Rig, text: str, code: dict[str, str], course: Course) -> Replay:
    """Turn the loop from `begin` to `end` under one contract and judge what it served.

    Raises:
        what a tick raises: the loop itself is at work.
    """
    state = adopt(rig, text, code, course.begin, reason="a replay begins")
    contract = rig.contract(state.contract)
    state = in_fact.stored(rig.tables, state, rig.table(in_fact.IN_FACT), course.facts)
    steps = (course.end - course.begin) // contract.monitoring.every + 1
    trained: dict[str, Voice] = {}
    for step in range(steps):
        now = course.begin + step * contract.monitoring.every
        course.move(now)
        state = tick(rig, "replay", state).state
        if ALWAYS in course.rivals:
            _train_anew(rig, contract, state, now, trained)
        course.progress.step("ticks replayed", step + 1, steps)
    records = rig.ledger.read(rig.model)
    course.move(course.later)
    truth = _all_labels(rig, contract, state, course.later)
    return _judged(rig, contract, state, records, truth, trained, course)


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
        run=f"{ALWAYS}-{period}",
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
        hearer=by_id(rig, contract, lambda: state, later),
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
    rule = rule_of(contract)
    # A period that the replay saw only the beginning of is no fair week.
    whole = [p for p in sorted(state.scored) if rule is None or end_of(rule, p) <= course.end]
    weeks = tuple(
        week
        for period in whole
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
        acted=sum((w.acted for w in weeks), in_fact.Acted(unread=course.unread)),
    )


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
    rows, acted = in_fact.fairly(contract, rows, course.facts, WEIGHT)
    if rows.is_empty():
        return None
    served = _measured(contract, rows)
    others = {}
    voices = {ALWAYS: trained.get(period), FROZEN: voice(rig, truth, truth.reigns[0].number)}
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
        acted=acted,
    )


def _answered(
    rig: Rig, contract: Contract, truth: State, rows: pl.DataFrame, who: Voice
) -> pl.DataFrame:
    """Return judged rows with the answers of another model."""
    period = rows.get_column(PERIOD)[0]
    inputs = dataset.good(
        joining.joined(rig.tables, contract, truth.pins, [period], rig.clock.now())
    )
    scores = rig.scorer.score(who.bundle, who.overlay, inputs, reasons=0, timeout=_PATIENCE).frame
    scored = inputs.select(ENTITY, TIME).with_columns(scores.get_column("score"))
    both = rows.drop("score").join(scored, on=[ENTITY, TIME], how="inner", nulls_equal=True)
    if contract.task is not Task.BINARY or who.threshold is None:
        return both
    return both.with_columns((pl.col("score") >= who.threshold).cast(pl.Int64).alias("decision"))


def _measured(contract: Contract, rows: pl.DataFrame) -> Realised:
    """Measure the contract's metric on answers of any version, by the rows' weights."""
    metric = quality_metric(contract)
    decided = contract.task is Task.BINARY and metric not in _ON_CHANCES
    answer = rows.get_column("decision" if decided else "score").cast(pl.Float64)
    return realised(
        metric,
        contract.task,
        rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        answer.fill_null(0.0).to_numpy(),
        threshold=0.5,
        weights=rows.get_column(WEIGHT).to_numpy(),
        entities=numbered(rows),
    )
