"""A contract of weekly rows, for tests of how rows and events are taken in and joined."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tamid.core.contract.model import (
    Aggregate,
    Calendar,
    Column,
    Contract,
    Data,
    EventTable,
    Features,
    Label,
    Source,
)
from tamid.core.values import Task


def weekly(aggregates: Mapping[str, Aggregate] | None = None, **more: Any) -> Contract:
    """Return the contract; `more` keys go into its data block."""
    return Contract(
        tamid=1,
        name="churn",
        task=Task.BINARY,
        calendar=Calendar(week_starts="sunday"),
        data=Data(
            source=Source(path="r"),
            entity="id",
            time="week",
            label=Label(column="left", positive=1),
            schema={"x": Column(type="number")},
            **more,
        ),
        features=Features(aggregates=dict(aggregates or {})),
    )


def with_calls(*wanted: Aggregate, known_at: str | None = None) -> Contract:
    """Return the contract with a table of calls, and numbers over it named by their function."""
    table = EventTable(
        path="c",
        entity="id",
        time="at",
        known_at=known_at,
        schema={"minutes": Column(type="number")},
    )
    return weekly({a.function: a for a in wanted}, tables={"calls": table})


def number(function: Any, column: str | None = None, window: timedelta | None = None) -> Aggregate:
    """Return a number over the calls of an entity."""
    return Aggregate(table="calls", function=function, column=column, window=window)
