"""ONNX models through ONNX Runtime: one thread, float by float as they were exported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.adapters._optional import need
from tamid.core.errors import IntegrityError, UsageError, UserCodeError
from tamid.core.learning.given import ONE_NUMBER, Described, Input
from tamid.core.learning.model import FeatureTable, Floats, StoredModel
from tamid.core.values import Task, canonical_json

if TYPE_CHECKING:
    from tamid.core.learning.model import Model

FORMAT = "onnx"
_FILE, _ABOUT = "model.onnx", "about.json"
_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64}
_WHOLE = {
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_,
}  # fmt: skip
_TEXT = "tensor(string)"
# Where exporters note the names of one wide input's columns.
_NAMES = ("feature_names", "features", "columns")


def described(content: bytes) -> Described:
    """Return what a model reads and answers; it is tried on two rows of zeros.

    Raises:
        UsageError: ONNX Runtime cannot read it, or an input is of a kind that no column is.
    """
    session = _session(content, UsageError)
    inputs = _inputs(session)
    try:
        found = session.run(None, _zeros(session, len(inputs)))
    except Exception as error:  # the runtime raises kinds of its own
        raise UsageError(
            f"the ONNX model does not answer: {str(error).splitlines()[0]}",
            why="it was tried on two rows of zeros",
            fix="Export it with a batch axis of any length, and one input a column or one for all.",
        ) from error
    place, outputs, classes = _answers(session, found)
    meta = session.get_modelmeta()
    return Described(
        stored=StoredModel(format=FORMAT, files={_FILE: content}),
        inputs=inputs,
        answers=ONE_NUMBER if place < 0 else "chances",
        outputs=1 if outputs == 2 else outputs,
        classes=classes,
        made_with=f"ONNX ({meta.producer_name or 'unnamed producer'})",
    )


def _inputs(session: Any) -> tuple[Input, ...]:
    given = session.get_inputs()
    known = {*_FLOATS, *_WHOLE, _TEXT}
    if strange := [f"{i.name}: {i.type}" for i in given if i.type not in known]:
        raise UsageError(
            f"the ONNX model reads what no column is: {', '.join(strange)}",
            why="columns hold numbers, booleans and texts",
            fix="Export the model with inputs of these kinds.",
        )
    if fixed := [i.name for i in given if i.shape and isinstance(i.shape[0], int)]:
        raise UsageError(
            f"the ONNX model takes a fixed number of rows at once: {', '.join(fixed)}",
            why="batches and single rows must both be answered",
            fix="Export it with a batch axis of any length (None in the shape).",
        )
    width = _width(given)
    if len(given) == 1 and width > 1:
        names = _column_names(session, width)
        return tuple(Input(name=n, kind=_kind(given[0]), whole=_is_whole(given[0])) for n in names)
    return tuple(Input(name=i.name, kind=_kind(i), whole=_is_whole(i)) for i in given)


def _width(given: Any) -> int:
    shape = given[0].shape
    return shape[1] if len(shape) > 1 and isinstance(shape[1], int) else 1


def _kind(one: Any) -> Any:
    return "category" if one.type == _TEXT else "number"


def _is_whole(one: Any) -> bool:
    return one.type in _WHOLE


def _column_names(session: Any, width: int) -> list[str]:
    """Return the names that the exporter noted for the columns of one wide input, or nothing."""
    noted = session.get_modelmeta().custom_metadata_map
    for key in _NAMES:
        text = noted.get(key, "")
        try:
            names = json.loads(text) if text.startswith("[") else text.split(",")
        except ValueError:
            continue
        if len(names) == width:
            return [str(n).strip() for n in names]
    return [""] * width


def _zeros(session: Any, count: int) -> Mapping[str, Any]:
    given = session.get_inputs()
    if len(given) == 1 and count > 1:
        return {given[0].name: _array(given[0].type, np.zeros((2, count)))}
    return {i.name: _shaped(i, _array(i.type, np.zeros(2))) for i in given}


def _array(kind: str, values: Any) -> Any:
    if kind == _TEXT:
        return np.full(values.shape, "", dtype=object)
    return values.astype({**_FLOATS, **_WHOLE}[kind])


def _shaped(one: Any, values: Any) -> Any:
    return values.reshape(-1, 1) if len(one.shape) == 2 else values


def _answers(session: Any, found: list[Any]) -> tuple[int, int, tuple[str, ...]]:
    """Return which output holds chances (-1: none, it gives numbers), how many, and whose."""
    for place, value in enumerate(found):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return place, len(value[0]), tuple(str(k) for k in value[0])
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and len(found) > 1:
            return place, value.shape[1] if value.ndim == 2 else 2, ()
    only = found[0]
    if len(found) == 1 and isinstance(only, np.ndarray) and only.dtype.kind == "f":
        width = only.shape[1] if only.ndim == 2 else 1
        # One number a row is a number; a network for classes gives one for each of them.
        return (0, width, ()) if width > 1 else (-1, 1, ())
    raise UsageError(
        "the ONNX model gives no chances and no numbers",
        why=f"its outputs are {', '.join(o.name + ' ' + o.type for o in session.get_outputs())}",
        fix="Export it with its probabilities, such as skl2onnx does.",
    )


class OnnxModel:
    """A session of the runtime; `reference` (one table row) is what answers are explained by.

    `order`: where each of the contract's classes stands among the model's, if it names them.
    """

    def __init__(
        self,
        content: bytes,
        *,
        task: Task,
        reference: Floats,
        order: tuple[int, ...] = (),
    ) -> None:
        self._content, self._task, self._reference = content, task, reference
        self._order = order
        self._session = _session(content, IntegrityError)
        self._given = self._session.get_inputs()

    def predict(self, x: FeatureTable) -> Floats:
        """Return chances of the positive class, numbers, or (n, k) chances of classes."""
        try:
            found = self._session.run(None, self._fed(x))
        except Exception as error:  # the runtime raises kinds of its own
            raise UserCodeError(f"the ONNX model failed: {str(error).splitlines()[0]}") from error
        place, _, _ = _answers(self._session, found)
        raw = found[max(place, 0)]
        if isinstance(raw, list):
            raw = np.array([list(row.values()) for row in raw])
        chances = np.asarray(raw, dtype=np.float64).reshape(len(x), -1)
        if self._order:
            chances = chances[:, list(self._order)]
        if self._task is Task.MULTICLASS:
            return chances
        return np.ascontiguousarray(chances[:, -1])

    def contributions(self, x: FeatureTable) -> Floats:
        """Return how much lower each row's answer is when a feature takes its neutral value."""
        base = self._best(x)
        moved = np.empty((len(x), len(x.features)), dtype=np.float64)
        for i in range(len(x.features)):
            values = x.values.copy()
            values[:, i] = self._reference[i]
            moved[:, i] = base - self._best(FeatureTable(features=x.features, values=values))
        return moved

    def importance(self) -> Floats:
        """Return zeros: the file does not tell."""
        return np.zeros(len(self._reference))

    def dump(self) -> StoredModel:
        """Return the file as it came, with what it is explained by."""
        reference = [None if np.isnan(v) else float(v) for v in self._reference]
        about = canonical_json({"reference": reference, "order": list(self._order)})
        return StoredModel(format=FORMAT, files={_FILE: self._content, _ABOUT: about.encode()})

    def _best(self, x: FeatureTable) -> Floats:
        found = self.predict(x)
        return found.max(axis=1) if found.ndim == 2 else found

    def _fed(self, x: FeatureTable) -> Mapping[str, Any]:
        columns = [self._column(x, i) for i in range(len(x.features))]
        if len(self._given) == 1 and len(columns) > 1:
            one = self._given[0]
            return {one.name: np.stack([_cast(one.type, c) for c in columns], axis=1)}
        return {
            g.name: _shaped(g, _cast(g.type, c)) for g, c in zip(self._given, columns, strict=True)
        }

    def _column(self, x: FeatureTable, i: int) -> Any:
        """Return a column as numbers or as words, a missing word as an empty one."""
        feature, values = x.features[i], x.values[:, i]
        if feature.kind == "number":
            return values
        words = np.array([*feature.categories, ""], dtype=object)
        codes = np.where(np.isnan(values), len(feature.categories), values).astype(np.int64)
        return words[codes]


def _cast(kind: str, column: Any) -> Any:
    if kind == _TEXT:
        return column
    if kind in _WHOLE and np.isnan(column).any():
        raise UserCodeError(
            "the ONNX model takes no missing value where a row has one",
            why="its input is of whole numbers, which cannot be missing",
            fix="Fill the column under `clean`, or export the model with float inputs.",
        )
    return column.astype({**_FLOATS, **_WHOLE}[kind])


def load(stored: StoredModel, task: Task) -> OnnxModel:
    """Load what :meth:`OnnxModel.dump` wrote. Raises IntegrityError if it cannot be."""
    try:
        about = json.loads(stored.files[_ABOUT])
        reference = np.array([np.nan if v is None else v for v in about["reference"]], dtype=float)
        return OnnxModel(
            stored.files[_FILE], task=task, reference=reference, order=tuple(about["order"])
        )
    except (KeyError, ValueError, TypeError) as error:
        raise IntegrityError(f"the bundle's model is incomplete: {error}") from error


def _session(content: bytes, kind: type[UsageError | IntegrityError]) -> Any:
    runtime: Any = need("onnxruntime", "loop")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Errors come as exceptions; what else the runtime would print belongs to nobody.
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises kinds of its own
        raise kind(
            f"the ONNX model cannot be opened: {str(error).splitlines()[0]}",
            why="it is no whole ONNX file, or needs operators that are not in ONNX Runtime",
        ) from error


if TYPE_CHECKING:

    def _check(content: bytes) -> Model:
        return OnnxModel(content, task=Task.BINARY, reference=np.zeros(0))
