"""Labels that callers send back by the id of an answer: on the disk before they are told so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec

from tamid.core.spool import LABELS
from tamid.serving.http.wire import Call, Refused, Reply, dumped
from tamid.serving.log.book import NotKept
from tamid.serving.outside import told_of
from tamid.serving.seams import LogBook
from tamid.serving.strict import LONGEST_ID, Malformed, OutsideContract, TooMany, strictly

_LONGEST_VALUE = 200
# Seconds by which the clocks of two machines may differ.
_AHEAD = 300.0
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
_Value = Annotated[str, msgspec.Meta(min_length=1, max_length=_LONGEST_VALUE)]


class _Label(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: _Text
    value: _Value | int | float | bool
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


_one = msgspec.json.Decoder(_Label).decode
_many = msgspec.json.Decoder(list[_Label]).decode


async def keep(call: Call, book: LogBook, most: int) -> Reply:
    """Keep one label or an array of them; the answer comes when they are on the disk.

    Raises:
        Malformed, OutsideContract, TooMany: what was sent is no label; Refused: no room for it.
    """
    labels = _decoded(call.body)
    if len(labels) > most:
        raise TooMany(f"{len(labels)} labels in one request", why=f"at most {most} may come")
    heard = time.time()
    sent: list[Any] = [(label.id, label.value, _when(label.at, heard), heard) for label in labels]
    if sent:
        try:
            await asyncio.to_thread(book.keep, LABELS, msgspec.json.encode({"labels": sent}))
        except NotKept as error:
            raise Refused(503, "not_kept", f"{error.what}: {error.why}") from None
    return Reply(body=dumped({"accepted": len(sent)}), status=202)


def _when(at: datetime | None, heard: float) -> float | None:
    """Return when a label became known, in seconds. Raises OutsideContract."""
    seconds = None if at is None else at.timestamp()
    if seconds is not None and not 0.0 <= seconds <= heard + _AHEAD:
        raise OutsideContract("these are no labels", why="`at` lies ahead of now, or before 1970")
    return seconds


def _decoded(body: bytes) -> Sequence[_Label]:
    strictly(body)
    try:
        return _many(body) if body.lstrip()[:1] == b"[" else [_one(body)]
    except msgspec.ValidationError as error:
        why = told_of(error, _Label.__struct_fields__)
        raise OutsideContract("these are no labels", why=why) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Malformed("the body is not JSON", why=str(error)[:300]) from None
