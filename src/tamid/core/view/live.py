"""Which version was live on a date, by whose decision, on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from tamid.core import events as ev
from tamid.core.errors import UsageError
from tamid.core.ladder import CHAMPION
from tamid.core.state import Reign
from tamid.core.view.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A stretch of a version's reign, with the decision and the evidence behind it.

    `event` and `hash` name the record of the decision; `approvals` says who agreed to the release;
    `rungs` are the rungs that answered first meanwhile, with the moment from which they did.
    """

    number: int
    since: datetime
    until: datetime | None
    actor: str
    role: str
    reason: str
    evidence: str
    bundle: str
    overlay: str
    run: str
    contract: str
    event: int
    hash: str
    approvals: tuple[str, ...] = ()
    rungs: tuple[tuple[str, datetime], ...] = ()


def span_of(text: str, scene: Scene) -> tuple[datetime, datetime]:
    """Return the first and last moment that a date (or a moment) means in the contract's calendar.

    Raises:
        UsageError: it is neither, or it has not come yet.
    """
    try:
        if len(text) == 10:
            start = datetime.combine(date.fromisoformat(text), time(), tzinfo=scene.zone)
            end = start + timedelta(days=1)
        else:
            start = datetime.fromisoformat(text)
            start = start if start.tzinfo else start.replace(tzinfo=scene.zone)
            end = start + timedelta(microseconds=1)
    except ValueError:
        raise UsageError(
            f"{text!r} is not a date",
            why="a date such as 2026-03-01, or a moment such as 2026-03-01T06:00, is needed",
            fix="Write the date as year-month-day.",
        ) from None
    if start > scene.now:
        raise UsageError(
            f"{text} has not come yet",
            why="which version will be live then, nobody can know",
            fix="Name today or a day before.",
        )
    return start.astimezone(UTC), end.astimezone(UTC)


def live_between(scene: Scene, start: datetime, end: datetime) -> tuple[Live, ...]:
    """Return the reigns that were in force at some moment in start <= t < end, oldest first."""
    reigns = scene.state.reigns
    found = []
    for place, reign in enumerate(reigns):
        until = reigns[place + 1].since if place + 1 < len(reigns) else None
        if reign.since < end and (until is None or until > start):
            found.append(_live(scene, reign, until, start, end))
    return tuple(found)


def _live(
    scene: Scene, reign: Reign, until: datetime | None, start: datetime, end: datetime
) -> Live:
    registered = scene.state.versions[reign.number].registered
    record = next(r for r in scene.records if r.seq == reign.seq)
    return Live(
        number=reign.number,
        since=reign.since,
        until=until,
        actor=reign.actor,
        role=reign.role,
        reason=reign.reason,
        evidence=reign.evidence,
        bundle=registered.ref.bundle,
        overlay=registered.ref.overlay,
        run=registered.run,
        contract=registered.contract,
        event=reign.seq,
        hash=record.hash,
        approvals=_approvals(scene, reign),
        rungs=_rungs(scene, max(start, reign.since), min(end, until or end)),
    )


def _approvals(scene: Scene, reign: Reign) -> tuple[str, ...]:
    return tuple(
        f"{r.role.value} {r.actor}: {r.reason}"
        for r in scene.records
        if isinstance(r.event, ev.ApprovalGiven)
        and r.event.number == reign.number
        and r.seq < reign.seq
    )


def _rungs(scene: Scene, start: datetime, end: datetime) -> tuple[tuple[str, datetime], ...]:
    """Return the first rungs of the ladder between two moments, if one was not the champion."""
    rung, since, found = CHAMPION, start, []
    for record in scene.records:
        if not isinstance(record.event, ev.RungSet) or record.at >= end:
            continue
        if record.at > start:
            found.append((rung, since))
            since = record.at
        rung = record.event.rung
    found.append((rung, since))
    return tuple(found) if any(name != CHAMPION for name, _ in found) else ()
