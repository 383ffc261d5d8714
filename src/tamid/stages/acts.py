"""Acting: each action of a decision becomes what was done, as events.

Every act may be repeated after a crash: it finds what it wrote before by its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core import actions as do
from tamid.core import events as ev
from tamid.core.contract.model import Contract
from tamid.core.errors import NotFound
from tamid.core.state import State
from tamid.core.values import ENTITY
from tamid.stages import dataset, joining, roster
from tamid.stages.cases import open_case
from tamid.stages.delivery import deliver
from tamid.stages.drift import measure_drift
from tamid.stages.journal import Journal
from tamid.stages.lacking import set_aside
from tamid.stages.registry import reduced_voice, register, voice
from tamid.stages.release import enter, promote
from tamid.stages.rig import Rig
from tamid.stages.runs import judge_run, train
from tamid.stages.scoring import ScoringJob, score_period
from tamid.stages.thresholds import move_threshold

Act = Callable[[Rig, Contract, State, Any, datetime, int], Iterator[ev.Event]]


def act(rig: Rig, state: State, action: do.Action, now: datetime, token: int) -> Iterator[ev.Event]:
    """Yield what was done."""
    contract = rig.contract(state.contract)
    yield from _ACTS[type(action)](rig, contract, state, action, now, token)


def carry_out(rig: Rig, journal: Journal, action: do.Action, now: datetime, token: int) -> None:
    """Act, and write down what was done.

    Training is told step by step, so that a start is known before hours of work. What any other
    act brings about is told at once: its first event settles the act, and a death before the
    second would leave that one untold for good.
    """
    happened = act(rig, journal.state, action, now, token)
    if isinstance(action, do.Train):
        for event in happened:
            journal.append(event, now, reason=action.reason)
    else:
        journal.append_all(happened, now, reason=action.reason)


def _score(
    rig: Rig, contract: Contract, state: State, a: do.Score, now: datetime, token: int
) -> Iterator[ev.Event]:
    mine = rig.contract(state.versions[state.champion].registered.contract)
    seen = roster.turnout(rig.tables, mine, state, a.period, now)
    absent = seen.absent.filter(~seen.absent.is_in(sorted(state.erased)))
    job = _scoring_job(rig, mine, state, a, now, absent)
    found = score_period(
        job,
        rig.scorer,
        rig.tables,
        key=a.key,
        token=token,
        rules=rig.rules,
    )
    yield replace(found.event, lost=seen.lost, lost_of=seen.of)
    good = dataset.good(job.rows)
    yield from measure_drift(rig, state, mine, good, found.frame, a.period)
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
    rig: Rig, contract: Contract, state: State, a: do.Score, now: datetime, active: pl.Series
) -> ScoringJob:
    pins = state.pins
    rows = joining.joined(rig.tables, contract, pins, [a.period], now)
    rows = set_aside(contract, state, a.period, rows)
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
        reduced=reduced_voice(rig, state, state.champion),
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
    frame = frame.filter(~pl.col(ENTITY).is_in(sorted(state.erased)))
    yield from deliver(rig, contract, state, a, frame, now)


def _register(
    rig: Rig, contract: Contract, state: State, a: do.Register, now: datetime, token: int
) -> Iterator[ev.Event]:
    mine = rig.contract(state.runs[a.run].started.contract)
    yield register(rig, mine, state, a, now)


def _enter(
    rig: Rig, contract: Contract, state: State, a: do.Enter, now: datetime, token: int
) -> Iterator[ev.Event]:
    yield from enter(rig, contract, state, a, now)


def _promote(
    rig: Rig, contract: Contract, state: State, a: do.Promote, now: datetime, token: int
) -> Iterator[ev.Event]:
    yield promote(rig, state, a)


def _move_threshold(
    rig: Rig, contract: Contract, state: State, a: do.MoveThreshold, now: datetime, token: int
) -> Iterator[ev.Event]:
    yield move_threshold(rig, contract, state, a, now)


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
        case do.StopRelease():
            yield ev.ReleaseStopped(key=a.key, number=a.number, reason=a.reason)
        case do.ClearAlarm():
            yield ev.AlarmCleared(key=a.key, alarm=a.alarm, reason=a.reason)
        case do.Abandon():
            yield ev.RunFailed(key=a.key, run=a.run, failure="abandoned", message=a.reason)
        case do.CloseCase():
            yield ev.CaseClosed(key=a.key, case=a.case, resolution=a.reason)
        case do.Comment():
            yield ev.CaseCommented(
                key=a.key, case=a.case, text=a.text, run=a.run, escalated_to=a.escalated_to
            )
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
    do.Train: train,
    do.TakeOver: train,
    do.Judge: judge_run,
    do.Register: _register,
    do.Enter: _enter,
    do.Promote: _promote,
    do.MoveThreshold: _move_threshold,
    do.OpenCase: _open_case,
    do.RollBack: _plain,
    do.SetRung: _plain,
    do.StopRelease: _plain,
    do.ClearAlarm: _plain,
    do.Abandon: _plain,
    do.CloseCase: _plain,
    do.Comment: _plain,
    do.CloseIncident: _plain,
    do.OpenIncident: _plain,
}
