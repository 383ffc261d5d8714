"""What the server leaves for the controller: segments of blocks, each with a checksum.

A segment is a file that only grows. It begins with `MAGIC`; each block is a head (mark, kind,
length, CRC-32 of kind and body) and a body in JSON. A segment that was closed in order ends with a
block of kind `END`, which holds the CRC-32 over the heads of all before it: the commit marker. Of a
segment without it (its writer was killed) every whole block counts, and what was torn off is told.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tamid.core.tensored import plain

MAGIC = b"TAMID-SPOOL-1\n"
BEGIN, ROWS, LABELS, TOLD, TIMES, END = 1, 2, 3, 4, 5, 6
# Bodies above this are no work of ours: a length that was hit by a fault must not fill the memory.
MOST_BODY = 64 * 2**20
# In a block of rows: some were asked as tensors; the columns of each tensor that holds several.
TENSORS = "tensors"

_HEAD = struct.Struct(">4sBII")
_MARK = b"\xfetb\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One committed piece of a segment."""

    kind: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What a segment holds; `sealed`: it ends as it should; `torn`: bytes that cannot be read."""

    blocks: tuple[Block, ...]
    sealed: bool
    torn: int = 0

    def of(self, kind: int) -> Iterable[Mapping[str, Any]]:
        """Return the bodies of one kind, in order."""
        return (block.body for block in self.blocks if block.kind == kind)


def block(kind: int, body: bytes) -> bytes:
    """Return a block as it stands in a segment; `body` is JSON in UTF-8."""
    check = zlib.crc32(body, kind)
    return _HEAD.pack(_MARK, kind, len(body), check) + body


def run_on(before: int, written: bytes) -> int:
    """Return the checksum of all checksums after one more block; it begins with 0."""
    return zlib.crc32(written[: _HEAD.size], before)


def end(before: int) -> bytes:
    """Return the last block; `before` is what :func:`run_on` came to."""
    return block(END, json.dumps({"checks": before}).encode())


def read_segment(content: bytes) -> Segment:
    """Return all whole blocks from the front; whatever the bytes are, it never raises.

    >>> first = block(ROWS, b'{"a":1}')
    >>> sealed = MAGIC + first + end(run_on(0, first))
    >>> read_segment(sealed).sealed, read_segment(sealed[:-1]).sealed
    (True, False)
    >>> [b.body for b in read_segment(sealed[:-1]).blocks]
    [{'a': 1}]
    """
    if not content.startswith(MAGIC):
        return Segment(blocks=(), sealed=False, torn=len(content))
    place, found, checks = len(MAGIC), list[Block](), 0
    while (read := _block(content, place)) is not None:
        kind, body, after = read
        if kind == END:
            sealed = body.get("checks") == checks and after == len(content)
            torn = 0 if sealed else len(content) - place
            return Segment(blocks=tuple(found), sealed=sealed, torn=torn)
        found.append(Block(kind=kind, body=body))
        place, checks = after, run_on(checks, content[place:after])
    return Segment(blocks=tuple(found), sealed=False, torn=len(content) - place)


def _block(content: bytes, place: int) -> tuple[int, Mapping[str, Any], int] | None:
    start = place + _HEAD.size
    if start > len(content):
        return None
    mark, kind, length, check = _HEAD.unpack_from(content, place)
    body = content[start : start + length]
    if (
        mark != _MARK
        or length > MOST_BODY
        or len(body) != length
        or zlib.crc32(body, kind) != check
    ):
        return None
    try:
        found = json.loads(body)
        if kind == ROWS and isinstance(found, dict) and TENSORS in found:
            parts = found.pop(TENSORS)
            found["rows"] = [(at, plain(row, parts), told) for at, row, told in found["rows"]]
    except (ValueError, RecursionError):
        return None
    return (kind, found, start + length) if isinstance(found, dict) else None
