"""Packed tensors: what goes out comes back, and no bytes are read beyond their end."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.errors import TamidError
from tamid.core.tensored import CODES
from tamid.serving.http.tensors import pack, typed, unpacked
from tamid.serving.strict import OutsideContract


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_back(values: list[float]) -> None:
    """FP64 is exact."""
    raw = pack("FP64", values)
    assert unpacked(memoryview(raw), "FP64", len(values)) == values


@given(st.lists(st.text()))
def test_texts_come_back(values: list[str]) -> None:
    """Texts in any script, empty ones too."""
    raw = b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)
    assert unpacked(memoryview(raw), "BYTES", len(values)) == values


def test_missing_and_infinite_numbers() -> None:
    """NaN is a missing value; an infinity is refused."""
    raw = pack("FP64", [float("nan"), 1.0])
    assert unpacked(memoryview(raw), "FP64", 2) == [None, 1.0]
    with pytest.raises(OutsideContract):
        unpacked(memoryview(pack("FP64", [float("inf")])), "FP64", 1)


@given(st.binary(max_size=60), st.sampled_from([*CODES, "BYTES"]), st.integers(1, 5))
def test_any_bytes_are_read_or_refused(raw: bytes, kind: str, count: int) -> None:
    """Whatever the bytes and the announced number: values or a refusal of ours."""
    try:
        unpacked(memoryview(raw), kind, count)
    except TamidError:
        return


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "INT64"), (1, "BOOL"), ("1", "FP64"), (1.5, "INT64"), (1, "BYTES"),
        (10**400, "FP64"), (2**63, "INT64"), (300, "INT8"), (-1, "UINT32"),
    ],
)  # fmt: skip
def test_json_values_keep_their_datatype(value: object, kind: str) -> None:
    """Nothing is turned into something else."""
    with pytest.raises(OutsideContract):
        typed(value, kind)
