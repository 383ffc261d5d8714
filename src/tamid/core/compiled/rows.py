"""From one row as it comes in to the numbers of its features: declared cleaning, words to codes."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter

from tamid.core.contract.cleaning import blanked, blanks
from tamid.core.contract.inputs import CleanStep, Column
from tamid.core.errors import DataError, Uncompilable
from tamid.core.learning.model import Feature
from tamid.core.written import form_of, read_number

Value = float | int | str | bool | None
Row = Mapping[str, Value]
_Clean = Callable[[Value], Value]


class RowCoder:
    """Packs rows as the features of a model: little-endian doubles, NaN where missing."""

    def __init__(self, features: Sequence[Feature], clean: Mapping[str, Sequence[_Clean]]) -> None:
        self._features = tuple(features)
        self._names = tuple(f.name for f in features)
        self._get = itemgetter(*self._names)
        self._pack = struct.Struct(f"<{len(features)}d").pack
        self._unpack = struct.Struct(f"<{len(features)}d").unpack
        self._words = [
            (i, {w: float(code) for code, w in enumerate(f.categories)}.get)
            for i, f in enumerate(features)
            if f.kind == "category"
        ]
        self._clean = [(i, step) for i, n in enumerate(self._names) for step in clean.get(n, ())]

    @property
    def cleans(self) -> bool:
        """Say whether values are cleaned before they are packed."""
        return bool(self._clean)

    def packed(self, row: Row) -> bytes:
        """Return a row's features as bytes.

        Raises:
            DataError: an input is missing, or is no number where the model needs one.
        """
        try:
            found = self._get(row)
            values = list(found) if len(self._names) > 1 else [found]
            for i, clean in self._clean:
                values[i] = clean(values[i])
            for i, code in self._words:
                values[i] = code(values[i], math.nan)
            return self._pack(*values)
        except KeyError as error:
            raise DataError(f"the row lacks the input {error}") from error
        except (struct.error, OverflowError, TypeError):
            return self._slowly(row)

    def many(self, rows: Sequence[Row]) -> bytes:
        """Return the features of rows as bytes, one row behind the other."""
        return b"".join(map(self.packed, rows))

    def unpacked(self, packed: bytes) -> tuple[float, ...]:
        """Return the numbers that :meth:`packed` packed."""
        return self._unpack(packed)

    def _slowly(self, row: Row) -> bytes:
        """Pack a row that holds a missing number, or say what is wrong with it."""
        values: dict[int, Value] = {i: row[n] for i, n in enumerate(self._names)}
        for i, clean in self._clean:
            values[i] = clean(values[i])
        made = []
        words = dict(self._words)
        for i, feature in enumerate(self._features):
            value = values[i]
            if i not in words:
                made.append(_number(value, feature.name))
            else:
                made.append(words[i](value, math.nan) if isinstance(value, str) else math.nan)
        return self._pack(*made)


def cleaning(
    steps: Sequence[CleanStep], schema: Mapping[str, Column], features: Sequence[Feature]
) -> Mapping[str, Sequence[_Clean]]:
    """Return what the contract's block `clean` does to each feature of a row, in order.

    Raises:
        Uncompilable: a step would do to a whole number what no whole number can keep.
    """
    found: dict[str, list[_Clean]] = {}
    kinds = {f.name: _kind(f, schema.get(f.name), steps) for f in features}
    for step in steps:
        for feature in features:
            kind = kinds[feature.name]
            named = feature.name in step.columns if step.columns else _fits(step, kind)
            if step.step != "drop_duplicates" and named:
                found.setdefault(feature.name, []).append(_cleaner(step, kind))
                kinds[feature.name] = "number" if step.step == "number" else kind
    return found


def _kind(feature: Feature, column: Column | None, steps: Sequence[CleanStep]) -> str:
    """Return the type of what comes in for a feature, before any step."""
    if column is not None:
        return column.type
    read = any(s.step == "number" and feature.name in s.columns for s in steps)
    return "category" if read or feature.kind == "category" else "number"


def _fits(step: CleanStep, kind: str) -> bool:
    """Say whether a step that names no columns applies, as tamid.stages.features does."""
    text, number = kind in ("category", "text"), kind in ("number", "integer")
    if step.step == "blank":
        return blanked(step, kind)
    if step.step != "fill":
        return number if step.step == "clip" else text
    if isinstance(step.value, bool):
        return kind == "boolean"
    return text if isinstance(step.value, str) else number


def _cleaner(step: CleanStep, kind: str) -> _Clean:
    if step.step == "blank":
        return _blanker(step, kind)
    if step.step == "number":
        form = form_of(step)
        return lambda v: read_number(v, form) if isinstance(v, str) else v
    given = (step.value, step.low, step.high)
    if kind == "integer" and any(isinstance(v, float) and v != int(v) for v in given):
        raise Uncompilable(f"the cleaning step {step.step!r} gives whole numbers a fraction")
    if step.step == "fill":
        return lambda v: step.value if v is None else v
    if step.step == "lower":
        return lambda v: v.lower() if isinstance(v, str) else v
    if step.step == "strip":
        return lambda v: v.strip() if isinstance(v, str) else v
    return lambda v: _clip(v, step.low, step.high)


def _blanker(step: CleanStep, kind: str) -> _Clean:
    known = frozenset(blanks(step, kind))
    low = -math.inf if step.low is None else step.low
    high = math.inf if step.high is None else step.high
    if kind not in ("number", "integer"):
        return lambda v: None if v in known else v

    def blank(value: Value) -> Value:
        if value is None or isinstance(value, str) or value != value:
            return value
        return None if value in known or value < low or value > high else value

    return blank


def _clip(value: Value, low: float | None, high: float | None) -> Value:
    if value is None or isinstance(value, str) or value != value:
        return value
    if low is not None and value < low:
        return low
    return high if high is not None and value > high else value


def _number(value: Value, name: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str):
        raise DataError(f"the input {name!r} must be a number")
    try:
        return float(value)
    except (OverflowError, TypeError) as error:
        raise DataError(f"the input {name!r} must be a number of 64 bits") from error
