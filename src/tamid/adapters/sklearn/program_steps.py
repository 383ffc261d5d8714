"""Fitted transformers as steps on single numbers; what is not known is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tamid.adapters.sklearn.program_codes import (
    Column,
    Tables,
    is_nan,
    one_hot,
    ordinal,
    target,
)
from tamid.core.compiled.program import Op
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Feature


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
        taken = [columns[i] for i in places.get(name, ())]
        # scikit-learn never fits a part that has no columns: it has nothing to read, and to say.
        made += prepared(inner, taken, tables) if taken else []
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
        if not is_nan(step.missing_values):
            raise Uncompilable("a SimpleImputer fills something else than missing values")
        if not is_nan(value):
            made.append(column.then((Op.FILL, float(value)), may_miss=False))
    if step.add_indicator:
        made += _indicator(step.indicator_, columns, tables)
    return made


def _indicator(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    if not is_nan(step.missing_values):
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


def _select(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    return [c for c, kept in zip(columns, step.get_support(), strict=True) if kept]


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
    "OneHotEncoder": one_hot,
    "OrdinalEncoder": ordinal,
    "TargetEncoder": target,
    "VarianceThreshold": _select,
    "SelectKBest": _select,
    "SelectPercentile": _select,
}
