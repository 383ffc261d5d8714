"""How events stand in the ledger: the envelope, the hash chain and the versioned codec."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tamid.core.errors import IntegrityError
from tamid.core.events import Event
from tamid.core.values import Role, canonical_json, digest_bytes, jsonable, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event about to be appended, with who did it and why."""

    event: Event
    at: datetime
    actor: str = "tamid"
    role: Role = Role.CONTROLLER
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event as it stands in the ledger; `hash` covers the content and the hash before it.

    `body` is the exact text that was sealed: it stays as written when a later version adds fields.
    """

    seq: int
    stream: str
    event: Event
    at: datetime
    actor: str
    role: Role
    reason: str
    before: str
    hash: str
    body: str = field(default="", repr=False, compare=False)


GENESIS = "sha256:" + "0" * 64


def chain(stream: str, seq: int, draft: Draft, before: str) -> Recorded:
    """Seal a draft into the chain: its hash covers stream, sequence, content and predecessor.

    The record holds the event as it will be read back: moments in UTC, non-finite numbers as NaN.
    """
    body = body_of(draft)
    return _record(stream, seq, body, before, _seal(stream, seq, body, before))


def reopen(
    stream: str, rows: Iterable[tuple[int, str, str]], after: int = 0, before: str = GENESIS
) -> tuple[Recorded, ...]:
    """Turn stored rows (sequence, body, hash) behind event `after` with hash `before` into records.

    Raises:
        IntegrityError: a row was altered, removed, put in or moved; the message names the first.
    """
    records = []
    for seq, body, sealed in rows:
        if seq != after + 1 or _seal(stream, seq, body, before) != sealed:
            raise _altered(stream, after + 1)
        records.append(_record(stream, seq, body, before, sealed))
        after, before = seq, sealed
    return tuple(records)


def verify_chain(records: Sequence[Recorded], before: str = GENESIS) -> str:
    """Return the head hash; raise IntegrityError at the first record that does not fit."""
    seq = records[0].seq if records else 0
    if before == GENESIS and seq > 1:
        raise _altered(records[0].stream, 1)
    for record in records:
        body = record.body or body_of(draft_of(record))
        sealed = _seal(record.stream, record.seq, body, before)
        if record.seq != seq or record.before != before or record.hash != sealed:
            raise _altered(record.stream, seq)
        if not _same_draft(draft_of(record), _open(body)):
            raise _altered(record.stream, seq)
        seq, before = seq + 1, record.hash
    return before


def draft_of(record: Recorded) -> Draft:
    """Return what was appended, without its place in the chain."""
    return Draft(
        event=record.event, at=record.at, actor=record.actor, role=record.role, reason=record.reason
    )


def body_of(draft: Draft) -> str:
    """Return the one text that stands for a draft in the ledger."""
    return canonical_json(
        {
            "event": encode(draft.event),
            "at": draft.at,
            "actor": draft.actor,
            "role": draft.role,
            "reason": draft.reason,
        }
    )


def encode(event: Event) -> dict[str, Any]:
    """Write an event as plain JSON types with its kind and version."""
    return {"kind": type(event).__name__, "v": event.version, "data": jsonable(event)}


def decode(data: Mapping[str, Any]) -> Event:
    """Read what :func:`encode` wrote; unknown kinds and fields are an error, not a guess.

    A field that was added later takes its default. A number that was not finite is NaN.

    >>> from tamid.core.events import Paused
    >>> decode(encode(Paused(key="p", until="")))
    Paused(key='p', until='')
    """
    kind = _kind(str(data.get("kind")))
    if kind is None:
        raise _foreign(f"an unknown event {data.get('kind')!r}")
    try:
        value = _reader(kind)(data["data"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(f"a {kind.__name__} that cannot be read ({error})") from error
    assert isinstance(value, Event)
    return value


def _seal(stream: str, seq: int, body: str, before: str) -> str:
    return digest_bytes(f'[{canonical_json(stream)},{seq},{body},"{before}"]'.encode())


def _record(stream: str, seq: int, body: str, before: str, sealed: str) -> Recorded:
    draft = _open(body)
    return Recorded(
        seq=seq,
        stream=stream,
        event=draft.event,
        at=draft.at,
        actor=draft.actor,
        role=draft.role,
        reason=draft.reason,
        before=before,
        hash=sealed,
        body=body,
    )


def _open(body: str) -> Draft:
    data = json.loads(body)
    return Draft(
        event=decode(data["event"]),
        at=parse_instant(data["at"]),
        actor=data["actor"],
        role=Role(data["role"]),
        reason=data["reason"],
    )


def _same_draft(one: Draft, two: Draft) -> bool:
    # Equal at first sight, or else equal as text: NaN is not equal to itself.
    return one == two or body_of(one) == body_of(two)


def _altered(stream: str, seq: int) -> IntegrityError:
    return IntegrityError(
        f"ledger stream {stream!r} was altered at event {seq}",
        why="its hash does not cover what stands there",
    )


def _foreign(what: str) -> IntegrityError:
    return IntegrityError(
        f"the ledger holds {what}",
        why="it was written by a newer version, or altered",
        fix="Install the version that wrote it, or run `tamid verify`.",
    )


_KINDS: dict[str, type[Event]] = {}


def _kind(name: str) -> Any:
    if name not in _KINDS:
        _KINDS.update({cls.__name__: cls for cls in _subclasses(Event)})
    return _KINDS.get(name)


def _subclasses(cls: type[Event]) -> list[type[Event]]:
    # A slotted dataclass leaves its unslotted twin among the subclasses until collected.
    found = [s for c in cls.__subclasses__() for s in (c, *_subclasses(c))]
    return [c for c in found if "__slots__" in vars(c)]


@functools.cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """Return the function that reads one type; made once a type, as the ledger is read often."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if kind in (str, int, bool) or origin is Literal:
        return _same
    if kind is float:
        return lambda value: math.nan if value is None else float(value)
    if kind is datetime:
        return parse_instant
    if origin in (typing.Union, types.UnionType):
        some = _reader(next(a for a in inside if a is not type(None)))
        return lambda value: None if value is None else some(value)
    if origin is tuple:
        item = _reader(inside[0])
        return lambda value: tuple([item(v) for v in value])
    if origin is not None:  # Mapping[str, X]
        entry = _reader(inside[1])
        return lambda value: {k: entry(v) for k, v in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind
    return _fields_reader(kind)


def _fields_reader(kind: Any) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = [(f.name, _reader(hints[f.name])) for f in dataclasses.fields(kind)]
    special = [(name, read) for name, read in readers if read is not _same]

    def build(value: Any) -> Any:
        given = dict(value)
        for name, read in special:
            if name in given:
                given[name] = read(given[name])
        return kind(**given)

    return build


def _same(value: Any) -> Any:
    return value
