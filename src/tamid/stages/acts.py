"""Acting: each action of a decision becomes what was done, as events.

Every act may be repeated after a crash: it finds what it wrote before by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.errors import DataError, NotFound, SystemFailure, UserCodeError
from tamid.core.periods import shift
from tamid.core.state import State
from tamid.core.values import ENTITY, PERIOD, canonical_json
from tamid.core.windows import holdout, windows
from tamid.ports import TrainingJob
from tamid.stages import dataset
from tamid.stages.cases import open_case
from tamid.stages.delivery import deliver
from tamid.stages.evidence import Evidence
from tamid.stages.feeds import rule_of
from tamid.stages.gates import judge
from tamid.stages.packaging import pack
from tamid.stages.registry import judged_frame, overlay_of, register, voice
from tamid.stages.release import enter, promote
from tamid.stages.rig import Rig
from tamid.stages.scoring import ScoringJob, score_period

# Rows that the service gate asks one by one in a clean process, and how often.
PROBE_ROWS = 200
PROBES = 200

Act = Callable[[Rig, Contract, State, Any, datetime, int], Iterator[ev.Event]]


def act(rig: Rig, state: State, action: do.Action, now: datetime, token: int) -> Iterator[ev.Event]:
    """Yield what was done; the caller appends each event before it asks for the next."""
    contract = rig.contract(state.contract)
    yield from _ACTS[type(action)](rig, contract, state, action, now, token)


def _score(
    rig: Rig, contract: Contract, state: State, a: do.Score, now: datetime, token: int
) -> Iterator[ev.Event]:
    mine = rig.contract(state.versions[state.champion].registered.contract)
    found = score_period(
        _scoring_job(rig, mine, state, a, now),
        rig.scorer,
        rig.tables,
        key=a.key,
        token=token,
        rules=rig.rules,
    )
    yield found.event
    system = [f for f in found.failures if f.kind != "impossible"]
    if system and f"outage/{a.period}" not in state.incidents:
        yield ev.IncidentOpened(
            key=f"incident/outage/{a.period}",
            incident=f"outage/{a.period}",
            failure="system_failure",
            severity="critical",
            noticed_by="scoring",
            message="; ".join(f"{f.rung}: {f.message}" for f in system),
            response="worker restarted; lower rungs answered; the champion is asked again",
        )


def _scoring_job(
    rig: Rig, contract: Contract, state: State, a: do.Score, now: datetime
) -> ScoringJob:
    pins = state.pins
    rows = dataset.joined(rig.tables, contract, pins, [a.period], now)
    active = rows.get_column(ENTITY).clear()
    rule = rule_of(contract)
    if rows.is_empty() and rule is not None and contract.data.entity is not None:
        # The period's own rows say who is active; only without them the period before must.
        active = dataset.staying(rig.tables, contract, pins, shift(rule, a.period, -1), now)
    previous = state.previous
    return ScoringJob(
        contract=contract,
        period=a.period,
        revision=a.revision,
        now=now,
        rows=rows,
        active=active,
        champion=voice(rig, state, state.champion),
        previous=voice(rig, state, previous) if previous else None,
        first=state.rung,
        earlier=pins.get(rig.table("predictions")),
        scored=tuple(sorted(state.scored)),
        salt=rig.salt,
        reason=a.reason,
    )


def _deliver(
    rig: Rig, contract: Contract, state: State, a: do.Deliver, now: datetime, token: int
) -> Iterator[ev.Event]:
    pin = state.pins[rig.table("predictions")]
    frame = dataset.in_force(rig.tables, state, pin, [a.period])
    yield from deliver(rig, contract, state, a, frame, now)


def _train(
    rig: Rig, contract: Contract, state: State, a: do.Train, now: datetime, token: int
) -> Iterator[ev.Event]:
    before = state.runs.get(a.run)
    started = before.started if before else _started(rig, contract, state, a)
    yield replace(started, key=a.key)
    mine = rig.contract(started.contract)
    pins = {pin.table: pin for pin in started.pins}
    try:
        frame = dataset.training_rows(rig.tables, mine, state, pins, started.periods, now)
        result = rig.trainer.train(
            _job(rig, mine, started, frame), mine.training.timeout, rig.progress
        )
    except UserCodeError as error:
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
    rig.tables.write(rig.table("judged"), judged, key=f"judged/{a.run}", token=token, mode="append")
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
    )


def training_job(rig: Rig, state: State, action: do.Train, now: datetime) -> TrainingJob:
    """Return the job that a run would be, without starting it. Raises DataError."""
    contract = rig.contract(state.contract)
    started = _started(rig, contract, state, action)
    pins = {pin.table: pin for pin in started.pins}
    frame = dataset.training_rows(rig.tables, contract, state, pins, started.periods, now)
    return _job(rig, contract, started, frame)


def _started(rig: Rig, contract: Contract, state: State, a: do.Train) -> ev.RunStarted:
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
        environment=rig.environment,
        git=rig.git,
    )


def _failed(run: str, failure: Any, what: str, why: str) -> ev.RunFailed:
    return ev.RunFailed(key=f"failed/{run}", run=run, failure=failure, message=f"{what}: {why}")


def _job(rig: Rig, contract: Contract, started: ev.RunStarted, frame: pl.DataFrame) -> TrainingJob:
    periods = tuple(p for p in started.periods if p in set(frame.get_column(PERIOD).unique()))
    degraded = tuple(p for p in started.degraded_periods if p in periods)
    return TrainingJob(
        run=started.run,
        contract=rig.blobs.get(started.contract).decode(),
        code={path: rig.blobs.get(digest).decode() for path, digest in started.code.items()},
        frame=frame,
        windows=windows(periods, started.window),
        holdout=degraded or holdout(periods),
        seed=started.seed,
        degraded=bool(degraded),
        judge_salt=f"{rig.salt}/{started.run}",
        resume=started.run,
    )


def _judge(
    rig: Rig, contract: Contract, state: State, a: do.Judge, now: datetime, token: int
) -> Iterator[ev.Event]:
    run = state.runs[a.run]
    assert run.finished is not None
    mine = rig.contract(run.started.contract)
    judged = judged_frame(rig, state, a.run)
    pins = {pin.table: pin for pin in run.started.pins}
    periods = judged.get_column(PERIOD).unique().to_list()
    inputs = dataset.good(dataset.joined(rig.tables, mine, pins, periods, now))
    keys = [ENTITY, PERIOD]
    raw = inputs.drop([c for c in inputs.columns if c in judged.columns and c not in keys])
    rows = judged.join(raw, on=keys, how="left", maintain_order="left")
    champion, threshold = _champion_scores(rig, state, rows, now)
    overlay = overlay_of(rig, run.finished.overlay)
    probe = rig.scorer.probe(
        run.finished.bundle, run.finished.overlay, inputs.head(PROBE_ROWS), PROBES
    )
    same_alarm = [r for r in state.runs.values() if r.judged and r.started.trigger == "quality"]
    judgement = judge(
        Evidence(
            contract=mine,
            rows=rows,
            threshold=overlay.threshold,
            champion=champion,
            champion_threshold=threshold,
            probe=probe,
            degraded=bool(run.started.degraded_periods),
            attempt=1 + len(same_alarm) if run.started.trigger == "quality" else 1,
            report=rig.blobs.get(run.finished.report).decode(),
            rng=rig.generator(run.started.seed),
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
    )


def _champion_scores(
    rig: Rig, state: State, rows: pl.DataFrame, now: datetime
) -> tuple[pl.Series | None, float]:
    """Return the champion's scores of the judged rows, by its own contract and code."""
    if not state.champion:
        return None, 0.5
    version = state.versions[state.champion]
    theirs = rig.contract(version.registered.contract)
    periods = rows.get_column(PERIOD).unique().to_list()
    inputs = dataset.good(dataset.joined(rig.tables, theirs, state.pins, periods, now))
    inputs = rows.select(ENTITY, PERIOD).join(
        inputs, on=[ENTITY, PERIOD], how="left", maintain_order="left"
    )
    who = voice(rig, state, state.champion)
    scores = rig.scorer.score(
        who.bundle, who.overlay, inputs, reasons=0, timeout=timedelta(minutes=10)
    )
    return scores.frame.get_column("score"), 0.5 if who.threshold is None else who.threshold


def _register(
    rig: Rig, contract: Contract, state: State, a: do.Register, now: datetime, token: int
) -> Iterator[ev.Event]:
    mine = rig.contract(state.runs[a.run].started.contract)
    yield register(rig, mine, state, a)


def _enter(
    rig: Rig, contract: Contract, state: State, a: do.Enter, now: datetime, token: int
) -> Iterator[ev.Event]:
    yield from enter(rig, contract, state, a, now)


def _promote(
    rig: Rig, contract: Contract, state: State, a: do.Promote, now: datetime, token: int
) -> Iterator[ev.Event]:
    yield promote(rig, state, a)


def _open_case(
    rig: Rig, contract: Contract, state: State, a: do.OpenCase, now: datetime, token: int
) -> Iterator[ev.Event]:
    yield open_case(rig.blobs, contract, state, a, now)


def _plain(
    rig: Rig, contract: Contract, state: State, a: do.Action, now: datetime, token: int
) -> Iterator[ev.Event]:
    """Acts that are done by being written down."""
    match a:
        case do.RollBack():
            yield ev.RolledBack(key=a.key, number=a.number, back_to=a.back_to, reason=a.reason)
        case do.SetRung():
            measured = {
                n.partition("@")[0].removeprefix("rung/"): m[max(m)].value
                for n, m in state.measured.items()
                if n.startswith("rung/") and n.endswith(f"@{state.champion}")
            }
            yield ev.RungSet(key=a.key, rung=a.rung, reason=a.reason, measured=measured)
        case do.ClearAlarm():
            yield ev.AlarmCleared(key=a.key, alarm=a.alarm, reason=a.reason)
        case do.CloseCase():
            yield ev.CaseClosed(key=a.key, case=a.case, resolution=a.reason)
        case do.Comment():
            yield ev.CaseCommented(key=a.key, case=a.case, text=a.text, run=a.run)
        case do.CloseIncident():
            yield ev.IncidentClosed(key=a.key, incident=a.incident, resolution=a.reason)
        case do.OpenIncident():
            yield ev.IncidentOpened(
                key=a.key,
                incident=a.incident,
                failure=a.failure,
                severity=a.severity,
                noticed_by=a.noticed_by,
                message=a.reason,
                response=a.response,
            )
        case _:
            raise NotFound(f"there is no act for {type(a).__name__}")


_ACTS: dict[type[do.Action], Act] = {
    do.Score: _score,
    do.Deliver: _deliver,
    do.Train: _train,
    do.Judge: _judge,
    do.Register: _register,
    do.Enter: _enter,
    do.Promote: _promote,
    do.OpenCase: _open_case,
    do.RollBack: _plain,
    do.SetRung: _plain,
    do.ClearAlarm: _plain,
    do.CloseCase: _plain,
    do.Comment: _plain,
    do.CloseIncident: _plain,
    do.OpenIncident: _plain,
}
