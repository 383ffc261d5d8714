"""Taking in what servers wrote down: each segment exactly once, whatever dies on the way.

A claim is written under its own name, told of in one append, and discarded: a turn that died
before the append finds its writes by their key, one that died after it only discards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import AnswersTaken, Event, IncidentClosed, IncidentOpened
from tamid.core.spool import BEGIN, TOLD, Segment
from tamid.core.state import State
from tamid.core.values import PERIOD, TablePin, instant
from tamid.ports import Claim
from tamid.stages.alone import count_answers
from tamid.stages.answered import SERVED, TIMINGS, answers, times, totals
from tamid.stages.journal import Journal
from tamid.stages.posted import posted
from tamid.stages.rig import Rig

# Open incidents that a server told of; `server/process/` is a server that was killed.
SERVER, _PROCESS = "server/", "server/process/"
# What a server tells of itself, and can no longer take back once it is gone.
_OF_A_PROCESS = ("worker", "breaker", "rung", "log")
_KILLED = (
    "what it had brought to the disk is taken; at most the last quarter of a second of its answers "
    "is missing in the log, no answer was"
)


def take_in(rig: Rig, journal: Journal, now: datetime, token: int) -> int:
    """Take in all that is ready, claim by claim; return how many claims there were."""
    if rig.spool is None:
        return 0
    contract, done = rig.contract(journal.state.contract), 0
    while (claim := rig.spool.claim()) is not None:
        if journal.state.taken != claim.name:
            journal.append_all(_taken(rig, contract, journal.state, claim, now, token), now)
        rig.spool.discard(claim.name)
        done += 1
    return done


def _taken(
    rig: Rig, contract: Contract, state: State, claim: Claim, now: datetime, token: int
) -> Iterator[Event]:
    segments = list(claim.segments.values())
    rows = answers(contract, segments, now)
    pin = _stored(rig, SERVED, claim, rows, token)
    clocked = _stored(rig, TIMINGS, claim, times(contract, segments, now), token)
    answered, lost = totals(segments)
    killed = tuple(str(body["process"]) for s in segments if not s.sealed for body in s.of(BEGIN))
    periods = tuple(rows.get_column(PERIOD).unique().sort())
    labels = posted(rig, contract, state, claim, pin, periods, now, token)
    yield AnswersTaken(
        key=f"{rig.model}.{SERVED}/{claim.name}",
        claim=claim.name,
        segments=len(segments),
        pin=pin,
        times=clocked,
        rows=rows.height,
        answered=answered,
        lost=lost,
        periods=periods,
        killed=killed,
        unknown=labels.unknown,
        invalid=labels.invalid,
    )
    if labels.event is not None:
        yield labels.event
    yield from count_answers(rig, state, claim.name, rows)
    yield from _incidents(state, _notices(segments))


def _stored(rig: Rig, name: str, claim: Claim, frame: pl.DataFrame, token: int) -> TablePin | None:
    table = rig.table(name)
    key = f"{table}/{claim.name}"
    found = rig.tables.find(table, key)
    if found is None and not frame.is_empty():
        found = rig.tables.write(table, frame, key=key, token=token, mode="append")
    return found


def _notices(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Return what was told, in its order, and what follows from processes that were killed."""
    found: list[dict[str, Any]] = []
    for segment in segments:
        told = [notice for body in segment.of(TOLD) for notice in body["notices"]]
        found += told
        for body in segment.of(BEGIN):
            last = max([body["began"], *(notice["at"] for notice in told)])
            if segment.sealed:
                over = {"open": False, "at": body["began"], "text": "a server answers again"}
                found.append({"name": "process", **over})
                continue
            gone = {"open": False, "at": last, "text": "its server is gone"}
            found += [{"name": kind, **gone} for kind in _OF_A_PROCESS]
            text = f"server process {body['process']} ended without saying so: {_KILLED}"
            name = f"process/{body['process']}"
            found.append({"name": name, "open": True, "at": last, "text": text})
    return sorted(found, key=lambda notice: float(notice["at"]))


def _incidents(state: State, notices: list[dict[str, Any]]) -> Iterator[Event]:
    """Yield incidents that begin and end; each is a failure of the system, and only that."""
    open_ = {name for name in state.open_incidents if name.startswith(SERVER)}
    for notice in notices:
        about = SERVER + notice["name"]
        same = sorted(n for n in open_ if n == about or n.startswith(about + "/"))
        if notice["open"] and not same:
            incident = f"{about}/{_stamp(notice['at'])}"
            if incident in state.incidents:
                continue
            open_.add(incident)
            yield IncidentOpened(
                key=f"incident/{incident}",
                incident=incident,
                failure="system_failure",
                severity=notice.get("severity", "warning"),
                noticed_by="the server",
                message=notice["text"],
                response=notice.get("response", "lower rungs answer meanwhile; nothing is trained"),
            )
        elif not notice["open"]:
            for incident in same:
                open_.discard(incident)
                yield IncidentClosed(
                    key=f"close/{incident}", incident=incident, resolution=notice["text"]
                )


def _stamp(seconds: float) -> str:
    return instant(datetime.fromtimestamp(seconds, UTC))
