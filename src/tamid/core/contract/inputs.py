"""The contract's blocks `data`, `clean` and `features`: from files to what the model sees."""

# ruff: noqa: RUF009 - key() makes a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tamid.core.contract.csvform import CsvForm, Decimal, Thousands
from tamid.core.contract.fields import (
    CODE,
    COLUMN,
    NOT_NEGATIVE,
    OPS,
    PATH,
    POSITIVE,
    SHARE,
    SHARE_ABOVE_0,
    Limits,
    key,
)

Format = Literal["auto", "csv", "parquet", "delta"]
SourceOwner = Literal["ml_developer", "mlops_engineer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column's type and the values that are physically possible."""

    type: Literal["number", "integer", "category", "boolean", "text", "datetime"] = key("type")
    min: float | None = key("smallest possible value", None)
    max: float | None = key("largest possible value", None)
    allowed: tuple[str, ...] | None = key("the only values a category may take", None)
    nullable: bool = key("may the value be missing", False)
    feature: bool = key("is the column offered to the model", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where rows come from, and who answers for them."""

    path: str = key(
        "file, glob, Delta table, DVC pointer (`.dvc`) or s3://, az://, gs:// objects; relative "
        "paths start at the contract's folder",
        limits=PATH,
    )
    format: Format = key("how to read it", "auto")
    csv: CsvForm | None = key("how CSV files are written (default: UTF-8, 1.5, ISO 8601)", None)
    owner: SourceOwner = key("role that answers for this source", OPS)
    known_at: str | None = key(
        "column that says when a row became known (default: on arrival)", None, limits=COLUMN
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTable:
    """A further table of events, joined point-in-time."""

    path: str = key("as `source.path`", limits=PATH)
    entity: str = key("column that names the entity", limits=COLUMN)
    time: str = key("column of the event's moment", limits=COLUMN)
    format: Format = key("how to read it", "auto")
    csv: CsvForm | None = key("how CSV files are written (default: UTF-8, 1.5, ISO 8601)", None)
    owner: SourceOwner = key("role that answers for this table", OPS)
    known_at: str | None = key(
        "column that says when an event became known (default: when it happened for the first "
        "import, on arrival for what comes later)",
        None,
        limits=COLUMN,
    )
    delay: timedelta = key(
        "how long after it happened an event can be known at the earliest; before that it counts "
        "for no row, in history too",
        timedelta(0),
        limits=NOT_NEGATIVE,
    )
    schema: Mapping[str, Column] = key("columns of the table", {}, limits=Limits(keys="column"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the model is to foresee, and when the truth is known."""

    column: str = key("column of the label", limits=COLUMN)
    positive: str | int | float | bool | None = key("value that counts as positive (binary)", None)
    horizon: timedelta = key("how long after the row's time the outcome is decided", timedelta(0))
    reporting_lag: timedelta = key("how long after that we hear of it", timedelta(0))
    absence: Literal["negative", "unknown"] = key(
        "what a missing label means once matured", "unknown"
    )
    mature_at: float = key(
        "share of labels known from which a week counts as matured", 0.95, limits=SHARE_ABOVE_0
    )
    source: Source | None = key("separate source of labels (default: the rows' own column)", None)
    event_time: str | None = key(
        "in a label source of events: column of the event's moment", None, limits=COLUMN
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """When bad rows are set aside and when the whole batch is refused."""

    max_share: float = key("share of bad rows above which the batch is refused", 0.02, limits=SHARE)
    least_rows: float = key(
        "share of a period's usual rows below which it is not scored before delivery.by",
        0.5,
        limits=SHARE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Rows, tables, labels and what they must look like."""

    source: Source = key("the rows to score and to train on")
    entity: str | None = key(
        "column that names the entity (default: each row is its own)", None, limits=COLUMN
    )
    time: str | None = key(
        "column of the row's moment; without it there is no loop", None, limits=COLUMN
    )
    label: Label = key("the truth")
    schema: Mapping[str, Column] = key("columns of the rows", {}, limits=Limits(keys="column"))
    tables: Mapping[str, EventTable] = key(
        "further tables of events", {}, limits=Limits(keys="column")
    )
    quarantine: Quarantine = key("bad rows", Quarantine())
    forbidden: tuple[str, ...] = key("columns that must never be read", (), limits=COLUMN)
    pii: tuple[str, ...] = key("columns that must never be stored for good", (), limits=COLUMN)


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanStep:
    """One declared cleaning step, the same in training and scoring."""

    step: Literal["drop_duplicates", "fill", "blank", "clip", "lower", "strip", "number"] = key(
        "what is done; number: a column of texts becomes one of numbers, other texts missing"
    )
    columns: tuple[str, ...] = key("to which columns (default: all that fit)", (), limits=COLUMN)
    value: str | int | float | bool | None = key("fill: the value", None)
    values: tuple[str | int | float | bool, ...] = key(
        "blank: values that mean nothing, such as -999 or n/a", ()
    )
    low: float | None = key("clip, blank: lower bound", None)
    high: float | None = key("clip, blank: upper bound", None)
    decimal: Decimal = key("number: what stands before a fraction", ".")
    thousands: Thousands = key("number: what stands between groups of three digits", "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One number per row out of an event table, over a window that ends before the row's time."""

    table: str = key("name under data.tables", limits=COLUMN)
    function: Literal["count", "sum", "mean", "min", "max", "last", "distinct"] = key(
        "what is computed"
    )
    column: str | None = key("column it is computed on (count needs none)", None, limits=COLUMN)
    window: timedelta | None = key(
        "length of the window (default: all the past)", None, limits=POSITIVE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewUse:
    """A feature view of the workspace that the model uses, whole or in part."""

    view: str = key("name of the view", limits=COLUMN)
    features: tuple[str, ...] = key("which of its features (default: all)", (), limits=COLUMN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """How rows become what the model sees."""

    code: str | None = key("file.py:function(frame) -> frame, row by row", None, limits=CODE)
    aggregates: Mapping[str, Aggregate] = key(
        "point-in-time numbers out of event tables", {}, limits=Limits(keys="column")
    )
    views: tuple[ViewUse, ...] = key("feature views of the workspace that the model uses", ())
