"""What a notebook holds, as Tamid reads it: tables, labels, and a first contract for them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tamid.core.errors import UsageError

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
            f"y has {len(values)} values for {rows} rows", why="each row has its own label"
        )
    return pl.Series("label", [_plain(v) for v in values], strict=False)


def _plain(value: Any) -> Any:
    """Return a value as Polars takes it; what pandas calls missing is missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(value, float) and value != value else value


def draft(rows: pl.DataFrame, values: pl.Series, told: Told) -> str:
    """Return a contract for these rows: every column with its type, no limits, no minimum."""
    known = values.drop_nulls().unique().sort().to_list()
    numbers = values.dtype.is_float() or len(known) > _MOST_CLASSES
    task = "binary" if len(known) == 2 else "regression" if numbers else "multiclass"
    positive = next((v for v in known if str(v).lower() in _YES), known[-1] if known else 1)
    label = [f"column: {told.label}"]
    label += [f"positive: {_quoted(positive)}"] if task == "binary" else []
    kind = "number" if task == "regression" else _type(values.dtype)
    allowed = f", allowed: [{', '.join(_quoted(str(v)) for v in known)}]"
    ours = {told.entity, told.time, told.label}
    nullable = f"{allowed if kind == 'category' else ''}, nullable: true"
    columns = [f"    {_quoted(n)}: {_column(rows, n)}" for n in rows.columns if n not in ours]
    return "\n".join([
        "# Drafted from the rows of a notebook. `tamid contract show --all` lists every key.",
        "tamid: 1",
        f"name: {_name(told.name)}",
        f"task: {task}",
        "data:",
        "  source: {path: data/*.parquet, owner: mlops_engineer}",
        *([f"  entity: {_quoted(told.entity)}"] if told.entity else []),
        *([f"  time: {_quoted(told.time)}"] if told.time else []),
        f"  label: {{{', '.join(label)}}}",
        "  schema:",
        *columns,
        f"    {told.label}: {{type: {kind}{nullable}}}",
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


def _name(text: str) -> str:
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in text).strip("._-")
    return kept or "model"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value).lower()
