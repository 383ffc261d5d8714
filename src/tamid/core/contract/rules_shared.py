"""What is judged alike wherever it stands: limits of a column, a source's path and format."""

from __future__ import annotations

import re

from tamid.core.contract.case import Told
from tamid.core.contract.model import Column

MOMENTS = ("datetime", "text")
SUMMABLE = ("number", "integer", "boolean")
# What people try, and what cannot be read; anything else is judged when it is opened.
_UNREADABLE = re.compile(
    r"\.(xlsx?|json|jsonl|ndjson|pkl|pickle|feather|arrow|avro|orc|sav|dta|h5|npy|txt)\Z",
    re.IGNORECASE,
)
ENDINGS = {"csv": "csv", "parquet": "parquet", "pq": "parquet"}


def column_limits(told: Told, path: str, column: Column) -> None:
    """A column's limits fit its type."""
    numeric = column.type in ("number", "integer")
    if not numeric and not (column.min is None and column.max is None):
        told.problem(path, f"min and max mean nothing for type {column.type}", "use type: number")
    elif column.min is not None and column.max is not None and column.min > column.max:
        told.problem(f"{path}.min", f"min {column.min:g} is above max {column.max:g}")
    if column.allowed is not None and column.type != "category":
        told.problem(
            f"{path}.allowed", f"allowed means nothing for type {column.type}", "use type: category"
        )
    elif column.allowed == ():
        told.problem(f"{path}.allowed", "no value is allowed", "name the values or remove the key")


def source_faults(told: Told, where: str, path: str, declared: str) -> None:
    """A source's ending and its declared format agree."""
    if unreadable := _UNREADABLE.search(path):
        told.problem(
            f"{where}.path", f"{unreadable[0]} files are not read",
            "give CSV, Parquet or a Delta table",
        )  # fmt: skip
    ending = ENDINGS.get(path.rpartition(".")[2].lower())
    if declared != "auto" and ending and declared != ending:
        told.problem(
            f"{where}.format", f"format {declared} does not fit the path, which is {ending}",
            "remove the format; it is found out from the path",
        )  # fmt: skip
