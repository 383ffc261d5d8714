"""What a tracking server is shown of a model: runs, what was tried in them, numbers of production.

Each piece of work is told with all that is known of it by now, so that telling it twice is telling
it once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.errors import NotFound
from tamid.core.state import Run, State
from tamid.core.values import digest_of
from tamid.ports import Blobs, Exhibit, Reading

_DAY_ONE = date(1970, 1, 1)


def home_of(records: Sequence[Recorded]) -> str:
    """Return what tells a ledger from every other one: the beginning of its first event's hash."""
    return records[0].hash.rpartition(":")[2][:8] if records else ""


def key_of(home: str, run: str) -> str:
    """Return the key of a run of a ledger."""
    return f"{home}/{run}"


def run_shown(home: str, state: State, run: Run, ended: datetime | None) -> Exhibit:
    """Return a run with all that is known of it by now."""
    start, finished, judged = run.started, run.finished, run.judged
    params = {
        "trigger": start.trigger,
        "window": start.window,
        "seed": str(start.seed),
        "periods": str(len(start.periods)),
        "first_period": min(start.periods, default=""),
        "last_period": max(start.periods, default=""),
        "contract": start.contract,
        "code": digest_of(start.code),
        "data": digest_of(start.pins),
    }
    tags = {
        "reason": start.reason, "git": start.git, "dirty": str(start.dirty).lower(),
        "environment": start.environment, "attempts": str(run.attempts), "branch": start.branch,
        "experiment": "true" if start.experiment else "",
    }  # fmt: skip
    tags |= {f"pin.{pin.table}": f"{pin.version} {pin.digest}" for pin in start.pins}
    readings: list[Reading] = []
    if finished is not None and ended is not None:
        tags |= {"bundle": finished.bundle, "chosen_window": finished.window}
        costs = {"rows": finished.rows, "seconds": finished.seconds, "peak_mb": finished.peak_mb}
        readings += _readings({**finished.metrics, **costs}, ended)
    if run.failed is not None:
        tags |= {"failure": run.failed.failure, "error": run.failed.message}
    if judged is not None and run.judged_at is not None:
        tags |= {"outcome": judged.outcome, "reasons": "; ".join(judged.reasons)}
        if gap := judged.difference:
            found = {"point": gap.point, "low": gap.low, "high": gap.high}
            named = {f"difference.{name}": value for name, value in found.items()}
            readings += _readings(named, run.judged_at)
    for number, version in state.versions.items():
        if version.registered.run == start.run:
            tags["version"] = str(number)
    failed = run.failed is not None
    return Exhibit(
        key=key_of(home, start.run),
        title=start.run,
        began=run.at,
        status="failed" if failed else "finished" if finished else "running",
        ended=ended if finished or failed else None,
        params={name: text for name, text in params.items() if text},
        tags={name: text for name, text in tags.items() if text},
        readings=readings,
    )


def trials_shown(
    home: str, blobs: Blobs, finished: ev.RunFinished, at: datetime
) -> Iterator[Exhibit]:
    """Yield what was tried on the way to a candidate: sets of parameters, then windows."""
    report, run = _json(blobs, finished.report), key_of(home, finished.run)
    for trial in report.get("trials", ()):
        number = int(trial["number"])
        yield _tried(run, f"trial {number}", trial["params"], trial, number, at)
    for i, window in enumerate(report.get("windows", ())):
        name = str(window.get("window", i))
        yield _tried(run, f"window {name}", {"window": name}, window, i, at)


def _tried(
    run: str,
    title: str,
    params: Mapping[str, object],
    found: Mapping[str, object],
    step: int,
    at: datetime,
) -> Exhibit:
    numbers = {
        k: float(v) for k, v in found.items()
        if isinstance(v, (int, float)) and not isinstance(v, bool) and k != "number"
    }  # fmt: skip
    return Exhibit(
        key=f"{run}/{title}",
        title=title,
        began=at,
        status="finished",
        ended=at,
        parent=run,
        params={str(k): str(v) for k, v in params.items()},
        readings=_readings(numbers, at, step),
    )


def production_shown(home: str, state: State, chunk: Sequence[Recorded]) -> Iterator[Exhibit]:
    """Yield what was measured in production, one piece of work a version; 0 is the data itself."""
    found: dict[int, list[Reading]] = {}
    for r in chunk:
        if isinstance(r.event, ev.Measured):
            found.setdefault(r.event.model_version, []).extend(_measured(r.event, r))
    for number, readings in sorted(found.items()):
        version = state.versions.get(number)
        stopped = version.stopped if version else ""
        yield Exhibit(
            key=key_of(home, f"production/{number}"),
            title=f"version {number} in production" if number else "data in production",
            began=version.at if version else chunk[0].at,
            status="finished" if stopped else "running",
            ended=chunk[-1].at if stopped else None,
            tags={"stopped": stopped} if stopped else {},
            readings=readings,
        )


def _measured(event: ev.Measured, record: Recorded) -> Iterator[Reading]:
    values = {event.signal: event.value, f"{event.signal}.matured": event.matured}
    if event.interval is not None:
        values[f"{event.signal}.low"] = event.interval.low
        values[f"{event.signal}.high"] = event.interval.high
    yield from _readings(values, record.at, _step(event.period, record.seq))


def _step(period: str, seq: int) -> int:
    """Return the place of a period on an axis: its day since 1970, else when it was told."""
    try:
        return (date.fromisoformat(period[:10]) - _DAY_ONE).days
    except ValueError:
        return seq


def _readings(values: Mapping[str, float], at: datetime, step: int = 0) -> list[Reading]:
    known = {name: float(value) for name, value in values.items() if math.isfinite(value)}
    return [Reading(name=name, value=value, at=at, step=step) for name, value in known.items()]


def _json(blobs: Blobs, digest: str) -> Mapping[str, Any]:
    try:
        found = json.loads(blobs.get(digest))
    except NotFound:
        return {}
    return found if isinstance(found, dict) else {}
