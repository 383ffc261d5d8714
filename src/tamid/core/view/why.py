"""Why something is as it is: the chain of evidence out of the ledger, first cause first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.errors import NotFound, UsageError
from tamid.core.estimates import SIGNAL
from tamid.core.repairs import concerned
from tamid.core.state import SUSPECTED
from tamid.core.view.evidence import Explanation, step
from tamid.core.view.scene import Scene, moment
from tamid.core.watching import SIDE_BY_SIDE

KINDS = ("tick", "run", "version", "case", "alarm", "incident", "delivery", "period", "event")

# How many measurements before an alarm show how the quality got there.
BEFORE_ALARM = 6


def explain(scene: Scene, kind: str = "", ident: str = "") -> Explanation:
    """Explain one thing; without a name the latest of its kind, without a kind the last tick.

    Raises:
        NotFound: there is no such thing; UsageError: the kind is unknown or cannot be guessed.
    """
    if kind and kind not in KINDS:
        if ident:
            raise UsageError(
                f"{kind!r} is nothing that can be explained",
                why=f"the kinds are {', '.join(KINDS)}",
                fix="Name one of them, such as `tamid why run run-0002`.",
            )
        kind, ident = _guessed(scene, kind), kind
    return _EXPLAIN[kind or "tick"](scene, ident)


def _guessed(scene: Scene, ident: str) -> str:
    state = scene.state
    if ident in state.runs:
        return "run"
    if ident in state.alarms:
        return "alarm"
    if ident in state.incidents:
        return "incident"
    if ident in state.scored or ident in state.periods or ident in state.latest:
        return "period"
    raise UsageError(
        f"it is not clear what {ident!r} is",
        why="no run, alarm, incident or period has this name",
        fix=f"Say of which kind it is: {', '.join(KINDS)}.",
    )


def _chosen(what: str, ident: str, known: Mapping[str, Any]) -> str:
    if not ident and known:
        return list(known)[-1]
    if ident in known:
        return ident
    near = [name for name in known if ident and ident in name]
    if len(near) == 1:
        return near[0]
    listed = ", ".join(list(known)[-8:]) or "none so far"
    raise NotFound(
        f"there is no {what} {ident!r}" if ident else f"there is no {what} yet",
        why=f"known: {listed}",
        fix=f"Name one of them: `tamid why {what} ...`.",
    )


def _numbered(what: str, ident: str, known: Mapping[int, Any]) -> int:
    return int(_chosen(what, ident.lstrip("v#"), {str(n): n for n in sorted(known)}))


def _explained(
    scene: Scene, kind: str, ident: str, headline: str, keep: Callable[[Recorded], bool]
) -> Explanation:
    steps = tuple(step(r) for r in scene.records if keep(r))
    return Explanation(kind=kind, ident=ident, headline=headline, steps=steps)


def _tick(scene: Scene, ident: str) -> Explanation:
    """Explain one turn: all that was written between the end of the turn before and its own end."""
    ends = [r for r in scene.records if isinstance(r.event, ev.Ticked)]
    names = {str(getattr(r.event, "tick", "")): r for r in ends}
    if not names:
        raise NotFound("there was no tick yet", fix="Run `tamid tick`.")
    matching = {n: r for n, r in names.items() if n.startswith(ident)} if ident else names
    if not matching:
        _chosen("tick", ident, names)
    name, end = list(matching.items())[-1]
    before = max((r.seq for r in ends if r.seq < end.seq), default=0)
    inside = [r for r in scene.records if before < r.seq <= end.seq]
    decided = [r for r in inside if isinstance(r.event, ev.Decided)]
    said = f"decided {len(decided)} times" if decided else "found nothing to decide"
    headline = f"The tick of {moment(end.at)} wrote {len(inside)} events and {said}."
    return _explained(scene, "tick", name, headline, lambda r: before < r.seq <= end.seq)


def _run(scene: Scene, ident: str) -> Explanation:
    name = _chosen("run", ident, scene.state.every_run)
    started = scene.state.every_run[name].started
    headline = f"{name} ({started.trigger}): {started.reason}"
    keep = _about_run(scene, name)
    return _explained(scene, "run", name, headline, keep)


def _about_run(scene: Scene, name: str) -> Callable[[Recorded], bool]:
    """Tell the records of a run: its own, its version's registration, its case, its alarm."""
    at = scene.state.every_run[name].at
    alarms = {
        a.raised.alarm
        for a in scene.state.alarms.values()
        if a.at <= at and (a.cleared_at is None or a.cleared_at >= at)
    }
    of_quality = scene.state.every_run[name].started.trigger == "quality"

    def keep(record: Recorded) -> bool:
        event = record.event
        if isinstance(event, (ev.AlarmRaised, ev.Diagnosed)):
            return of_quality and event.alarm in alarms
        return getattr(event, "run", None) == name

    return keep


def _version(scene: Scene, ident: str) -> Explanation:
    known = scene.state.versions
    number = _numbered("version", ident or str(scene.state.champion or ""), known)
    version = known[number]
    run = version.registered.run
    of_run = _about_run(scene, run) if run in scene.state.runs else lambda r: False

    def keep(record: Recorded) -> bool:
        event = record.event
        if isinstance(event, ev.Promoted):
            return number in (event.number, event.previous)
        if isinstance(event, ev.RolledBack):
            return number in (event.number, event.back_to)
        if isinstance(event, ev.Measured) and event.signal in SIDE_BY_SIDE:
            return event.model_version == number
        own = (ev.StageEntered, ev.ReleaseStopped, ev.ApprovalGiven, ev.ApprovalRefused)
        return (isinstance(event, own) and event.number == number) or of_run(record)

    stage = "the champion" if number == scene.state.champion else version.stage
    headline = f"Version {number} came from {run} and is {stage}" + (
        f", stopped: {version.stopped}" if version.stopped else ""
    )
    return _explained(scene, "version", str(number), headline, keep)


def _case(scene: Scene, ident: str) -> Explanation:
    number = _numbered("case", ident, scene.state.cases)
    case = scene.state.cases[number]
    about, runs = case.opened.about, {run for run in case.runs if run}

    def keep(record: Recorded) -> bool:
        event = record.event
        if isinstance(event, (ev.AlarmRaised, ev.Diagnosed, ev.AlarmCleared)):
            return about == f"alarm/{event.alarm}"
        if isinstance(event, ev.DataRefused):
            return concerned(about, event)
        if isinstance(event, ev.PeriodChecked):
            return about.startswith(SUSPECTED) and event.suspected
        if isinstance(event, (ev.RunStarted, ev.RunFinished, ev.RunFailed, ev.Judged)):
            return event.run in runs or getattr(event, "case", 0) == number
        return getattr(event, "case", None) == number

    state = f"closed: {case.resolution}" if case.resolution else "open"
    return _explained(scene, "case", str(number), f"{case.opened.title} ({state})", keep)


def _alarm(scene: Scene, ident: str) -> Explanation:
    name = _chosen("alarm", ident, scene.state.alarms)
    alarm = scene.state.alarms[name]
    raised = next(r.seq for r in scene.records if getattr(r.event, "alarm", "") == name)
    before = [
        r.seq
        for r in scene.records
        if isinstance(r.event, ev.Measured)
        and (r.event.signal == alarm.raised.signal or _estimated(alarm.raised, r.event))
        and r.seq < raised
    ][-BEFORE_ALARM:]

    def keep(record: Recorded) -> bool:
        event = record.event
        if isinstance(event, (ev.IncidentOpened, ev.IncidentClosed)):
            return event.incident == f"alarm/{name}"
        if isinstance(event, ev.CaseOpened):
            return event.about == f"alarm/{name}"
        return record.seq in before or getattr(event, "alarm", None) == name

    return _explained(scene, "alarm", name, alarm.raised.message, keep)


def _estimated(raised: ev.AlarmRaised, seen: ev.Measured) -> bool:
    """Say whether this is what was estimated of the alarm's periods before their labels."""
    return seen.signal == SIGNAL and seen.period in (raised.periods or (raised.period,))


def _incident(scene: Scene, ident: str) -> Explanation:
    name = _chosen("incident", ident, scene.state.incidents)
    opened = scene.state.incidents[name].opened
    return _explained(
        scene, "incident", name, opened.message, lambda r: getattr(r.event, "incident", "") == name
    )


def _period(scene: Scene, ident: str) -> Explanation:
    known = sorted({*scene.state.scored, *scene.state.periods, *scene.state.latest})
    name = _chosen("period", ident, dict.fromkeys(known))

    def keep(record: Recorded) -> bool:
        event = record.event
        if isinstance(event, (ev.DataAccepted, ev.DataRefused, ev.LabelsAccepted)):
            return name in event.periods
        return getattr(event, "period", None) == name

    return _explained(scene, "period", name, f"What happened to period {name}", keep)


def _delivery(scene: Scene, ident: str) -> Explanation:
    name = _chosen("delivery", ident, dict.fromkeys(sorted(scene.state.scored)))
    kinds = (ev.Scored, ev.Delivered, ev.DeliveryDelayed)
    scored = scene.state.scored[name]
    headline = (
        f"{name}, revision {scored.revision}: {scored.rows} answers by version {scored.number}"
    )
    first = next(
        r.seq for r in scene.records if isinstance(r.event, ev.Scored) and r.event.period == name
    )
    rungs = [r.seq for r in scene.records if isinstance(r.event, ev.RungSet) and r.seq < first]

    def keep(record: Recorded) -> bool:
        event = record.event
        return (isinstance(event, kinds) and event.period == name) or record.seq in rungs[-1:]

    return _explained(scene, "delivery", name, headline, keep)


def _event(scene: Scene, ident: str) -> Explanation:
    known = {str(r.seq): r for r in scene.records}
    record = known[_chosen("event", ident, known)]
    headline = f"Event {record.seq}, a {type(record.event).__name__}"
    return _explained(scene, "event", str(record.seq), headline, lambda r: r.seq == record.seq)


_EXPLAIN: Mapping[str, Callable[[Scene, str], Explanation]] = {
    "tick": _tick,
    "run": _run,
    "version": _version,
    "case": _case,
    "alarm": _alarm,
    "incident": _incident,
    "delivery": _delivery,
    "period": _period,
    "event": _event,
}
