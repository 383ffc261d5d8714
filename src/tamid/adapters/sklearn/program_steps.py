"""Fitted transformers as steps on single numbers; what is not known is refused by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tamid.core.compiled.program import Op
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Feature

Step = tuple[Op, float]
Word = str | None
# Codes of an encoder that reads numbers: beyond, it reads measurements and no codes.
_MOST_CODES = 4096


class Tables:
    """The tables of a program, each kept once."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []

    def step(self, table: list[float]) -> Step:
        """Return the step that reads a table: missing, any other number, then 0, 1, 2..."""
        key = [repr(v) for v in table]
        known = [[repr(v) for v in row] for row in self.rows]
        if key not in known:
            self.rows.append(table)
            known.append(key)
        return Op.MAP, float(known.index(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column on its way to the model: numbers after `steps`, or a word for each code.

    `words`: of a column of texts, what each code of the vocabulary stands for, the missing last.
    """

    source: int
    steps: tuple[Step, ...] = ()
    words: tuple[Word, ...] | None = None
    may_miss: bool = True

    def then(self, *steps: Step, may_miss: bool | None = None) -> Column:
        """Return the column after further steps. Raises Uncompilable if it holds texts."""
        self.numeric()
        missing = self.may_miss if may_miss is None else may_miss
        return replace(self, steps=(*self.steps, *steps), may_miss=missing)

    def numeric(self) -> None:
        """Raise Uncompilable if the column holds texts."""
        if self.words is not None:
            raise Uncompilable("a step takes numbers, and gets texts")

    def ready(self, *, single: bool) -> list[Step]:
        """Return the steps up to the model; `single`: it reads 32 bits."""
        self.numeric()
        return [*self.steps, *([(Op.SINGLE, 0.0)] if single else [])]


def source_columns(features: Sequence[Feature], *, words: bool) -> list[Column]:
    """Return the columns that the first step gets; `words`: categories come as their texts."""
    return [
        Column(source=i, words=(*f.categories, None) if words and f.kind == "category" else None)
        for i, f in enumerate(features)
    ]


def flat_steps(pipeline: Any) -> list[Any]:
    """Return the steps of a pipeline, those of pipelines inside it among them."""
    if _kind(pipeline) != "Pipeline":
        return [pipeline]
    found = [
        step for _, step in pipeline.steps if step is not None and not _is(step, "passthrough")
    ]
    return [inner for step in found for inner in flat_steps(step)]


def prepared(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    """Return the columns after one fitted step.

    Raises:
        Uncompilable: its type, or the way it is set, is not known.
    """
    if _is(step, "passthrough") or step is None:
        return columns
    if _is(step, "drop"):
        return []
    kind = _kind(step)
    if kind not in _STEPS:
        raise Uncompilable(f"the step {type(step).__name__} is not one that a program knows")
    return _STEPS[kind](step, columns, tables)


def _kind(step: Any) -> str:
    """Return the name of a type of scikit-learn itself; own classes are nobody's word."""
    kind = type(step)
    return str(kind.__qualname__) if kind.__module__.split(".")[0] == "sklearn" else ""


def _is(step: Any, word: str) -> bool:
    return isinstance(step, str) and step == word


def _pipeline(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    for inner in flat_steps(step):
        columns = prepared(inner, columns, tables)
    return columns


def _by_column(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if step.transformer_weights:
        raise Uncompilable("the ColumnTransformer weighs its parts")
    places: Mapping[str, Sequence[int]] = step._transformer_to_input_indices  # noqa: SLF001 - the only resolved form of the columns
    made: list[Column] = []
    for name, inner, which in step.transformers_:
        if isinstance(which, str):
            raise Uncompilable(f"the part {name!r} takes one column as a vector")
        made += prepared(inner, [columns[i] for i in places.get(name, ())], tables)
    return made


def _union(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if step.transformer_weights:
        raise Uncompilable("the FeatureUnion weighs its parts")
    return [c for _, inner in step.transformer_list for c in prepared(inner, columns, tables)]


def _function(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if step.func is not None:
        raise Uncompilable("a FunctionTransformer calls a function of the user's")
    return columns


def _impute(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    made = []
    for column, value in zip(columns, step.statistics_, strict=True):
        if column.words is not None:
            gap = step.missing_values is None
            filled = value if gap and isinstance(value, str) else None
            words = tuple(filled if w is None else w for w in column.words)
            made.append(replace(column, words=words))
            continue
        if not _is_nan(step.missing_values):
            raise Uncompilable("a SimpleImputer fills something else than missing values")
        if not _is_nan(value):
            made.append(column.then((Op.FILL, float(value)), may_miss=False))
    if step.add_indicator:
        made += _indicator(step.indicator_, columns, tables)
    return made


def _indicator(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if not _is_nan(step.missing_values):
        raise Uncompilable("a MissingIndicator tells something else than missing values")
    return [columns[int(i)].then((Op.ISNAN, 0.0), may_miss=False) for i in step.features_]


def _standard(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    return _scaled(columns, (Op.SUBTRACT, step.mean_ if step.with_mean else None),
                   (Op.DIVIDE, step.scale_ if step.with_std else None))  # fmt: skip


def _robust(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    return _scaled(columns, (Op.SUBTRACT, step.center_ if step.with_centering else None),
                   (Op.DIVIDE, step.scale_ if step.with_scaling else None))  # fmt: skip


def _absolute(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    made = _scaled(columns, (Op.DIVIDE, step.scale_))
    return _clipped(made, (-1.0, 1.0)) if getattr(step, "clip", False) else made


def _min_max(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    made = _scaled(columns, (Op.MULTIPLY, step.scale_), (Op.ADD, step.min_))
    return _clipped(made, step.feature_range) if step.clip else made


def _clipped(columns: list[Column], bounds: tuple[float, float]) -> list[Column]:
    low, high = bounds
    return [c.then((Op.AT_LEAST, float(low)), (Op.AT_MOST, float(high))) for c in columns]


def _scaled(columns: list[Column], *moves: tuple[Op, Any]) -> list[Column]:
    made = columns
    for op, values in moves:
        if values is not None:
            pairs = zip(made, values, strict=True)
            made = [column.then((op, float(v))) for column, v in pairs]
    return made


def _one_hot(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if step.min_frequency is not None or step.max_categories is not None:
        raise Uncompilable("a OneHotEncoder gathers rare categories")
    dropped = step.drop_idx_ if step.drop_idx_ is not None else [None] * len(columns)
    made = []
    for column, known, drop in zip(columns, step.categories_, dropped, strict=True):
        _refuse_raising(step, column, known)
        for i, category in enumerate(known):
            if drop is None or i != drop:
                made.append(_equals(column, category, tables))
    return made


def _equals(column: Column, category: object, tables: Tables) -> Column:
    if column.words is None:
        gap = category is None or _is_nan(category)
        step = (Op.ISNAN, 0.0) if gap else (Op.EQUALS, float(str(category)))
        return column.then(step, may_miss=False)
    wanted = None if _is_nan(category) else category
    same = [1.0 if w == wanted else 0.0 for w in column.words]
    if same[-1] == 0.0 and sum(same) == 1.0:
        only: Step = (Op.EQUALS, float(same.index(1.0)))
        return replace(column, words=None, steps=(only,), may_miss=False)
    table = tables.step([same[-1], 0.0, *same[:-1]])
    return replace(column, words=None, steps=(table,), may_miss=False)


def _ordinal(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if step.min_frequency is not None or step.max_categories is not None:
        raise Uncompilable("an OrdinalEncoder gathers rare categories")
    made = []
    for column, known in zip(columns, step.categories_, strict=True):
        _refuse_raising(step, column, known)
        unknown = math.nan if step.unknown_value is None else float(step.unknown_value)
        # A missing number is given the encoder's own value; None is a category like any other.
        gap = float(step.encoded_missing_value)
        codes = {
            None if _is_nan(c) else c: gap if _is_nan(c) else float(i) for i, c in enumerate(known)
        }
        made.append(_coded(column, codes, unknown, tables))
    return made


def _target(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if step.target_type_ == "multiclass":
        raise Uncompilable("a TargetEncoder of several classes makes several columns of each")
    made = []
    for column, known, means in zip(columns, step.categories_, step.encodings_, strict=True):
        codes = {None if _is_nan(c) else c: float(m) for c, m in zip(known, means, strict=True)}
        made.append(_coded(column, codes, float(step.target_mean_), tables))
    return made


def _coded(column: Column, codes: Mapping[Any, float], unknown: float, tables: Tables) -> Column:
    """Return a column whose categories become their codes."""
    if column.words is not None:
        found = [codes.get(w, unknown) for w in column.words]
        table = [found[-1], unknown, *found[:-1]]
    else:
        numbers = [c for c in codes if c is not None]
        if any(c != int(c) or not 0 <= c < _MOST_CODES for c in numbers):
            raise Uncompilable("an encoder reads numbers that are no codes")
        most = int(max(numbers, default=-1)) + 1
        table = [
            codes.get(None, unknown),
            unknown,
            *(codes.get(float(i), unknown) for i in range(most)),
        ]
    step = tables.step(table)
    missing = any(math.isnan(v) for v in table)
    return replace(column, words=None, steps=(*column.steps, step), may_miss=missing)


def _refuse_raising(step: Any, column: Column, known: Sequence[object]) -> None:
    """Refuse an encoder that fails on words it has not seen, if there can be any."""
    if getattr(step, "handle_unknown", "ignore") != "error":
        return
    seen = {None if _is_nan(c) else c for c in known}
    if column.words is None or not set(column.words) <= seen:
        raise Uncompilable(
            f"the {type(step).__name__} fails on what it has not seen, a missing value included",
            fix='Give it a `handle_unknown` that answers, such as "ignore".',
        )


def _select(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    return [c for c, kept in zip(columns, step.get_support(), strict=True) if kept]


def _is_nan(value: object) -> bool:
    return isinstance(value, (float, np.floating)) and math.isnan(value)


_STEPS: Mapping[str, Callable[[Any, list[Column], Tables], list[Column]]] = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _by_column,
    "FeatureUnion": _union,
    "FunctionTransformer": _function,
    "SimpleImputer": _impute,
    "MissingIndicator": _indicator,
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MaxAbsScaler": _absolute,
    "MinMaxScaler": _min_max,
    "OneHotEncoder": _one_hot,
    "OrdinalEncoder": _ordinal,
    "TargetEncoder": _target,
    "VarianceThreshold": _select,
    "SelectKBest": _select,
    "SelectPercentile": _select,
}
