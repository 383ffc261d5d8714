"""Values of tensors: strict where they come as JSON, little-endian where they come packed."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from tamid.serving.strict import Malformed, OutsideContract

# The tensors that hold all numbers, and all texts, of a row.
NUMBERS, TEXTS = "numbers", "texts"
PACKED = {
    "FP64": "d", "FP32": "f", "INT64": "q", "INT32": "i", "INT16": "h", "INT8": "b",
    "UINT64": "Q", "UINT32": "I", "UINT16": "H", "UINT8": "B", "BOOL": "?",
}  # fmt: skip


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
    if type(value) not in wanted:
        raise OutsideContract(f"a value of a tensor is no {kind}")
    return float(value) if kind.startswith("FP") else value


def unpacked(raw: memoryview, kind: str, count: int) -> list[Any]:
    """Return the values of a packed tensor; NaN is a missing value. Raises Malformed."""
    if kind == "BYTES":
        return _texts(raw, count)
    code = PACKED[kind]
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
        return struct.pack(f"<{len(values)}{PACKED[kind]}", *values)
    texts = [text.encode() for text in values]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)
