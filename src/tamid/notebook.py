"""What a notebook holds, as Tamid reads it: tables, labels, pipelines, and a first contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tamid.core.adoption.names import model_name
from tamid.core.errors import UsageError, UserCodeError

if TYPE_CHECKING:
    import polars as pl

# More values than these are numbers to foresee, not classes.
_MOST_CLASSES = 20
_YES = ("yes", "true", "1", "y", "churned", "left")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What rows and labels do not say themselves: names of the model, label, entity and time."""

    label: str
    entity: str
    time: str
    name: str


def frame_of(x: Any) -> pl.DataFrame:
    """Return rows as a Polars frame: Polars', pandas', or a matrix with columns x0, x1, ..."""
    import numpy as np
    import polars as pl

    if isinstance(x, pl.DataFrame):
        return x
    if hasattr(x, "columns") and hasattr(x, "iloc"):
        return pl.DataFrame(
            {str(name): [_plain(v) for v in x[name].tolist()] for name in x.columns}, strict=False
        )
    matrix = np.asarray(x)
    if matrix.ndim != 2:
        raise UsageError(
            "X is no table", why=f"it has {matrix.ndim} dimensions", fix="Give a frame or a matrix."
        )
    return pl.DataFrame({f"x{i}": matrix[:, i] for i in range(matrix.shape[1])})


def labels_of(y: Any, rows: int) -> pl.Series:
    """Return labels as a column. Raises UsageError if there is not one for each row."""
    import polars as pl

    values = y.tolist() if hasattr(y, "tolist") else list(y)
    if len(values) != rows:
        raise UsageError(
            f"y has {len(values)} values for {rows} rows",
            why="each row has its own label",
            fix="Give a label for each row of X, in their order.",
        )
    return pl.Series("label", [_plain(v) for v in values], strict=False)


def _plain(value: Any) -> Any:
    """Return a value as Polars takes it; what pandas calls missing is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(value, float) and value != value else value


def columns_read(pipeline: Any) -> tuple[str, ...]:
    """Return the columns on which a pipeline was fitted, if it knows their names."""
    steps = [step for _, step in getattr(pipeline, "steps", ())]
    for one in (pipeline, *steps[:1]):
        with suppress(AttributeError):
            return tuple(str(n) for n in one.feature_names_in_)
    return ()


def is_fitted(pipeline: Any) -> bool:
    """Say whether it is fitted already. Raises UserCodeError: it is nothing that could be."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(pipeline)
    except NotFittedError:
        return False
    except TypeError as error:
        raise UserCodeError(
            f"the pipeline is a {type(pipeline).__name__}, no estimator of scikit-learn",
            why=str(error),
            fix="Give a pipeline or an estimator; write any other model to a file, and use "
            "`tamid register`.",
        ) from None
    return True


def fitted(pipeline: Any, rows: pl.DataFrame, values: pl.Series, read: Sequence[str]) -> Any:
    """Return the pipeline, fitted on these columns if it is not yet. Raises UserCodeError."""
    from sklearn.base import clone

    if is_fitted(pipeline):
        return pipeline
    return asked(clone(pipeline), "fit", rows.select(read), values.to_numpy())


def asked(pipeline: Any, method: str, *given: Any) -> Any:
    """Return what a method of the pipeline returns.

    Raises:
        UserCodeError: the method is not there, or raised.
    """
    try:
        return getattr(pipeline, method)(*given)
    except Exception as error:
        raise UserCodeError(
            f"the pipeline failed to {method}: {type(error).__name__}: {error}",
            why=f"{method} was called with the columns that it reads of X",
            fix="Give the X that it was fitted on, or fit it first on the columns it is to read; "
            "a classifier needs predict_proba.",
        ) from error


def draft(rows: pl.DataFrame, values: pl.Series, told: Told) -> str:
    """Return a contract for these rows: every column with its type, no limits, no minimum.

    Raises:
        UsageError: there is no such entity or time, or nothing to tell apart.
    """
    for what, name in (("entity", told.entity), ("time", told.time)):
        if name and name not in rows.columns:
            raise UsageError(
                f"X has no column {name!r}",
                why=f"{what}= names it; there are {', '.join(rows.columns)}",
                fix="Give X with that column; a pipeline reads only its own.",
            )
    known = values.drop_nulls().unique().sort().to_list()
    if len(known) < 2:
        raise UsageError(
            f"y has {'one value only' if known else 'no value'}",
            why="a label has at least two values, and both must have been seen",
            fix="Give the rows with all their outcomes.",
        )
    numbers = values.dtype.is_float() or len(known) > _MOST_CLASSES
    task = "binary" if len(known) == 2 else "regression" if numbers else "multiclass"
    positive = next((v for v in known if str(v).lower() in _YES), known[-1] if known else 1)
    label = [f"column: {_quoted(told.label)}"]
    label += [f"positive: {_quoted(positive)}"] if task == "binary" else []
    kind = "number" if task == "regression" else _type(values.dtype)
    allowed = f", allowed: [{', '.join(_quoted(str(v)) for v in known)}]"
    ours = {told.entity, told.time, told.label}
    nullable = f"{allowed if kind == 'category' else ''}, nullable: true"
    columns = [f"    {_quoted(n)}: {_column(rows, n)}" for n in rows.columns if n not in ours]
    return "\n".join([
        "# Drafted from the rows of a notebook. `tamid contract show --all` lists every key.",
        "tamid: 1",
        f"name: {model_name(told.name)}",
        f"task: {task}",
        "data:",
        "  source: {path: data/*.parquet, owner: mlops_engineer}",
        *([f"  entity: {_quoted(told.entity)}"] if told.entity else []),
        *([f"  time: {_quoted(told.time)}"] if told.time else []),
        f"  label: {{{', '.join(label)}}}",
        "  schema:",
        *columns,
        f"    {_quoted(told.label)}: {{type: {kind}{nullable}}}",
        f"training: {{model: {'ridge' if task == 'regression' else 'logistic'}, threads: 1}}",
        f"gates: {{baselines: [{'mean' if task == 'regression' else 'majority'}]}}",
        "service: {p99_ms: 500, start_s: 120}",
        "",
    ])  # fmt: skip


def _column(rows: pl.DataFrame, name: str) -> str:
    column = rows.get_column(name)
    missing = ", nullable: true" if column.null_count() or column.dtype.is_float() else ""
    return f"{{type: {_type(column.dtype)}{missing}}}"


def _type(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if dtype.is_temporal():
        return "datetime"
    return "boolean" if str(dtype) == "Boolean" else "category"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value).lower()
