"""From state and records to the snapshot that every page and command shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tamid.core import events as ev
from tamid.core.paging import QUALITY, budget_of, level_of, realised_of
from tamid.core.policy import policy_of
from tamid.core.rules.cases import answer_due
from tamid.core.rules.release import answers_awaited
from tamid.core.rules.retraining import too_dear
from tamid.core.signals import Signals
from tamid.core.state import Alarm, Case, Run, Version
from tamid.core.values import format_duration
from tamid.core.view.awaited import awaited
from tamid.core.view.estimate import estimate_card
from tamid.core.view.lift import lift_cards
from tamid.core.view.quality import quality_answer, series
from tamid.core.view.runs import code_digest, data_digest
from tamid.core.view.scene import GRACE, Scene, first_lines
from tamid.core.view.service import deliveries, service_answer
from tamid.core.view.snapshot import (
    AlarmCard,
    CaseCard,
    IncidentCard,
    Line,
    RunCard,
    Snapshot,
    Turning,
    VersionCard,
)
from tamid.core.view.tickets import tickets
from tamid.core.view.words import line

# What one look takes in: the last runs, the last periods, the last things that happened.
RUNS = 5
PERIODS = 8
RECENT = 12

# Too frequent to be news: measurements and the machinery of a tick.
_QUIET = (ev.Measured, ev.Decided, ev.Ticked)


def snapshot(scene: Scene) -> Snapshot:
    """Return all that can be said about a model now."""
    state = scene.state
    cards, points = deliveries(scene), series(scene)
    return Snapshot(
        model=scene.model,
        now=scene.now,
        seq=state.seq,
        head=state.head,
        service=service_answer(scene, cards),
        quality=quality_answer(scene, points),
        turning=turning(scene),
        rung=state.rung,
        champion=version_card(scene, state.champion),
        challenger=version_card(scene, state.challenger),
        alarms=tuple(alarm_card(scene, a) for a in state.open_alarms.values()),
        tickets=tickets(scene),
        incidents=_incidents(scene),
        cases=tuple(case_card(scene, n) for n in sorted(state.open_cases)),
        runs=tuple(run_card(scene, n) for n in list(state.runs)[-RUNS:]),
        deliveries=cards[-PERIODS:],
        series=points,
        awaited=awaited(scene, points),
        recent=_recent(scene),
        estimate=estimate_card(scene),
        budget=_budget(scene),
        lifts=lift_cards(state),
    )


def turning(scene: Scene) -> Turning:
    """Return how the loop itself is doing."""
    every, last = scene.contract.monitoring.every, scene.state.last_tick
    paused = _paused(scene)
    return Turning(
        last=last,
        every=format_duration(every),
        due=last + every if last else None,
        overdue=last is not None
        and scene.state.retired is None
        and overdue(last, every, scene.now),
        paused_by=f"{paused.role} {paused.actor}: {paused.reason}" if paused else "",
        retired=scene.state.retired.words if scene.state.retired else "",
        paused_until=scene.state.paused.until if scene.state.paused else "",
    )


def overdue(last: datetime, every: timedelta, now: datetime) -> bool:
    """Say whether a turn that ended at `last` should have been followed by another one by now."""
    return now > last + every * (1 + GRACE)


def version_card(scene: Scene, number: int) -> VersionCard | None:
    """Return what is known of a version, None if there is none of this number."""
    version = scene.state.versions.get(number)
    if version is None:
        return None
    registered = version.registered
    run = scene.state.runs.get(registered.run)
    reign = next((r for r in reversed(scene.state.reigns) if r.number == number), None)
    return VersionCard(
        number=number,
        stage=_stage(scene, number, version),
        since=reign.since if reign else version.stage_at or version.at,
        actor=reign.actor if reign else "",
        role=reign.role if reign else "",
        reason=reign.reason if reign else "",
        run=registered.run,
        trained_through=registered.trained_through,
        bundle=registered.ref.bundle,
        overlay=registered.ref.overlay,
        evidence=reign.evidence if reign else "",
        metrics=run.finished.metrics if run and run.finished else {},
        stopped=version.stopped,
        waits="" if version.stopped else answers_awaited(version),
    )


def alarm_card(scene: Scene, alarm: Alarm) -> AlarmCard:
    """Return an alarm with its diagnosis."""
    raised, known = alarm.raised, alarm.diagnosis
    return AlarmCard(
        alarm=raised.alarm,
        at=alarm.at,
        failure=raised.failure,
        severity=raised.severity,
        message=raised.message,
        periods=raised.periods or (raised.period,),
        noticed_by=raised.noticed_by,
        budget=raised.budget,
        cause=known.cause if known else "",
        confirmed=known.confirmed if known else False,
        route=known.route.value if known else "",
        reasons=known.reasons if known else (),
        left=_left(scene) if raised.signal == QUALITY else "",
        excluded=known.excluded if known else (),
        earlier=(known.earlier or "") if known else "",
    )


def _budget(scene: Scene) -> str:
    """Return how often an alarm about the champion is false, "" where nothing can page yet."""
    found = budget_of(scene.state, level_of(scene.contract))
    return found.words if scene.state.champion and found.signals else ""


def _left(scene: Scene) -> str:
    """Return why a fall of quality is answered by no run for now, or ""."""
    measured = realised_of(scene.state, scene.state.champion)
    signals = Signals(matured=tuple(sorted(measured)))
    return too_dear(policy_of(scene.contract), scene.state, signals)


def case_card(scene: Scene, number: int) -> CaseCard:
    """Return a case with its clock. Raises KeyError."""
    case: Case = scene.state.cases[number]
    by = answer_due(case)
    return CaseCard(
        number=number,
        kind=case.opened.kind,
        role=case.opened.role.value,
        escalated=case.escalated.value if case.escalated else "",
        title=case.opened.title,
        at=case.at,
        answer_by=by,
        overdue=case.closed_at is None and scene.now > by,
        comments=len(case.comments),
        runs=tuple(dict.fromkeys(run for run in case.runs if run)),
        report=case.opened.report,
        closed_at=case.closed_at,
        resolution=case.resolution,
    )


def run_card(scene: Scene, name: str) -> RunCard:
    """Return a run and what came of it. Raises KeyError."""
    run = scene.state.every_run[name]
    version = next((n for n, v in scene.state.versions.items() if v.registered.run == name), 0)
    outcome, why = run_outcome(run)
    return RunCard(
        run=name,
        at=run.at,
        trigger=run.started.trigger,
        reason=run.started.reason,
        outcome=outcome,
        why=why,
        window=run.finished.window if run.finished else run.started.window,
        attempts=run.attempts,
        metrics=run.finished.metrics if run.finished else {},
        seconds=run.finished.seconds if run.finished else None,
        version=version,
        case=run.started.case,
        experiment=run.started.experiment,
        rows=run.finished.rows if run.finished else 0,
        data=data_digest(run),
        code=code_digest(run),
        git=run.started.git,
        dirty=run.started.dirty,
    )


def run_outcome(run: Run) -> tuple[str, str]:
    """Return how a run ended and why: an outcome of the gates, "failed", or "under way"."""
    if run.judged is not None:
        return run.judged.outcome, first_lines(run.judged.reasons, most=1)
    if run.failed is not None:
        return "failed", run.failed.message
    return "under way", "" if run.finished is None else "the gates have not judged it yet"


def versions(scene: Scene) -> tuple[VersionCard, ...]:
    """Return every version, oldest first."""
    cards = (version_card(scene, n) for n in sorted(scene.state.versions))
    return tuple(card for card in cards if card is not None)


def lines(scene: Scene, kinds: Sequence[str] = ()) -> tuple[Line, ...]:
    """Return the events in plain words, of some kinds only if any are named."""
    wanted = {kind.lower() for kind in kinds}
    return tuple(
        line(r) for r in scene.records if not wanted or type(r.event).__name__.lower() in wanted
    )


def _stage(scene: Scene, number: int, version: Version) -> str:
    if number == scene.state.champion:
        return "live"
    if version.stopped:
        return "stopped"
    return "retired" if version.stage == "live" else version.stage


def _incidents(scene: Scene) -> tuple[IncidentCard, ...]:
    return tuple(
        IncidentCard(
            incident=i.opened.incident,
            at=i.at,
            failure=i.opened.failure,
            severity=i.opened.severity,
            message=i.opened.message,
            response=i.opened.response,
        )
        for i in scene.state.open_incidents.values()
    )


def _recent(scene: Scene) -> tuple[Line, ...]:
    news: list[Line] = []
    for record in reversed(scene.records):
        if len(news) == RECENT:
            break
        if not isinstance(record.event, _QUIET):
            news.append(line(record))
    return tuple(reversed(news))


def _paused(scene: Scene) -> Line | None:
    if scene.state.paused is None:
        return None
    found = (r for r in reversed(scene.records) if isinstance(r.event, ev.Paused))
    return next((line(r) for r in found), None)
