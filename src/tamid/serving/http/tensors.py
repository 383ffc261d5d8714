"""Values of tensors: strict where they come as JSON, little-endian where they come packed."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

from tamid.core.tensored import CODES
from tamid.serving.strict import Malformed, OutsideContract


def _most(kind: str) -> int:
    """Return the largest whole number that a datatype of numbers holds."""
    if kind.startswith("FP"):
        return int(sys.float_info.max)
    return int(2 ** (8 * struct.calcsize(CODES[kind]) - kind.startswith("INT")) - 1)


_MOST = {kind: _most(kind) for kind in CODES}


def typed(value: Any, kind: str) -> Any:
    """Take a JSON value for its datatype, strictly; a missing value may be null."""
    if value is None:
        return None
    wanted: tuple[type, ...] = (int,)
    if kind == "BYTES":
        wanted = (str,)
    elif kind == "BOOL":
        wanted = (bool,)
    elif kind.startswith("FP"):
        wanted = (int, float)
    right = type(value) in wanted
    if right and type(value) is int:
        least = 0 if kind.startswith("UINT") else -_MOST[kind] - kind.startswith("INT")
        right = least <= value <= _MOST[kind]
    if not right:
        raise OutsideContract(f"a value of a tensor is no {kind}")
    return float(value) if kind.startswith("FP") else value


def unpacked(raw: memoryview, kind: str, count: int) -> list[Any]:
    """Return the values of a packed tensor; NaN is a missing value. Raises Malformed."""
    if kind == "BYTES":
        return _texts(raw, count)
    code = CODES[kind]
    if len(raw) != struct.calcsize(f"<{code}") * count:
        raise Malformed("a packed tensor does not fit its shape")
    values = list(struct.unpack(f"<{count}{code}", raw))
    if not kind.startswith("FP"):
        return values
    if any(math.isinf(v) for v in values):
        raise OutsideContract("a packed tensor holds an infinite number")
    return [None if v != v else v for v in values]


def _texts(raw: memoryview, count: int) -> list[Any]:
    found: list[Any] = []
    at = 0
    while at < len(raw) and len(found) <= count:
        if at + 4 > len(raw):
            raise Malformed("a packed text is cut off")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise Malformed("a packed text is cut off")
        try:
            found.append(str(raw[at : at + length], "utf-8"))
        except UnicodeDecodeError:
            raise Malformed("a packed text is not UTF-8") from None
        at += length
    return found


def pack(kind: str, values: Sequence[Any]) -> bytes:
    """Return values as a packed tensor."""
    if kind != "BYTES":
        return struct.pack(f"<{len(values)}{CODES[kind]}", *values)
    texts = [text.encode() for text in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def plain_values(kind: str, raw: bytes, count: int) -> Sequence[Any] | None:
    """Return the values of a packed tensor; None where it is not plain. Raises Malformed."""
    if kind == "BYTES":
        return _plain_texts(raw, count)
    if kind == "FP64" and len(raw) == 8 * count:
        numbers = struct.unpack(f"<{count}d", raw)
        total = sum(numbers)
        if total - total == 0:  # nothing is missing and nothing infinite
            return numbers
    return unpacked(memoryview(raw), kind, count)


def _plain_texts(raw: bytes, count: int) -> list[str] | None:
    """Return packed texts; None where they do not fill their bytes."""
    found: list[str] = []
    at, size = 0, len(raw)
    if raw.isascii():
        # Decoded at once; what has no ASCII in its four bytes of length is longer than any word.
        text = raw.decode("ascii")
        for _ in range(count):
            if at + 4 > size or raw[at + 1] or raw[at + 2] or raw[at + 3]:
                break
            end = at + 4 + raw[at]
            found.append(text[at + 4 : end])
            at = end
        if at == size and len(found) == count:
            return found
        found, at = [], 0
    for _ in range(min(count, size)):
        end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
        found.append(raw[at + 4 : end].decode())
        at = end
    return found if at == size else None
