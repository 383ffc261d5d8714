"""From events to state: one step per kind of event."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.releases import RELEASES, put
from tamid.core.repairs import found_sound, relabelled, repaired
from tamid.core.restated import accepted_normal, online_usual, threshold_moved
from tamid.core.state import (
    Alarm,
    Case,
    Incident,
    Materialised,
    Refusal,
    Retirement,
    Run,
    State,
)
from tamid.core.values import Role

# What servers wrote, which no decision looks at; the snapshots' own rows.
LOGS, ROWS = ("served", "timings"), "rows"
# What runs were judged on: registered ones, and those that never become versions.
OF_RUNS = ("judged", "tried")


def fold(records: Iterable[Recorded], state: State | None = None) -> State:
    """Return the state after the records; `fold(b, fold(a)) == fold(a + b)`."""
    return functools.reduce(evolve, records, state or State())


def evolve(state: State, record: Recorded) -> State:
    """Return the state after one more event; events that change nothing only move `seq`."""
    step = _STEPS.get(type(record.event))
    changed = step(state, record.event, record) if step else state
    return replace(changed, seq=record.seq, head=record.hash)


def _adopted(s: State, e: ev.ContractAdopted, r: Recorded) -> State:
    known = {**s.definitions, **e.views} if e.views else s.definitions
    recipes = put(s.recipes, e.contract, e.recipe or e.contract)
    s = replace(s, contract=e.contract, code=e.code, adopted_at=r.at, definitions=known)
    return replace(s, recipes=recipes)


def _materialised(s: State, e: ev.ViewMaterialised, r: Recorded) -> State:
    made = put(s.views, f"{e.view}@{e.number}", Materialised(event=e, at=r.at))
    return replace(s, views=made, pins=put(s.pins, e.pin.table, e.pin))


def _seen(s: State, source: str, batch: str, fingerprint: str) -> dict[str, Mapping[str, str]]:
    return put(s.batches, source, put(s.batches.get(source, {}), batch, fingerprint))


def _accepted(s: State, e: ev.DataAccepted, r: Recorded) -> State:
    arrived = {**s.periods, **dict.fromkeys(e.periods, r.seq)} if e.source == "rows" else s.periods
    return replace(
        s,
        batches=_seen(s, e.source, e.batch, e.fingerprint),
        pins=put(s.pins, e.pin.table, e.pin),
        periods=arrived,
        latest=_latest(s, e),
        volume=_volume(s, e),
        first_seen={e.source: r.at, **s.first_seen},
        noted=put(s.noted, e.source, (*e.notes, *e.standing)),
        refused=repaired(s.refused, e),
    )


def _latest(s: State, e: ev.DataAccepted) -> Mapping[str, str]:
    if e.source != "rows":
        return s.latest
    later = {p: max(moment, s.latest.get(p, "")) for p, moment in e.latest.items()}
    return {**s.latest, **later}


def _volume(s: State, e: ev.DataAccepted) -> Mapping[str, int]:
    if e.source != "rows" or not e.volume:
        return s.volume
    return {**s.volume, **{p: n + s.volume.get(p, 0) for p, n in e.volume.items()}}


def _refused(s: State, e: ev.DataRefused, r: Recorded) -> State:
    seen, name = _seen(s, e.source, e.batch, e.fingerprint), f"{e.source}/{e.batch}"
    before = s.refused.get(name)
    same = before is not None and before.event.fingerprint == e.fingerprint
    brought = before.brought if before is not None and same else frozenset[str]()
    refusal = Refusal(event=e, at=r.at, contract=s.contract, brought=brought)
    return replace(s, batches=seen, refused=put(s.refused, name, refusal))


def _checked(s: State, e: ev.PeriodChecked, r: Recorded) -> State:
    sound = s.taken_as_sound - {e.period}
    seen = put(s.checked_seq, e.period, r.seq)
    return replace(s, checked=put(s.checked, e.period, e), checked_seq=seen, taken_as_sound=sound)


def _labelled(s: State, e: ev.LabelsAccepted, r: Recorded) -> State:
    return replace(
        s,
        batches=_seen(s, e.source, e.batch, e.fingerprint),
        pins=put(s.pins, e.pin.table, e.pin),
        refused=relabelled(s.refused, e.source, e.batch),
        relabelled={**s.relabelled, **dict.fromkeys(e.periods, r.seq)},
        heard={**s.heard, **{p: s.heard.get(p, 0.0) + e.new / len(e.periods) for p in e.periods}},
    )


def _acted(s: State, e: ev.ActionsAccepted, r: Recorded) -> State:
    return replace(
        s,
        batches=_seen(s, e.source, e.batch, e.fingerprint),
        pins=put(s.pins, e.pin.table, e.pin),
        refused=relabelled(s.refused, e.source, e.batch),
        acts_seq=r.seq,
    )


def _taken(s: State, e: ev.AnswersTaken, r: Recorded) -> State:
    pins = {pin.table: pin for pin in (e.pin, e.times) if pin is not None}
    seen = {**s.answered, **dict.fromkeys(e.periods, r.seq)}
    return replace(s, taken=e.claim, pins={**s.pins, **pins}, answered=seen)


def _measured(s: State, e: ev.Measured, r: Recorded) -> State:
    name = f"{e.signal}@{e.model_version}"
    return replace(
        s,
        measured=put(s.measured, name, put(s.measured.get(name, {}), e.period, e)),
        measured_seq=put(s.measured_seq, f"{name}/{e.period}", r.seq),
    )


def _alarm(s: State, e: ev.AlarmRaised, r: Recorded) -> State:
    return replace(s, alarms=put(s.alarms, e.alarm, Alarm(raised=e, at=r.at, seq=r.seq)))


def _diagnosed(s: State, e: ev.Diagnosed, r: Recorded) -> State:
    known = replace(s.alarms[e.alarm], diagnosis=e, diagnosed_seq=r.seq)
    return replace(s, alarms=put(s.alarms, e.alarm, known))


def _cleared(s: State, e: ev.AlarmCleared, r: Recorded) -> State:
    over = replace(s.alarms[e.alarm], cleared=e.reason, cleared_at=r.at, cleared_seq=r.seq)
    return replace(s, alarms=put(s.alarms, e.alarm, over))


def _incident(s: State, e: ev.IncidentOpened, r: Recorded) -> State:
    return replace(s, incidents=put(s.incidents, e.incident, Incident(opened=e, at=r.at)))


def _incident_over(s: State, e: ev.IncidentClosed, r: Recorded) -> State:
    over = replace(s.incidents[e.incident], resolution=e.resolution, closed_at=r.at)
    return replace(s, incidents=put(s.incidents, e.incident, over))


def _run_started(s: State, e: ev.RunStarted, r: Recorded) -> State:
    known = s.experiments if e.experiment else s.runs
    before = known.get(e.run)
    run = Run(started=e, at=r.at, attempts=before.attempts + 1 if before else 1)
    if e.experiment:
        return replace(s, experiments=put(known, e.run, run))
    return replace(s, runs=put(known, e.run, run))


def _run_finished(s: State, e: ev.RunFinished, r: Recorded) -> State:
    return _run_changed(s, e.run, finished=e)


def _run_failed(s: State, e: ev.RunFailed, r: Recorded) -> State:
    return _run_changed(s, e.run, failed=e)


def _judged(s: State, e: ev.Judged, r: Recorded) -> State:
    return _run_changed(s, e.run, judged=e, judged_at=r.at)


def _run_changed(s: State, name: str, **news: Any) -> State:
    if name in s.experiments:
        tried = replace(s.experiments[name], **news)
        return replace(s, experiments=put(s.experiments, name, tried))
    return replace(s, runs=put(s.runs, name, replace(s.runs[name], **news)))


def _rung(s: State, e: ev.RungSet, r: Recorded) -> State:
    return replace(s, rung=e.rung)


def _scored(s: State, e: ev.Scored, r: Recorded) -> State:
    return replace(
        s,
        scored=put(s.scored, e.period, e),
        scored_seq=put(s.scored_seq, e.period, r.seq),
        scored_at=put(s.scored_at, e.period, r.at),
        pins=put(s.pins, e.pin.table, e.pin),
    )


def _delivered(s: State, e: ev.Delivered, r: Recorded) -> State:
    name = f"{e.period}/{e.sink}"
    made = s.delivered | {(e.period, e.revision, e.sink)}
    late = s.late | {name} if e.late and e.revision == 1 else s.late
    waiting = {k: v for k, v in s.delayed.items() if k != name}
    return replace(s, delivered=made, late=late, delayed=waiting)


def _delayed(s: State, e: ev.DeliveryDelayed, r: Recorded) -> State:
    return replace(s, delayed=put(s.delayed, f"{e.period}/{e.sink}", (e.attempt, r.at)))


def _case(s: State, e: ev.CaseOpened, r: Recorded) -> State:
    return replace(s, cases=put(s.cases, e.case, Case(opened=e, at=r.at, runs=(e.run,))))


def _comment(s: State, e: ev.CaseCommented, r: Recorded) -> State:
    case = s.cases[e.case]
    text = f"{r.role.value} {r.actor}: {e.text}"
    heard = case.heard_at if r.role is Role.CONTROLLER else r.at
    case = replace(case, comments=(*case.comments, text), runs=(*case.runs, e.run), heard_at=heard,
                   escalated=e.escalated_to or case.escalated)  # fmt: skip
    return replace(s, cases=put(s.cases, e.case, case))


def _case_closed(s: State, e: ev.CaseClosed, r: Recorded) -> State:
    case = replace(s.cases[e.case], resolution=e.resolution, closed_at=r.at)
    closed = replace(s, cases=put(s.cases, e.case, case))
    return closed if r.role is Role.CONTROLLER else found_sound(closed, case.opened)


def _retired(s: State, e: ev.Retired, r: Recorded) -> State:
    out = Retirement(at=r.at, actor=r.actor, role=r.role.value, reason=r.reason)
    return replace(s, retired=out)


def _collected(s: State, e: ev.Collected, r: Recorded) -> State:
    def left(held: Mapping[str, int], tables: tuple[str, ...]) -> Mapping[str, int]:
        ours = (t for t in e.periods if not t.startswith("_"))  # a feature view may be called rows
        lost = [e.periods[t] for t in ours if t.rpartition(".")[2] in tables]
        gone = {p for periods in lost for p in periods}
        return {p: seq for p, seq in held.items() if p not in gone}

    # Of runs' own tables each run pins its own version.
    kept = (p for p in e.pins if p.table.rpartition(".")[2] not in OF_RUNS)
    pins = {**s.pins, **{p.table: p for p in kept}}
    # A period without rows is none: it is neither trained on nor measured again.
    periods = left(s.periods, (ROWS,))
    return replace(s, pins=pins, answered=left(s.answered, LOGS), periods=periods)


_STEPS: Mapping[type[ev.Event], Any] = {
    **RELEASES,
    ev.ContractAdopted: _adopted,
    ev.DataAccepted: _accepted,
    ev.ViewMaterialised: _materialised,
    ev.RowsCleaned: lambda s, e, r: replace(s, cleaned=e),
    ev.DataRefused: _refused,
    ev.PeriodChecked: _checked,
    ev.LabelsAccepted: _labelled,
    ev.ActionsAccepted: _acted,
    ev.AnswersTaken: _taken,
    ev.Measured: _measured,
    ev.AlarmRaised: _alarm,
    ev.Diagnosed: _diagnosed,
    ev.NormalAccepted: accepted_normal,
    ev.OnlineUsual: online_usual,
    ev.ThresholdMoved: threshold_moved,
    ev.AlarmCleared: _cleared,
    ev.IncidentOpened: _incident,
    ev.IncidentClosed: _incident_over,
    ev.RunStarted: _run_started,
    ev.RunFinished: _run_finished,
    ev.RunFailed: _run_failed,
    ev.Judged: _judged,
    ev.RungSet: _rung,
    ev.Scored: _scored,
    ev.Delivered: _delivered,
    ev.DeliveryDelayed: _delayed,
    ev.CaseOpened: _case,
    ev.CaseCommented: _comment,
    ev.CaseClosed: _case_closed,
    ev.Paused: lambda s, e, r: replace(s, paused=e),
    ev.Resumed: lambda s, e, r: replace(s, paused=None),
    ev.Retired: _retired,
    ev.Collected: _collected,
    ev.EntityErased: lambda s, e, r: replace(s, erased=s.erased | {e.pseudonym}),
    ev.Reinstated: lambda s, e, r: replace(s, retired=None),
    ev.Ticked: lambda s, e, r: replace(s, last_tick=r.at),
}
