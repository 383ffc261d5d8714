"""The messages of V2 over gRPC, to and from what its REST form says.

Numbers of fields: grpc_predict_v2.proto of the Open Inference Protocol. A tensor's values stand in
its `contents`, one list a datatype, or in `raw_input_contents`, packed as the binary extension of
REST packs them; both become the packed form here, so that one reader decides about all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tamid.core.tensored import CODES
from tamid.serving.http.tensors import pack
from tamid.serving.plain_json import Malformed
from tamid.serving.rpc import wire

# In which list of `contents` the values of a datatype stand.
_LIST = {
    "BOOL": 1, "INT8": 2, "INT16": 2, "INT32": 2, "INT64": 3, "UINT8": 4, "UINT16": 4, "UINT32": 4,
    "UINT64": 5, "FP32": 6, "FP64": 7, "BYTES": 8,
}  # fmt: skip
_SIGNED = frozenset({2, 3})
_FIXED = {6: wire.FIXED32, 7: wire.FIXED64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Infer:
    """A request: `asked` as the JSON of REST would say it, `packed` as it would stand behind it."""

    model: str
    version: str
    asked: Mapping[str, Any]
    packed: bytes


@dataclass(slots=True)
class _Tensor:
    name: str = ""
    datatype: str = ""
    shape: list[int] = field(default_factory=list)
    contents: memoryview | None = None


def infer_request(message: bytes) -> Infer:
    """Read a ModelInferRequest. Raises Malformed."""
    texts = {1: "", 2: "", 3: ""}
    tensors, outputs, raw = list[_Tensor](), list[dict[str, str]](), list[memoryview]()
    for number, kind, _, content in wire.fields(memoryview(message)):
        if number in (1, 2, 3, 5, 6, 7) and kind != wire.BYTES:
            raise Malformed("a field of the message has the wrong type")
        if number in texts:
            texts[number] = wire.said(content)
        elif number == 5:
            tensors.append(_tensor(content))
        elif number == 6:
            outputs.append({"name": _name(content)})
        elif number == 7:
            raw.append(content)
    if raw and (len(raw) != len(tensors) or any(t.contents is not None for t in tensors)):
        raise Malformed("values stand either in raw_input_contents, for all inputs, or in contents")
    parts = [bytes(r) for r in raw] if raw else [_packed(tensor) for tensor in tensors]
    inputs = [
        {
            "name": t.name,
            "datatype": t.datatype,
            "shape": t.shape,
            "parameters": {"binary_data_size": len(part)},
        }
        for t, part in zip(tensors, parts, strict=True)
    ]
    asked: dict[str, Any] = {"id": texts[3], "inputs": inputs}
    if outputs:
        asked["outputs"] = outputs
    return Infer(model=texts[1], version=texts[2], asked=asked, packed=b"".join(parts))


def infer_reply(
    model: str, version: int, name: str, columns: Mapping[str, tuple[str, Sequence[Any]]]
) -> bytes:
    """Write a ModelInferResponse; its values are packed."""
    found = [wire.text(1, model), wire.text(2, str(version)), wire.text(3, name)]
    for column, (datatype, values) in columns.items():
        about = wire.text(1, column) + wire.text(2, datatype) + wire.shape(3, [len(values)])
        found.append(wire.part(5, about))
    found += [wire.part(6, pack(datatype, values)) for datatype, values in columns.values()]
    return b"".join(found)


def named(message: bytes) -> tuple[str, str]:
    """Read name and version, as ModelReadyRequest and ModelMetadataRequest have them."""
    texts = {1: "", 2: ""}
    for number, kind, _, content in wire.fields(memoryview(message)):
        if number in texts and kind == wire.BYTES:
            texts[number] = wire.said(content)
    return texts[1], texts[2]


def yes_or_no(answer: bool) -> bytes:
    """Write ServerLiveResponse, ServerReadyResponse or ModelReadyResponse."""
    return wire.whole(1, int(answer))


def server_reply(name: str, version: str) -> bytes:
    """Write a ServerMetadataResponse."""
    return wire.text(1, name) + wire.text(2, version)


def model_reply(about: Mapping[str, Any]) -> bytes:
    """Write a ModelMetadataResponse out of the metadata of REST."""
    found = [wire.text(1, about["name"])]
    found += [wire.text(2, version) for version in about["versions"]]
    found.append(wire.text(3, about["platform"]))
    for number, key in ((4, "inputs"), (5, "outputs")):
        found += [wire.part(number, _about(tensor)) for tensor in about[key]]
    return b"".join(found)


def _about(tensor: Mapping[str, Any]) -> bytes:
    shape = wire.shape(3, tensor["shape"])
    return wire.text(1, tensor["name"]) + wire.text(2, tensor["datatype"]) + shape


def _tensor(message: memoryview) -> _Tensor:
    found = _Tensor()
    for number, kind, value, content in wire.fields(message):
        if number == 3:
            sizes = [value] if kind == wire.VARINT else wire.varints(content)
            found.shape += map(wire.signed, sizes)
        elif kind != wire.BYTES:
            continue
        elif number == 1:
            found.name = wire.said(content)
        elif number == 2:
            found.datatype = wire.said(content)
        elif number == 5:
            found.contents = content
    return found


def _name(message: memoryview) -> str:
    return next((wire.said(c) for n, k, _, c in wire.fields(message) if (n, k) == (1, 2)), "")


def _packed(tensor: _Tensor) -> bytes:
    """Return a tensor's contents in the packed form."""
    place = _LIST.get(tensor.datatype)
    if place is None:
        raise Malformed("an input has a datatype that is not served")
    parts, numbers = list[bytes](), list[int]()
    for number, kind, value, content in wire.fields(tensor.contents or memoryview(b"")):
        if number != place:
            raise Malformed("an input's contents are of another datatype")
        if kind == wire.VARINT and place < 6:
            numbers.append(value)
        elif kind == wire.BYTES and place < 6:
            numbers += wire.varints(content)
        elif kind == wire.BYTES and place == 8:
            parts.append(struct.pack("<I", len(content)) + bytes(content))
        elif kind in (wire.BYTES, _FIXED.get(place)):  # little-endian numbers, as they are packed
            parts.append(bytes(content))
        else:
            raise Malformed("an input's contents are of another datatype")
    return b"".join(parts) if place >= 6 else _integers(tensor.datatype, place, numbers)


def _integers(datatype: str, place: int, numbers: Iterable[int]) -> bytes:
    values = [wire.signed(n) if place in _SIGNED else n for n in numbers]
    try:
        if datatype == "BOOL":
            values = [{0: False, 1: True}[n] for n in values]
        return struct.pack(f"<{len(values)}{CODES[datatype]}", *values)
    except (struct.error, KeyError):
        raise Malformed(f"a value of a tensor is no {datatype}") from None
