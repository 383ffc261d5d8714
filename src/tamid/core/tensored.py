"""Rows that were asked as tensors of V2 and are kept as they came: read back as plain rows.

Such a row is an object of its own: the request's JSON under `REQUEST`, and under `PACKED`, in
base64, the bytes that stood behind it, if any. What a tensor of several columns holds in order, the
block says that the row stands in.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any

REQUEST, PACKED = "_v2", "_packed"
# What `struct` calls each datatype of a fixed width.
CODES = {
    "FP64": "d", "FP32": "f", "INT64": "q", "INT32": "i", "INT16": "h", "INT8": "b",
    "UINT64": "Q", "UINT32": "I", "UINT16": "H", "UINT8": "B", "BOOL": "?",
}  # fmt: skip


def kept(request: bytes, packed: bytes) -> bytes:
    """Return a row as it is kept; `request` is JSON, `packed` what follows it."""
    if not packed:
        return b'{"_v2":%b}' % request
    return b'{"_v2":%b,"_packed":"%b"}' % (request, base64.b64encode(packed))


def plain(row: Mapping[str, Any], parts: Mapping[str, Sequence[str]]) -> Mapping[str, Any]:
    """Return a kept row by column; any other row is returned as it is.

    `parts`: the columns of each tensor that holds several. NaN is a missing value.

    Raises:
        ValueError: it is no row that :func:`kept` made.

    >>> import json
    >>> numbers = struct.pack("<2d", 1.5, float("nan"))
    >>> head = b'{"inputs":[{"name":"xs","datatype":"FP64","shape":[1,2],'
    >>> head += b'"parameters":{"binary_data_size":16}}]}'
    >>> plain(json.loads(kept(head, numbers)), {"xs": ["a", "b"]})
    {'a': 1.5, 'b': None}
    """
    if REQUEST not in row:
        return row
    try:
        raw = base64.b64decode(row.get(PACKED, ""), validate=True)
        found: dict[str, Any] = {}
        for tensor in row[REQUEST]["inputs"]:
            values = tensor.get("data")
            if values is None:
                size = tensor["parameters"]["binary_data_size"]
                values, raw = _unpacked(tensor["datatype"], raw[:size]), raw[size:]
            if tensor["datatype"].startswith("FP"):
                values = [_number(v) for v in values]
            names = parts.get(tensor["name"], [tensor["name"]])
            found |= zip(names, values, strict=True)
    except (LookupError, TypeError, AttributeError, struct.error) as error:
        raise ValueError(f"no row of tensors: {error}") from None
    return found


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)


def _unpacked(kind: str, raw: bytes) -> Sequence[Any]:
    if kind != "BYTES":
        width = struct.calcsize(f"<{CODES[kind]}")
        return struct.unpack(f"<{len(raw) // width}{CODES[kind]}", raw)
    found = []
    while raw:
        (length,) = struct.unpack_from("<I", raw)
        if length > len(raw) - 4:
            raise ValueError("a text is cut off")
        found.append(str(raw[4 : 4 + length], "utf-8"))
        raw = raw[4 + length :]
    return found
