"""How events stand in the ledger: the envelope, the hash chain and the versioned codec."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tamid.core.errors import IntegrityError
from tamid.core.events import Event
from tamid.core.values import Role, digest_of, jsonable, parse_instant


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
    """An event as it stands in the ledger; `hash` covers the content and the hash before it."""

    seq: int
    stream: str
    event: Event
    at: datetime
    actor: str
    role: Role
    reason: str
    before: str
    hash: str


GENESIS = "sha256:" + "0" * 64


def chain(stream: str, seq: int, draft: Draft, before: str) -> Recorded:
    """Seal a draft into the chain: its hash covers stream, sequence, content and predecessor."""
    sealed = digest_of([stream, seq, _envelope(draft), before])
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
    )


def verify_chain(records: Sequence[Recorded], before: str = GENESIS) -> str:
    """Return the head hash; raise IntegrityError at the first record that does not fit."""
    for record in records:
        again = chain(record.stream, record.seq, draft_of(record), before)
        if record.before != before or again.hash != record.hash:
            raise IntegrityError(
                f"ledger stream {record.stream!r} was altered at event {record.seq}",
                why="its hash does not cover what stands there",
            )
        before = record.hash
    return before


def draft_of(record: Recorded) -> Draft:
    """Return what was appended, without its place in the chain."""
    return Draft(
        event=record.event, at=record.at, actor=record.actor, role=record.role, reason=record.reason
    )


def encode(event: Event) -> dict[str, Any]:
    """Write an event as plain JSON types with its kind and version."""
    body = jsonable(event)
    assert isinstance(body, dict)
    return {"kind": type(event).__name__, "v": event.version, **body}


def decode(data: Mapping[str, Any]) -> Event:
    """Read what :func:`encode` wrote; unknown kinds are an integrity error, not a guess.

    >>> decode(encode(Paused(key="p", until="")))
    Paused(key='p', until='')
    """
    kinds = {cls.__name__: cls for cls in _subclasses(Event)}
    kind = kinds.get(str(data.get("kind")))
    if kind is None:
        raise IntegrityError(f"the ledger holds an unknown event {data.get('kind')!r}")
    value = _restore(kind, {k: v for k, v in data.items() if k not in ("kind", "v")})
    assert isinstance(value, Event)
    return value


def _envelope(draft: Draft) -> dict[str, Any]:
    return {
        "event": encode(draft.event),
        "at": draft.at,
        "actor": draft.actor,
        "role": draft.role,
        "reason": draft.reason,
    }


def _subclasses(cls: type) -> list[type]:
    return [s for c in cls.__subclasses__() for s in (c, *_subclasses(c))]


def _restore(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if value is None or kind in (str, int, bool) or origin is Literal:
        return value
    if kind is float:
        return float(value)
    if kind is datetime:
        return parse_instant(value)
    if origin in (typing.Union, types.UnionType):
        inner = next(a for a in typing.get_args(kind) if a is not type(None))
        return _restore(inner, value)
    if origin is tuple:
        return tuple(_restore(typing.get_args(kind)[0], v) for v in value)
    if origin is not None:  # Mapping[str, X]
        return {k: _restore(typing.get_args(kind)[1], v) for k, v in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    hints = typing.get_type_hints(kind)
    return kind(**{k: _restore(hints[k], v) for k, v in value.items()})
