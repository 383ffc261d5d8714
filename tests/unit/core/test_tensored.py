"""Rows of tensors in the log: what was kept comes back by column, whatever its datatype."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.spool import MAGIC, ROWS, TENSORS, block, read_segment
from tamid.core.tensored import CODES, kept, plain

NUMBERS = st.floats(width=64, allow_infinity=False)
TEXTS = st.text(max_size=20)


def tensor(name: str, kind: str, columns: int, **rest: Any) -> dict[str, Any]:
    """Return a tensor of one row."""
    return {"name": name, "datatype": kind, "shape": [1, columns], **rest}


def behind(size: int) -> dict[str, Any]:
    """Return the parameters of a tensor whose bytes follow."""
    return {"parameters": {"binary_data_size": size}}


@given(st.lists(NUMBERS, min_size=1, max_size=6), st.lists(TEXTS, max_size=4), st.booleans())
def test_what_was_kept_comes_back(numbers: list[float], texts: list[str], packed: bool) -> None:
    """Packed or in JSON; NaN is a missing value."""
    missing = [None if math.isnan(n) else n for n in numbers]
    if packed:
        raw = struct.pack(f"<{len(numbers)}d", *numbers)
        words = b"".join(struct.pack("<I", len(t)) + t for t in map(str.encode, texts))
        parts = behind(len(raw)), behind(len(words))
        raw += words
    else:
        parts, raw = ({"data": missing}, {"data": texts}), b""
    inputs = [
        tensor("numbers", "FP64", len(numbers), **parts[0]),
        tensor("texts", "BYTES", len(texts), **parts[1]),
    ]
    names = [f"n{i}" for i in range(len(numbers))], [f"t{i}" for i in range(len(texts))]
    row = json.loads(kept(json.dumps({"inputs": inputs}).encode(), raw))
    found = plain(row, {"numbers": names[0], "texts": names[1]})
    assert found == dict(zip(names[0] + names[1], [*missing, *texts], strict=True))


@pytest.mark.parametrize("kind", list(CODES))
def test_every_datatype_is_read(kind: str) -> None:
    """One value, by the name of its tensor; whole numbers stay whole."""
    raw = struct.pack(f"<{CODES[kind]}", 1)
    head = json.dumps({"inputs": [tensor("x", kind, 1, **behind(len(raw)))]}).encode()
    (value,) = plain(json.loads(kept(head, raw)), {}).values()
    assert value == 1
    assert type(value) is (float if kind.startswith("FP") else bool if kind == "BOOL" else int)


def test_a_plain_row_is_itself() -> None:
    """Nothing is looked for in it."""
    row = {"numbers": 1.0}
    assert plain(row, {"numbers": ["a"]}) is row


@pytest.mark.parametrize(
    "wrong",
    [
        {"_v2": {}},
        {"_v2": {"inputs": [{"name": "x"}]}},
        {"_v2": {"inputs": [tensor("x", "FP64", 1, **behind(8))]}},
        {"_v2": {"inputs": [tensor("x", "ODD", 1, **behind(0))]}},
        {"_v2": {"inputs": [tensor("x", "FP64", 1, data=[1.0, 2.0])]}},
        {"_v2": {"inputs": [tensor("x", "FP64", 1, data=["a"])]}},
        {"_v2": {"inputs": [tensor("x", "BYTES", 1, **behind(5))]}, "_packed": "CQAAAGE="},
        {"_v2": {"inputs": []}, "_packed": "not base64"},
        {"_v2": [1]},
    ],
)
def test_what_is_no_row_of_tensors_is_an_error_of_value(wrong: dict[str, Any]) -> None:
    """Never another one; and a segment that holds it ends there."""
    with pytest.raises(ValueError, match=r"."):
        plain(wrong, {})
    body = json.dumps({TENSORS: {}, "rows": [[0, wrong, {}]]}).encode()
    found = read_segment(MAGIC + block(ROWS, body))
    assert (found.blocks, found.torn > 0) == ((), True)


def test_a_text_that_is_cut_off_is_none() -> None:
    """Its length says more than its bytes hold."""
    raw = struct.pack("<I", 9) + b"a"
    head = json.dumps({"inputs": [tensor("x", "BYTES", 1, **behind(len(raw)))]}).encode()
    row = json.loads(kept(head, raw))
    assert base64.b64decode(row["_packed"]) == raw
    with pytest.raises(ValueError, match="cut off"):
        plain(row, {})
