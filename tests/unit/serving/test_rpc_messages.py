"""Messages of V2 over gRPC: what the protocol says, byte for byte, or Malformed."""

from __future__ import annotations

import contextlib
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.errors import MissingExtra
from tamid.serving.plain_json import Malformed
from tamid.serving.rpc import messages, wire
from tamid.serving.rpc.door import library


def tensor(name: str, datatype: str, contents: bytes = b"", sizes: tuple[int, ...] = (2,)) -> bytes:
    """Return an InferInputTensor as a field of the request."""
    about = wire.text(1, name) + wire.text(2, datatype) + wire.shape(3, sizes)
    return wire.part(5, about + (wire.part(5, contents) if contents else b""))


def packed(datatype: str, contents: bytes) -> bytes:
    """Return what the contents of one tensor become."""
    return messages.infer_request(wire.text(1, "m") + tensor("x", datatype, contents)).packed


@pytest.mark.parametrize(
    ("datatype", "contents", "code", "values"),
    [
        ("FP64", wire.part(7, struct.pack("<2d", 1.5, float("nan"))), "<2d", (1.5, None)),
        ("FP32", wire.part(6, struct.pack("<2f", 1.5, -2.0)), "<2f", (1.5, -2.0)),
        ("INT64", wire.part(3, bytes([7]) + b"\xff" * 9 + b"\x01"), "<2q", (7, -1)),
        ("INT32", wire.whole(2, 5) + wire.whole(2, -5), "<2i", (5, -5)),
        ("UINT8", wire.part(4, bytes([7, 255, 1])), "<2B", (7, 255)),
        ("BOOL", wire.part(1, bytes([1, 0])), "<2?", (True, False)),
    ],
)
def test_typed_contents_become_packed(
    datatype: str, contents: bytes, code: str, values: tuple[float | None, ...]
) -> None:
    """Each datatype from its own list, packed in the message or one by one, with its sign."""
    found = struct.unpack(code, packed(datatype, contents))
    assert tuple(None if v != v else v for v in found) == values


def test_texts_get_their_lengths() -> None:
    """Bytes become what the binary extension has: a length of four bytes, then the text."""
    contents = wire.part(8, "סיב".encode()) + wire.part(8, b"")
    assert packed("BYTES", contents) == b"\x06\x00\x00\x00" + "סיב".encode() + bytes(4)


def test_raw_contents_stand_for_all_inputs() -> None:
    """In the order of the inputs; not beside typed contents, nor for some of them."""
    raw = struct.pack("<2d", 1, 2)
    begin = wire.text(1, "churn") + wire.text(2, "3") + wire.text(3, "mine")
    two = tensor("a", "FP64") + tensor("b", "FP64")
    found = messages.infer_request(begin + two + wire.part(7, raw) + wire.part(7, b""))
    assert (found.model, found.version, found.asked["id"]) == ("churn", "3", "mine")
    sizes = [i["parameters"]["binary_data_size"] for i in found.asked["inputs"]]
    assert (found.packed, sizes) == (raw, [16, 0])
    typed = tensor("a", "FP64", wire.part(7, raw)) + tensor("b", "FP64")
    for wrong in (two + wire.part(7, raw), typed + wire.part(7, raw) + wire.part(7, raw)):
        with pytest.raises(Malformed):
            messages.infer_request(begin + wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        tensor("x", "FP64", wire.part(6, bytes(8))),
        tensor("x", "FP16", wire.part(7, bytes(8))),
        tensor("x", "INT8", wire.whole(2, 300)),
        tensor("x", "BOOL", wire.whole(1, 2)),
        wire.part(5, wire.part(1, b"\xff")),
        b"\x0a\x05ab",
        b"\x0b",
        b"\xff" * 11,
        wire.whole(5, 1),
    ],
)
def test_what_is_no_request_is_malformed(wrong: bytes) -> None:
    """Another list, datatype or range; no UTF-8; cut off; groups; endless numbers."""
    with pytest.raises(Malformed):
        messages.infer_request(wrong)


def test_an_answer_is_what_the_protocol_says() -> None:
    """Model, version, id, each output with datatype and shape, all values packed behind."""
    columns: dict[str, tuple[str, list[object]]] = {
        "score": ("FP64", [0.5]), "rung": ("BYTES", ["rule"]),
    }  # fmt: skip
    reply = messages.infer_reply("m", 3, "a", columns)
    about = b"\x0a\x05score\x12\x04FP64\x1a\x01\x01", b"\x0a\x04rung\x12\x05BYTES\x1a\x01\x01"
    assert reply == (
        b"\x0a\x01m\x12\x013\x1a\x01a"
        + b"".join(b"\x2a" + bytes([len(a)]) + a for a in about)
        + b"\x32\x08" + struct.pack("<d", 0.5)
        + b"\x32\x08\x04\x00\x00\x00rule"
    )  # fmt: skip


@given(st.binary(max_size=300))
def test_bytes_of_nobody_are_only_malformed(message: bytes) -> None:
    """Whatever comes is read or refused, and nothing else happens."""
    for read in (messages.infer_request, messages.named):
        with contextlib.suppress(Malformed):
            read(message)


@given(st.integers(1, 2**29 - 1), st.integers(-(2**63), 2**63 - 1), st.text())
def test_what_is_written_is_read(number: int, value: int, said: str) -> None:
    """A number keeps its sign, a text its letters; what is empty is left out."""
    message = memoryview(wire.whole(number, value) + wire.text(number, said))
    found = [
        wire.signed(v) if kind == wire.VARINT else wire.said(raw)
        for _, kind, v, raw in wire.fields(message)
    ]
    assert found == [x for x in (value, said) if x]


def test_without_the_library_its_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who does not ask for gRPC needs it; who does is told what to install."""
    monkeypatch.setitem(sys.modules, "grpc", None)
    monkeypatch.delitem(sys.modules, "grpc.aio", raising=False)
    with pytest.raises(MissingExtra) as caught:
        library()
    assert caught.value.remedy == "pip install 'tamid[grpc]'"
