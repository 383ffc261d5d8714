"""The signed head of a workspace: what proves later that no stream was cut short or replaced.

Kept outside the workspace (a file elsewhere, an e-mail, a git tag) it shows up a deleted tail,
which a hash chain alone cannot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tamid.core.chain import Recorded
from tamid.core.errors import IntegrityError
from tamid.core.values import canonical_json, instant, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """The last event of a stream: its number and hash."""

    stream: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceHead:
    """The heads of all streams at a moment, sorted by name, with a signature over them."""

    at: datetime
    streams: tuple[StreamHead, ...]
    signature: str = ""


def seal_head(
    ends: Mapping[str, Recorded | None], at: datetime, sign: Callable[[bytes], str]
) -> WorkspaceHead:
    """Return the signed head over the last event of each stream; empty streams are left out."""
    streams = tuple(
        StreamHead(stream=name, seq=end.seq, hash=end.hash)
        for name, end in sorted(ends.items())
        if end is not None
    )
    head = WorkspaceHead(at=at, streams=streams)
    return replace(head, signature=sign(_message(head)))


def verify_head(
    head: WorkspaceHead,
    streams: Mapping[str, Sequence[Recorded]],
    verify: Callable[[bytes, str], None],
) -> None:
    """Check a head against whole streams (from event 1): they may have grown, nothing else.

    Raises:
        IntegrityError: the signature does not hold, or a stream is gone, shorter or different;
            the message names every such stream.
    """
    verify(_message(head), head.signature)
    problems = [p for end in head.streams if (p := _problem(end, streams.get(end.stream, ())))]
    if problems:
        raise IntegrityError(
            "; ".join(problems),
            why=f"the workspace head signed at {instant(head.at)} says otherwise",
        )


def write_head(head: WorkspaceHead) -> str:
    """Return the head as one line of canonical JSON."""
    return canonical_json(head)


def read_head(text: str) -> WorkspaceHead:
    """Read what :func:`write_head` wrote.

    Raises:
        IntegrityError: the text is not a workspace head.
    """
    try:
        data = json.loads(text)
        streams = tuple(
            StreamHead(stream=str(s["stream"]), seq=int(s["seq"]), hash=str(s["hash"]))
            for s in data["streams"]
        )
        at, signature = parse_instant(data["at"]), str(data["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError("this is not a workspace head", why=str(error)) from error
    return WorkspaceHead(at=at, streams=streams, signature=signature)


def _message(head: WorkspaceHead) -> bytes:
    return canonical_json(["tamid workspace head", head.at, head.streams]).encode()


def _problem(end: StreamHead, records: Sequence[Recorded]) -> str:
    if len(records) < end.seq:
        return f"stream {end.stream!r} ends at event {len(records)}, signed were {end.seq}"
    if records[end.seq - 1].hash != end.hash:
        return f"stream {end.stream!r} is another one up to event {end.seq}"
    return ""
