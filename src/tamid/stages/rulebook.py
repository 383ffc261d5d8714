"""The contract's rules for columns as a schema of dataframely."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from tamid.core.contract.model import Column
from tamid.core.values import ENTITY, TIME

if TYPE_CHECKING:
    import dataframely as dy

# The number of a row in its batch, and what a value that is none of the allowed ones breaks.
ROW, NOT_ALLOWED = "_row", "not allowed"


@functools.lru_cache(maxsize=64)
def batch_schema(
    columns: tuple[tuple[str, Column], ...],
    names: tuple[tuple[str, str], ...],
    entity: str | None,
    timed: bool,
    unique: bool,
) -> type[dy.Schema]:
    """Build the dataframely schema of the contract's columns under their plain names.

    To build one costs more than to hold a small batch against it.
    """
    import dataframely as dy

    plain = dict(names)
    rules: dict[str, dy.Column] = {plain[ROW]: dy.Int64()}
    if entity:
        rules[plain[ENTITY]] = dy.String(primary_key=unique, nullable=False)
    if timed:
        rules[plain[TIME]] = dy.Datetime(
            primary_key=unique and entity is not None,
            nullable=False,
            time_unit="us",
            time_zone="UTC",
        )
    rules |= {plain[name]: _column(column) for name, column in columns}
    return type("Batch", (dy.Schema,), dict[str, Any](rules))


def _column(column: Column) -> dy.Column:
    import dataframely as dy

    nullable, low, high = column.nullable, column.min, column.max
    if column.type == "number":
        return dy.Float64(nullable=nullable, min=low, max=high, allow_inf=False, allow_nan=False)
    if column.type == "integer":
        return dy.Int64(
            nullable=nullable,
            min=None if low is None else math.ceil(low),
            max=None if high is None else math.floor(high),
        )
    if column.type == "boolean":
        return dy.Bool(nullable=nullable)
    if column.type == "datetime":
        return dy.Datetime(nullable=nullable, time_unit="us", time_zone="UTC")
    allowed = list(column.allowed or ())
    check = {NOT_ALLOWED: lambda value: value.is_in(allowed)} if allowed else None
    return dy.String(nullable=nullable, check=check)
