"""Requests of V2 that are plain, from their bytes to rows as tuples and back.

Plain: the columns are the model's, each in its own datatype, no output is asked for by name. What
is not plain to the letter is None here, and :mod:`tamid.serving.http.v2` decides about it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any

import msgspec

from tamid.core.compiled.lane import Laid
from tamid.core.errors import TamidError
from tamid.serving.http.forms import laid_tensors
from tamid.serving.http.tensors import pack, plain_values
from tamid.serving.http.v2_words import Asked, Tensor, all_keys, top_keys
from tamid.serving.strict import ENTITY, ID, UNSET
from tamid.serving.values import Answer, Served

_KINDS = {
    "number": ("FP64", "FP32"), "integer": ("INT64",), "boolean": ("BOOL",),
    "category": ("BYTES",), "text": ("BYTES",),
}  # fmt: skip
_TYPES: dict[str, set[type]] = {
    "FP64": {float, int}, "FP32": {float, int}, "INT64": {int}, "BOOL": {bool}, "BYTES": {str},
}  # fmt: skip
_NONE = {type(None)}
# Forms of requests that are remembered; clients send the same one again and again.
_MOST_FORMS = 64
_MOST_ROWS = 1_000_000
# Stands for a score, and is none.
_MARK = -12345.0625
_double = struct.Struct("<d").pack
_encode = msgspec.json.Encoder().encode
Row = tuple[Any, ...]
_Key = tuple[tuple[str, str, tuple[int, ...]], ...]
# What reading can raise of requests that the ordinary road has to refuse, or to understand.
_ODD = (
    msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, RecursionError, TypeError, TamidError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Form:
    """How requests of one form are read; `rows` is 0 where they are not plain.

    `places`: of the values among the inputs, if rows have all of these and nothing else.
    """

    rows: int
    width: int
    floats: tuple[bool, ...]
    order: Callable[[Any], Any]
    places: tuple[int, ...] = ()


@dataclass(slots=True)
class Read:
    """A plain request: its rows, each with its ids behind it; are packed outputs wanted?"""

    rows: list[Row]
    id: str
    packed: bool
    whole: bool = False


class V2Lane:
    """Reads and answers plain requests for one version."""

    def __init__(self, served: Served, kinds: Sequence[Answer]) -> None:
        self._decode = msgspec.json.Decoder(Asked).decode
        self._inputs = {i.name: place for place, i in enumerate(served.inputs)}
        self._kind_of = {i.name: i.kind for i in served.inputs}
        self._models = set(self._inputs)
        for place, name in enumerate((ID, ENTITY, served.entity), len(self._inputs)):
            if name is not None and name not in self._inputs:
                self._inputs[name] = place
                self._kind_of[name] = "text"
        self._parts = served.tensors
        self._forms: dict[_Key, _Form] = {}
        about = f'"model_name":{_text(served.name)},"model_version":"{served.number}"'
        self._about, self._begin = about, about.encode()
        self._decisions = [-1 if k.decision is None else k.decision for k in kinds]
        self._kinds = kinds
        self._ends: dict[tuple[int, bool], tuple[bytes, bytes, bytes, bytes]] = {}

    def read(self, body: bytes, length: int) -> Read | None:
        """Return a plain request; `length`: of its JSON, behind which packed tensors stand."""
        head = body if length == len(body) else body[:length]
        try:
            asked = self._decode(head)
            if head.count(b":") != all_keys(asked):
                return None
            return self._laid(asked, head, body[length:])
        except _ODD:
            return None

    def laid(self, head: bytes) -> Laid | None:
        """Return how a request for one whole row, which was read, is laid out; None: oddly."""
        asked = self._decode(head)
        form = self._forms.get(tuple([(t.name, t.datatype, t.shape) for t in asked.inputs]))
        # An id is another one each time.
        named = asked.id is not UNSET and asked.id != ""
        return None if form is None or named else laid_tensors(asked, head, form.places)

    def told(self, read: Read, scores: list[float], kinds: list[int]) -> tuple[bytes, int]:
        """Return the answer, and the length of its JSON if packed tensors follow, else 0."""
        likes = [self._kinds[k] for k in kinds]
        columns: tuple[tuple[str, str, list[Any]], ...] = (
            ("score", "FP64", scores),
            ("decision", "INT64", [self._decisions[k] for k in kinds]),
            ("version", "INT64", [a.version for a in likes]),
            ("rung", "BYTES", [a.rung for a in likes]),
            ("reason", "BYTES", [a.reason for a in likes]),
        )
        outputs, raws = [], []
        for name, kind, values in columns:
            begin = f'{{"name":"{name}","datatype":"{kind}","shape":[{len(values)}],'
            if read.packed:
                raws.append(pack(kind, values))
                outputs.append(f'{begin}"parameters":{{"binary_data_size":{len(raws[-1])}}}}}')
            else:
                outputs.append(f'{begin}"data":{_encode(values).decode()}}}')
        head = f'{{{self._about},"id":{_text(read.id)},"outputs":[{",".join(outputs)}]}}'.encode()
        return head + b"".join(raws), len(head) if read.packed else 0

    def told_one(
        self, name: bytes, packed: bool, score: float, text: bytes, kind: int
    ) -> tuple[bytes, int]:
        """Return what :meth:`told` does for one row; `name` and `text`: id and score in JSON."""
        if (kind, packed) not in self._ends:
            whole, length = self.told(Read(rows=[], id="", packed=packed), [_MARK], [kind])
            head = whole[: length or len(whole)]
            end = head[head.index(b',"outputs":') :]
            raw = whole[len(head) + 8 :] if packed else b""
            self._ends[kind, packed] = (*end.partition(repr(_MARK).encode()), raw)
        begin, _, end, raw = self._ends[kind, packed]
        if not packed:
            return b'{%b,"id":%b%b%b%b' % (self._begin, name, begin, text, end), 0
        head = b'{%b,"id":%b%b' % (self._begin, name, begin)
        return head + _double(score) + raw, len(head)

    def _laid(self, asked: Asked, head: bytes, packed: bytes) -> Read | None:
        tensors = asked.inputs
        key = tuple([(t.name, t.datatype, t.shape) for t in tensors])
        form = self._forms.get(key)
        if form is None:
            form = self._form(key)
        if form.rows == 0:
            return None
        wants = asked.parameters is not UNSET and bool(asked.parameters.get("binary_data_output"))
        name = asked.id if asked.id is not UNSET else ""
        if form.rows == 1 and not packed:
            # Numbers and words are looked at by the lane, type by type.
            flat = [value for tensor in tensors for value in tensor.data]  # type: ignore[union-attr]
            if head.count(b":") != top_keys(asked) + 4 * len(tensors) or len(flat) != form.width:
                return None
            if int in set(map(type, flat)):
                flat = [float(v) if type(v) is int and fp else v
                        for v, fp in zip(flat, form.floats, strict=True)]  # fmt: skip
            flat.append(UNSET)
            return Read([form.order(flat)], name, wants, bool(form.places))
        if head.count(b":") != all_keys(asked):
            return None
        held: list[Any] = []
        for tensor in tensors:
            width = tensor.shape[1] if len(tensor.shape) == 2 else 1
            values, packed = _values(tensor, form.rows * width, packed)
            if values is None or len(values) != form.rows * width:
                return None
            if form.rows == 1:
                held += values
            else:
                held += [values[j::width] for j in range(width)] if width > 1 else [values]
        if packed:
            return None
        if form.rows == 1:
            return Read([form.order((*held, UNSET))], name, wants, bool(form.places))
        return Read(rows=_rows(held, form), id=name, packed=wants)

    def _form(self, key: _Key) -> _Form:
        """Return how a request of this form is read, and remember it."""
        shapes = [shape for _, _, shape in key]
        rows = shapes[0][0] if shapes and shapes[0] else 0
        plain = all(
            1 <= len(s) <= 2 and s[0] == rows and all(0 < n < _MOST_ROWS for n in s) for s in shapes
        )
        found = _Form(0, 0, (), tuple)
        widths = [s[1] if len(s) == 2 else 1 for s in shapes] if plain and shapes else []
        columns = self._columns(key, widths)
        if columns:
            order = self._order([name for name, _ in columns])
            floats = tuple(kind.startswith("FP") for _, kind in columns)
            if order is not None:
                whole = {name for name, _ in columns} == self._models
                places = tuple(self._inputs[name] for name, _ in columns) if whole else ()
                found = _Form(rows, len(columns), floats, order, places)
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        self._forms[key] = found
        return found

    def _columns(self, key: _Key, widths: list[int]) -> list[tuple[str, str]]:
        """Return input and datatype of each column; nothing where one is not the model's."""
        columns: list[tuple[str, str]] = []
        for (name, kind, _), width in zip(key, widths, strict=False):
            named = (name,) if name in self._inputs else self._parts.get(name, ())
            if len(named) != width or any(
                kind not in _KINDS.get(self._kind_of[n], ()) for n in named
            ):
                return []
            columns += [(n, kind) for n in named]
        return columns

    def _order(self, names: list[str]) -> Callable[[Any], Any] | None:
        """Return what brings columns, and one that is unset, into the order of a row."""
        order = [len(names)] * (max(self._inputs.values()) + 1)
        for place, name in enumerate(names):
            if order[self._inputs[name]] != len(names):
                return None
            order[self._inputs[name]] = place
        # One more, so that there are at least two and a tuple comes out.
        return itemgetter(*order, len(names))


def _rows(held: list[Any], form: _Form) -> list[Row]:
    columns = (*held, repeat(UNSET, form.rows))
    return list(zip(*map(_again, form.order(columns)), strict=False))


def _again(column: Any) -> Any:
    """Return a column that may be read more than once in a row."""
    return repeat(UNSET) if isinstance(column, repeat) else column


def _values(tensor: Tensor, count: int, packed: bytes) -> tuple[Sequence[Any] | None, bytes]:
    """Return a tensor's values (None where it is not plain), and what is packed behind it."""
    kind, data = tensor.datatype, tensor.data
    if kind not in _TYPES:
        return None, packed
    if data is not UNSET:
        types = set(map(type, data))
        if tensor.parameters is not UNSET or not types <= _TYPES[kind] | _NONE:
            return None, packed
        if int in types and kind.startswith("FP"):
            data = [None if v is None else float(v) for v in data]
        return data, packed
    size = tensor.parameters.get("binary_data_size") if tensor.parameters is not UNSET else None
    if type(size) is not int or not 0 <= size <= len(packed):
        return None, packed
    return plain_values(kind, packed[:size], count), packed[size:]


def _text(given: str) -> str:
    return _encode(given).decode()
