"""A run: what it learns from is pinned, a worker makes the candidate, the gates judge it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.errors import DataError, OutOfTime, SystemFailure, UserCodeError
from tamid.core.state import Run, State
from tamid.core.values import ENTITY, PERIOD, STATIC_PERIOD, TIME, canonical_json
from tamid.core.windows import FEWEST_FRESH, holdout, windows
from tamid.ports import TrainingJob
from tamid.stages import dataset, joining
from tamid.stages.evidence import Evidence, mass_by_period
from tamid.stages.gates import judge
from tamid.stages.packaging import pack
from tamid.stages.registry import judged_frame, overlay_of, voice
from tamid.stages.rig import Rig

# Rows that the service gate asks one by one in a clean process, and how often.
PROBE_ROWS = 200
PROBES = 200
# What a candidate's own code is to blame for: to try it again would give the same.
_ITS_OWN = (UserCodeError, OutOfTime)


def train(
    rig: Rig, contract: Contract, state: State, a: do.Train, now: datetime, token: int
) -> Iterator[ev.Event]:
    before = state.runs.get(a.run)
    started = before.started if before else _started(rig, contract, state, a)
    yield replace(started, key=a.key)
    mine = rig.contract(started.contract)
    pins = {pin.table: pin for pin in started.pins}
    try:
        frame = dataset.training_rows(rig.tables, mine, state, pins, started.periods, now)
        job = _job(rig, state, started, frame)
        result = rig.trainer.train(job, mine.training.timeout, rig.progress)
    except _ITS_OWN as error:
        yield _failed(a.run, "user_code", error.what, error.why)
        return
    except DataError as error:
        yield _failed(a.run, "data", error.what, error.why)
        return
    except SystemFailure as error:
        yield _failed(a.run, "system", error.what, error.why)
        return
    packed = pack(result, rig.blobs, rig.signer)
    judged = result.judged.with_columns(pl.lit(a.run).alias("run"))
    table, key = rig.table("judged"), f"judged/{a.run}"
    pin = rig.tables.write(table, judged, key=key, token=token, mode="append")
    yield ev.RunFinished(
        key=f"finished/{a.run}",
        run=a.run,
        bundle=packed.bundle,
        overlay=packed.overlay,
        report=rig.blobs.put(canonical_json(result.report).encode()),
        metrics=dict(result.metrics),
        window=result.window,
        rows=result.rows,
        seconds=result.seconds,
        peak_mb=result.peak_mb,
        judged=pin,
    )


def training_job(rig: Rig, state: State, action: do.Train, now: datetime) -> TrainingJob:
    """Return the job that a run would be, without starting it. Raises DataError."""
    contract = rig.contract(state.contract)
    started = _started(rig, contract, state, action)
    pins = {pin.table: pin for pin in started.pins}
    frame = dataset.training_rows(rig.tables, contract, state, pins, started.periods, now)
    return _job(rig, state, started, frame)


def _started(rig: Rig, contract: Contract, state: State, a: do.Train) -> ev.RunStarted:
    origin = rig.origin()
    return ev.RunStarted(
        run=a.run,
        trigger=a.trigger,
        reason=a.reason,
        window=a.window or contract.retraining.window,
        contract=state.contract,
        code=state.code,
        pins=tuple(pin for _, pin in sorted(state.pins.items())),
        seed=contract.training.seed,
        case=a.case,
        periods=a.periods,
        degraded_periods=a.degraded,
        environment=origin.environment,
        git=origin.git,
        dirty=origin.dirty,
    )


def _failed(run: str, failure: Any, what: str, why: str) -> ev.RunFailed:
    return ev.RunFailed(key=f"failed/{run}", run=run, failure=failure, message=f"{what}: {why}")


def _job(rig: Rig, state: State, started: ev.RunStarted, frame: pl.DataFrame) -> TrainingJob:
    there = frozenset(frame.get_column(PERIOD).unique())
    periods = tuple(p for p in started.periods if p in there)
    contract = rig.contract(started.contract)
    degraded = _degraded(contract, started, periods)
    return TrainingJob(
        run=started.run,
        contract=rig.blobs.get(started.contract).decode(),
        code={path: rig.blobs.get(digest).decode() for path, digest in started.code.items()},
        frame=frame,
        windows=windows(periods, started.window),
        holdout=degraded or _holdout(rig, state, periods, mass_by_period(contract, frame)),
        seed=started.seed,
        degraded=bool(degraded),
        # After a drift each run judges another half of the entities. Without time the judged ones
        # must stay the same: only there did the champion's own run leave scores that it had not
        # learnt from.
        judge_salt=f"{rig.salt}/{started.run}" if degraded else rig.model,
        resume=started.run,
    )


def _holdout(
    rig: Rig, state: State, periods: tuple[str, ...], mass: Mapping[str, int]
) -> tuple[str, ...]:
    """Return the periods that a routine run is judged on.

    Where the champion has learnt from (nearly) all of them, its recipe is judged instead, on the
    scores that its own run gave while it had not: the candidate is fitted on what came before the
    same first judged period.
    """
    champion = state.versions.get(state.champion)
    if champion is None:
        return holdout(periods, mass=mass)
    learnt = champion.registered.trained_through
    run = state.runs[champion.registered.run]
    if sum(p > learnt for p in periods) < FEWEST_FRESH and not run.started.degraded_periods:
        first = judged_frame(rig, state, run.started.run).get_column(PERIOD).min()
        same = tuple(p for p in periods if p >= str(first))
        if len(periods) - len(same) >= FEWEST_FRESH:
            return same
    return holdout(periods, learnt, mass)


def _degraded(
    contract: Contract, started: ev.RunStarted, periods: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the drifted periods to judge on.

    Where labels trickle in there are none: what became known last is judged, whatever week it is
    about.
    """
    if dataset.trickling(contract):
        return ()
    return tuple(p for p in started.degraded_periods if p in periods)


def judge_run(
    rig: Rig, contract: Contract, state: State, a: do.Judge, now: datetime, token: int
) -> Iterator[ev.Event]:
    run = state.runs[a.run]
    assert run.finished is not None
    mine = rig.contract(run.started.contract)
    judged = judged_frame(rig, state, a.run)
    pins = {pin.table: pin for pin in run.started.pins}
    periods = dataset.periods_of_rows(mine, judged, now)
    inputs = dataset.good(joining.joined(rig.tables, mine, pins, periods, now))
    keys = [ENTITY, TIME]
    raw = inputs.drop([c for c in inputs.columns if c in judged.columns and c not in keys])
    rows = judged.join(raw, on=keys, how="left", nulls_equal=True, maintain_order="left")
    champion, threshold = champion_scores(rig, state, rows, now)
    overlay = overlay_of(rig, run.finished.overlay)
    ref = run.finished
    try:
        probe = rig.scorer.probe(ref.bundle, ref.overlay, inputs.head(PROBE_ROWS), PROBES)
    except _ITS_OWN as error:
        # Judged again it would fail again, and keep every other run waiting.
        yield _failed(a.run, "user_code", f"the candidate does not answer: {error.what}", error.why)
        return
    tried = _judged_before(state, run, periods)
    judgement = judge(
        Evidence(
            contract=mine,
            rows=rows,
            threshold=overlay.threshold,
            champion=champion,
            champion_threshold=threshold,
            probe=probe,
            degraded=bool(_degraded(mine, run.started, run.started.degraded_periods)),
            attempt=1 + tried,
            report=rig.blobs.get(run.finished.report).decode(),
            rng=rig.generator(run.started.seed),
            dirty=run.started.dirty,
            now=now,
            buggy=tuple(sorted(_buggy(state) & set(periods))),
        )
    )
    yield ev.Judged(
        key=a.key,
        run=a.run,
        outcome=judgement.outcome.value,
        reasons=judgement.reasons,
        report=rig.blobs.put(canonical_json(judgement.report).encode()),
        failed=judgement.failed,
        difference=judgement.difference,
        decidable_at=judgement.decidable_at,
        periods=tuple(sorted(periods)),
        periods_missing=judgement.periods_missing,
    )


def _buggy(state: State) -> set[str]:
    """Return the periods whose rows or labels are known to be wrong just now."""
    bad = {p for refusal in state.refused.values() for p in refusal.event.periods}
    bad.update(state.suspected)
    for alarm in state.open_alarms.values():
        if alarm.diagnosis is not None and alarm.diagnosis.retraining == "blocked":
            bad.update(alarm.diagnosis.periods)
    return bad


def _judged_before(state: State, run: Run, periods: Sequence[str]) -> int:
    """Return how many candidates were judged before on (most of) the same periods.

    Against the same champion: with every further one the chance grows that some candidate only
    looks better, so alpha is shared.
    """
    mine, since = set(periods), state.released_at
    champion = state.versions.get(state.champion)
    own = {run.started.run, champion.registered.run if champion else ""}
    return sum(
        r.judged is not None
        and r.started.run not in own
        and (since is None or r.at >= since)
        and 2 * len(mine & set(r.judged.periods)) >= len(mine)
        for r in state.runs.values()
    )


def champion_scores(
    rig: Rig, state: State, rows: pl.DataFrame, now: datetime
) -> tuple[pl.Series | None, float]:
    """Return the champion's scores of the judged rows, by its own contract and code.

    A row that it learnt from is scored as its own run did before it had: out of time, or out of
    fold. Where there is no such score it stays null, which is no evidence.
    """
    if not state.champion:
        return None, 0.5
    version = state.versions[state.champion]
    theirs = rig.contract(version.registered.contract)
    periods = dataset.periods_of_rows(theirs, rows, now)
    inputs = dataset.good(joining.joined(rig.tables, theirs, state.pins, periods, now))
    keys = [ENTITY, TIME]
    inputs = rows.select(keys).join(
        inputs, on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    who = voice(rig, state, state.champion)
    scores = rig.scorer.score(
        who.bundle, who.overlay, inputs, reasons=0, timeout=timedelta(minutes=10)
    )
    before = judged_frame(rig, state, version.registered.run)
    before = before.select(*keys, pl.col("score").alias("before")).unique(keys)
    fair = (
        rows.select(*keys, PERIOD)
        .with_columns(scores.frame.get_column("score").cast(pl.Float64).alias("live"))
        .join(before, on=keys, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(_learnt(rig, state, rows).alias("learnt"))
        .select(pl.when("learnt").then("before").otherwise("live").fill_nan(None))
    )
    return fair.to_series(), 0.5 if who.threshold is None else who.threshold


def _learnt(rig: Rig, state: State, rows: pl.DataFrame) -> pl.Series:
    """Say for each judged row whether the champion's shipped model was fitted on it."""
    registered = state.versions[state.champion].registered
    if rows.get_column(PERIOD).eq(STATIC_PERIOD).all():
        run = state.runs[registered.run]
        pins = {pin.table: pin for pin in run.started.pins}
        theirs = rig.contract(registered.contract)
        then = dataset.training_rows(
            rig.tables, theirs, state, pins, run.started.periods, run.at
        ).get_column(ENTITY)
        return rows.get_column(ENTITY).is_in(then.unique().implode())
    return rows.get_column(PERIOD) <= registered.trained_through
