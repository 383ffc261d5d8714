"""One turn of one model, as the commands make it: dead holders, overdue turns, the signed head."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.core.errors import Conflict, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tamid.app import App
    from tamid.core.chain import Recorded
    from tamid.core.events import Event
    from tamid.core.state import State
    from tamid.core.view.snapshot import Snapshot
    from tamid.stages.loop import TickReport

HEAD = "head.json"
# Somebody may write while a tick runs (an approval, a comment): the tick is then made again.
_TRIES = 3


def turn(app: App, model: str, stop: Callable[[], bool] = lambda: False) -> TickReport:
    """Turn the loop once; a turn that comes too late leaves an alarm of its own in the ledger.

    Raises:
        Conflict: a living controller holds the model.
    """
    free_the_dead(app, model)
    raised = _raise_overdue(app, model)
    for left in range(_TRIES, 0, -1):
        grown = app.state(model).seq
        try:
            report = app.tick(model, stop)
            break
        except Conflict:
            held = app.leases.held(model)
            by_other = held is not None and held.holder not in ("", app.holder)
            if by_other or left == 1 or app.state(model).seq == grown:
                raise
    if raised:
        _clear(app, model, raised)
    return report


def free_the_dead(app: App, stream: str) -> str:
    """Give back a lease whose holder was a process of this machine that is gone; return who.

    Safe whatever happens: the next holder gets a higher token, so that nothing of the dead one
    could still be written.
    """
    held = app.leases.held(stream)
    if held is None or not held.holder or held.holder == app.holder:
        return ""
    host, _, pid = held.holder.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit() or _lives(int(pid)):
        return ""
    lease = app.leases.acquire(stream, held.holder, app.clock.now(), held.ttl)
    app.leases.release(lease)
    return held.holder


def write_head(app: App, path: Path | None = None) -> Path:
    """Sign the ends of all streams; kept elsewhere, the file proves later that none was cut.

    Raises:
        SystemFailure: the file could not be written; the one before it stays as it was.
    """
    from tamid.core.head import seal_head
    from tamid.core.head import write_head as as_text

    path = path or app.config.store / HEAD
    ends = {s: _last(app, s) for s in app.ledger.streams()}
    signer = app.rig(next(iter(app.models()))).signer
    text = as_text(seal_head(ends, app.clock.now(), signer.sign))
    fresh = path.with_name(path.name + ".tmp")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise SystemFailure(
            f"the signed head {path} could not be written: {error.strerror}",
            why="without it nothing proves later that no event was cut off the ledger's end",
            fix="Free space or mend the folder; the next turn writes it again.",
        ) from error
    return path


def status_of(snapshots: list[Snapshot]) -> int:
    """Return the exit status that the worst condition of all models stands for."""
    codes = {"degraded": 7, "held": 3, "waiting": 4, "fine": 0}
    order = ("degraded", "held", "waiting")
    found = {snap.condition for snap in snapshots}
    return codes[next((c for c in order if c in found), "fine")]


def _raise_overdue(app: App, model: str) -> str:
    from tamid.core.events import AlarmRaised
    from tamid.core.values import format_duration
    from tamid.core.view.build import overdue
    from tamid.core.view.scene import moment

    state, now = app.state(model), app.clock.now()
    if state.last_tick is None or not state.contract or state.retired:
        return ""
    every = app.contract(model).monitoring.every
    if not overdue(state.last_tick, every, now):
        return ""
    due = state.last_tick + every
    name = f"tick/{moment(due)[:10]}"
    if name in state.alarms:
        return name if not state.alarms[name].cleared else ""
    raised = AlarmRaised(
        key=f"alarm/{name}",
        alarm=name,
        signal="tick",
        failure="system_failure",
        severity="warning",
        period=moment(due)[:10],
        noticed_by="schedule",
        message=f"the tick due at {moment(due)} came only at {moment(now)}; "
        f"it is due every {format_duration(every)}",
        budget="none by chance: it is a matter of the clock",
    )
    _say(app, model, raised, now)
    return name


def _clear(app: App, model: str, name: str) -> None:
    from tamid.core.events import AlarmCleared

    event = AlarmCleared(key=f"clear/{name}", alarm=name, reason="the loop turns again")
    _say(app, model, event, app.clock.now())


def _say(app: App, model: str, event: Event, now: datetime) -> State:
    """Append one event of the controller's under the model's lease."""
    from tamid.stages.journal import Journal, holding
    from tamid.stages.loop import LEASE

    with holding(app.leases, model, app.holder, now, LEASE) as lease:
        return Journal(app.ledger, model, token=lease.token).append(event, now)


def _last(app: App, stream: str) -> Recorded | None:
    records = app.ledger.read(stream)
    return records[-1] if records else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
