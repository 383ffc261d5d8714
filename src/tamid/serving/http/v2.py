"""The Open Inference Protocol V2 over REST: tensors as JSON, and packed behind the JSON.

An input is a column each ([n] or [n, 1]), or the numbers in one tensor and the texts in another:
`numbers` FP64 [n, k] and `texts` BYTES [n, m], columns in the order of the model's metadata. In
tensors of numbers NaN stands for a missing value, as V2 has no null.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from tamid.core.tensored import CODES
from tamid.serving.giving_way import aside
from tamid.serving.http.hot import Lanes
from tamid.serving.http.tensors import pack, typed, unpacked
from tamid.serving.http.v2_words import columns_of
from tamid.serving.http.wire import Call, Reply, dumped
from tamid.serving.seams import Brain, Turn
from tamid.serving.strict import Codec, Decoded, Malformed, OutsideContract, strictly
from tamid.serving.values import Answer, Input, Served

HEADER = b"inference-header-content-length"
_WIRE = {
    "number": "FP64", "integer": "INT64", "boolean": "BOOL",
    "category": "BYTES", "text": "BYTES", "datetime": "BYTES",
}  # fmt: skip
_EXTENSIONS = ["binary_tensor_data"]
Route = Callable[[Call], Awaitable[Reply]]


class Host(Protocol):
    """What the routes of V2 need of the application."""

    brain: Brain
    model: str
    draining: bool

    @property
    def lanes(self) -> Lanes:
        """Return the short ways to an answer."""
        ...

    def turn(self) -> tuple[Turn, Codec]:
        """Return what is in force with its decoder."""
        ...

    async def answers(self, call: Call, turn: Turn, found: Decoded) -> Sequence[Answer]:
        """Return the answers to decoded rows, counted."""
        ...


def add_routes(app: Host, add: Callable[[str, str, str, Route], None]) -> None:
    """Add the routes of V2, with and without a version in the path."""

    async def live(call: Call) -> Reply:
        return Reply(body=dumped({"live": True}))

    async def ready(call: Call) -> Reply:
        fit = app.brain.ready() and not app.draining
        return Reply(body=dumped({"ready": fit}), status=200 if fit else 503)

    async def server(call: Call) -> Reply:
        import tamid

        told = {"name": "tamid", "version": tamid.__version__, "extensions": _EXTENSIONS}
        return Reply(body=dumped(told))

    async def model(call: Call) -> Reply:
        return Reply(body=dumped(metadata(app.turn()[0].served)))

    async def infer(call: Call) -> Reply:
        turn, codec = app.turn()
        quick = await _quick(app, call)
        if quick is not None:
            return quick
        size = len(call.body)
        with turn.held():
            asked, found = await aside(size, partial(decoded, call, codec, turn.served))
            answers = await app.answers(call, turn, found)
            return await aside(size, partial(encoded, asked, answers, turn.served, call.name))

    add("GET", "/v2", "v2", server)
    add("GET", "/v2/health/live", "health", live)
    add("GET", "/v2/health/ready", "ready", ready)
    path = f"/v2/models/{app.model}"
    add("GET", path, "v2_model", model)
    add("GET", f"{path}/ready", "ready", ready)
    add("POST", f"{path}/infer", "v2_infer", infer)


async def _quick(app: Host, call: Call) -> Reply | None:
    """Answer a plain request in the hot lane, if there is one."""
    length = call.headers.get(HEADER, str(len(call.body)).encode())
    hot = app.lanes.hot_for_many()
    if hot is None or not length.isdigit() or int(length) > len(call.body):
        return None
    found = await hot.many_v2(call, int(length))
    return None if found is None else _reply(*found)


def _reply(body: bytes, length: int) -> Reply:
    """Return an answer whose JSON has a length, if packed tensors follow (0: none do)."""
    if not length:
        return Reply(body=body)
    extra = ((HEADER, str(length).encode()),)
    return Reply(body=body, kind=b"application/octet-stream", headers=extra)


def plain_path(path: str, model: str, version: int) -> str:
    """Return the path without the version, if it is the one that answers.

    >>> plain_path("/v2/models/churn/versions/3/infer", "churn", 3)
    '/v2/models/churn/infer'
    """
    start = f"/v2/models/{model}"
    return path.replace(f"{start}/versions/{version}", start, 1)


def metadata(served: Served) -> dict[str, Any]:
    """Return the model's metadata as V2 has it."""
    outputs = [
        {"name": "score", "datatype": "FP64", "shape": [-1]},
        {"name": "decision", "datatype": "INT64", "shape": [-1]},
        {"name": "version", "datatype": "INT64", "shape": [-1]},
        {"name": "rung", "datatype": "BYTES", "shape": [-1]},
        {"name": "reason", "datatype": "BYTES", "shape": [-1]},
    ]
    return {
        "name": served.name,
        "versions": [str(served.number)],
        "platform": "tamid",
        "inputs": [
            {"name": i.name, "datatype": _WIRE[i.kind], "shape": [-1]} for i in served.inputs
        ],
        "outputs": outputs,
    }


def decoded(call: Call, codec: Codec, served: Served) -> tuple[Mapping[str, Any], Decoded]:
    """Return the request and its rows. Raises Malformed, OutsideContract."""
    length = call.headers.get(HEADER, str(len(call.body)).encode())
    if not length.isdigit() or int(length) > len(call.body):
        raise Malformed("Inference-Header-Content-Length does not fit the body")
    head, packed = call.body[: int(length)], memoryview(call.body)[int(length) :]
    asked = strictly(head)
    return asked, codec.plain(rows_of(asked, packed, served))


def rows_of(asked: Any, packed: memoryview, served: Served) -> Sequence[Mapping[str, Any]]:
    """Return the rows of a request; `packed`: the values that stand behind its words.

    Raises:
        Malformed, OutsideContract: they are no tensors, or none of the model's.
    """
    inputs = asked.get("inputs") if isinstance(asked, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise Malformed("`inputs` must be a list of tensors")
    columns: dict[str, list[Any]] = {}
    for tensor in inputs:
        name, values, width = _values(tensor, packed)
        if width.packed:
            packed = packed[width.packed :]
        for column, part in _columns(name, values, width.columns, served):
            if column in columns:
                raise Malformed("an input came twice")
            columns[column] = part
    if packed:
        raise Malformed("there are bytes behind the last packed tensor")
    if len({len(values) for values in columns.values()}) != 1:
        raise Malformed("the inputs have different numbers of rows")
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class _Width:
    __slots__ = ("columns", "packed")

    def __init__(self, columns: int, packed: int) -> None:
        self.columns, self.packed = columns, packed


def _values(tensor: Any, packed: memoryview) -> tuple[str, list[Any], _Width]:
    """Return a tensor's name, its values row by row, its width and how many bytes it took."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise Malformed("each input needs a name")
    kind, shape = tensor.get("datatype"), tensor.get("shape")
    if kind not in CODES and kind != "BYTES":
        raise Malformed("an input has a datatype that is not served")
    if not _is_shape(shape):
        raise Malformed("an input's shape must be [rows] or [rows, columns]")
    assert isinstance(shape, list)
    columns = shape[1] if len(shape) == 2 else 1
    count = shape[0] * columns
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        data = tensor.get("data")
        values = _flat(data)
        values = [typed(value, kind) for value in values]
    else:
        if type(size) is not int or not 0 <= size <= len(packed):
            raise Malformed("binary_data_size does not fit the body")
        values = unpacked(packed[:size], kind, count)
    if len(values) != count:
        raise Malformed("an input's data does not fit its shape")
    return tensor["name"], values, _Width(columns, size or 0)


def _parameters(given: Mapping[str, Any]) -> Mapping[str, Any]:
    found = given.get("parameters")
    return found if isinstance(found, dict) else {}


def _is_shape(shape: Any) -> bool:
    # A dimension above this cannot come in a body of any allowed size.
    return (
        isinstance(shape, list)
        and 1 <= len(shape) <= 2
        and all(type(n) is int and 0 < n < 10**9 for n in shape)
    )


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise Malformed("an input has neither data nor binary_data_size")
    found: list[Any] = []
    for item in data:
        found.extend(item) if isinstance(item, list) else found.append(item)
    return found


def _columns(
    name: str, values: list[Any], width: int, served: Served
) -> list[tuple[str, list[Any]]]:
    """Return the columns that a tensor holds, their values in the kinds of the inputs."""
    known = {i.name: i for i in served.inputs}
    if name in known and width == 1:
        return [(name, [_fitting(v, known[name]) for v in values])]
    inputs = served.tensors.get(name)
    if inputs is None or width != len(inputs):
        if name in (served.entity, "_id", "_entity") and width == 1:
            return [(name, values)]
        raise OutsideContract("an input is none of the model's, or has another width")
    return [
        (column, [_fitting(v, known[column]) for v in values[place::width]])
        for place, column in enumerate(inputs)
    ]


def _fitting(value: Any, given: Input) -> Any:
    """Take whole numbers of a float tensor for integers and flags; texts stay texts."""
    if value is None:
        return None
    if given.kind == "number" and type(value) is int:
        return float(value)
    if given.kind == "integer" and type(value) is float and value.is_integer():
        return int(value)
    if given.kind == "boolean" and type(value) in (int, float) and value in (0, 1):
        return bool(value)
    return value


def encoded(
    asked: Mapping[str, Any], answers: Sequence[Answer], served: Served, name: str
) -> Reply:
    """Return the answer; packed where the request asks for packed outputs."""
    columns = columns_of(answers, asked.get("outputs"))
    wanted = asked.get("outputs") or [{"name": n} for n in columns]
    whole = bool(_parameters(asked).get("binary_data_output"))
    outputs, packed = [], []
    for output in wanted:
        named = output["name"]
        kind, values = columns[named]
        told: dict[str, Any] = {"name": named, "datatype": kind, "shape": [len(answers)]}
        if bool(_parameters(output).get("binary_data", whole)):
            raw = pack(kind, values)
            told["parameters"] = {"binary_data_size": len(raw)}
            packed.append(raw)
        else:
            told["data"] = [None if v != v else v for v in values]
        outputs.append(told)
    given = asked.get("id")
    head = dumped(
        {
            "model_name": served.name,
            "model_version": str(served.number),
            "id": given if isinstance(given, str) and given else name,
            "outputs": outputs,
        }
    )
    return _reply(head + b"".join(packed), len(head) if packed else 0)
