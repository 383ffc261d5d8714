"""`/invocations` as SageMaker and MLflow have it: records, split, instances, inputs, CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tamid.serving.http.wire import Call, Refused, Reply
from tamid.serving.strict import Codec, Decoded, Malformed, OutsideContract, strictly
from tamid.serving.told import told
from tamid.serving.values import Answer, Input, Served

_encode = msgspec.json.Encoder().encode
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z")
_WHOLE = re.compile(r"[+-]?\d{1,19}\Z")
_FORMS = "dataframe_split, dataframe_records, instances, inputs"


def decoded(call: Call, codec: Codec, served: Served) -> Decoded:
    """Return the rows. Raises Malformed, OutsideContract, Refused."""
    kind = call.headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind == b"text/csv":
        return codec.plain(_csv(call.body, served))
    if kind != b"application/json":
        raise Refused(415, "not_known", "send application/json or text/csv")
    body = strictly(call.body)
    if not isinstance(body, dict):
        raise Malformed(f"the body must be an object with one of {_FORMS}")
    forms = [key for key in body if key in _FORMS.split(", ")]
    if len(forms) != 1:
        raise Malformed(f"the body must have one of {_FORMS}")
    given = body[forms[0]]
    if forms[0] == "dataframe_split":
        return codec.plain(_some(_split(given)))
    if forms[0] == "inputs" and isinstance(given, dict):
        given = _by_column(given)
    return codec.plain(_some(_records(given, served)))


def reply(answers: Sequence[Answer], served: Served) -> Reply:
    """Return the scores, and beside them all that each answer says."""
    body = {
        "predictions": [a.score for a in answers],
        "answers": [told(a, served) for a in answers],
    }
    return Reply(body=_encode(body))


def _split(given: Any) -> list[dict[str, Any]]:
    if not isinstance(given, dict) or not isinstance(given.get("columns"), list):
        raise Malformed("dataframe_split needs `columns` and `data`")
    columns, data = given["columns"], given.get("data")
    if not all(isinstance(c, str) for c in columns) or len(set(columns)) != len(columns):
        raise Malformed("the columns must be texts, each once")
    if not isinstance(data, list):
        raise Malformed("dataframe_split needs `columns` and `data`")
    return [_zipped(columns, row) for row in data]


def _records(given: Any, served: Served) -> list[dict[str, Any]]:
    if not isinstance(given, list):
        raise Malformed("the rows must be a list")
    rows = []
    for row in given:
        rows.append(row if isinstance(row, dict) else _zipped(served.names, row))
    return rows


def _by_column(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    lists = list(given.values())
    if not all(isinstance(values, list) for values in lists):
        return [dict(given)]
    if len({len(values) for values in lists}) != 1:
        raise Malformed("the columns have different lengths")
    return [_zipped(list(given), row) for row in zip(*lists, strict=True)]


def _zipped(columns: Sequence[str], row: Any) -> dict[str, Any]:
    if not isinstance(row, (list, tuple)) or len(row) != len(columns):
        raise Malformed("a row has another length than there are columns")
    return dict(zip(columns, row, strict=True))


def _some(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        raise Malformed("there are no rows")
    return rows


def _csv(body: bytes, served: Served) -> list[dict[str, Any]]:
    """Read CSV with a header; an empty field is a missing value."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise Malformed("the body is not CSV") from None
    if len(lines) < 2 or len(set(lines[0])) != len(lines[0]):
        raise Malformed("CSV needs a header, each column once, and rows")
    known = {i.name: i for i in (*served.inputs, *served.beside)}
    rows = []
    for line in lines[1:]:
        row = _zipped(lines[0], line)
        rows.append({name: _parsed(text, known.get(name)) for name, text in row.items()})
    return rows


def _parsed(text: str, given: Input | None) -> Any:
    """Turn a field into the kind of its input, strictly."""
    if text == "":
        return None
    if given is None or given.kind in ("category", "text", "datetime"):
        return text
    if given.kind == "boolean":
        known = {"true": True, "false": False}.get(text.lower())
        if known is None:
            raise OutsideContract(f"{given.name!r} is no boolean")
        return known
    pattern = _WHOLE if given.kind == "integer" else _NUMBER
    if not pattern.match(text):
        raise OutsideContract(f"{given.name!r} is no {given.kind}")
    number = int(text) if given.kind == "integer" else float(text)
    if number - number != 0:
        raise OutsideContract(f"{given.name!r} is out of range")
    return number
