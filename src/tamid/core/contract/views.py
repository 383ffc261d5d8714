"""Feature views: numbers out of a table of events, declared once for several contracts."""

# ruff: noqa: RUF009 - key() makes a field

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from tamid.core.contract.fields import (
    BOTH,
    COLUMN,
    ML,
    POSITIVE,
    SHARE,
    Limits,
    default_of,
    key,
)
from tamid.core.contract.inputs import Aggregate, EventTable
from tamid.core.values import digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number per entity and moment, over the events of a window that ends there."""

    function: Literal["count", "sum", "mean", "min", "max", "last", "distinct"] = key(
        "what is computed"
    )
    column: str | None = key("column it is computed on (count needs none)", None, limits=COLUMN)
    window: timedelta | None = key(
        "length of the window (default: all the past)", None, limits=POSITIVE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Features of one table of events; a change of what they are takes the next version."""

    owner: str = key("team that answers for what the features mean")
    version: int = key("number of the definition, 1 for the first", limits=Limits(low=1))
    about: str | None = key("what the features tell", None)
    timezone: str = key("IANA time zone of moments that name none", "UTC")
    max_share: float = key("share of bad events above which a batch is refused", 0.02, limits=SHARE)
    table: EventTable = key("the events; relative paths start at the folder of this file")
    forbidden: tuple[str, ...] = key("columns that must never be read", (), limits=COLUMN)
    pii: tuple[str, ...] = key("columns that must never be stored for good", (), limits=COLUMN)
    features: Mapping[str, Measure] = key("numbers by name", limits=Limits(keys="column"))

    @property
    def definition(self) -> str:
        """Return the digest of what the features are, wherever their events lie."""
        table = replace(self.table, path="", format="auto", csv=None, owner="mlops_engineer")
        meant = replace(self, owner="", version=1, about=None, max_share=0.0, table=table)
        return digest_of(_told(meant))

    def aggregate(self, name: str, table: str) -> Aggregate:
        """Return a feature as a contract would declare it over a table of its own."""
        found = self.features[name]
        return Aggregate(
            table=table, function=found.function, column=found.column, window=found.window
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFile:
    """A file of feature views, as `tamid.toml` lists it under `features`."""

    tamid: Literal[1] = key("version of this grammar", owner=BOTH)
    views: Mapping[str, View] = key("the views by name", owner=ML, limits=Limits(keys="name"))


def _told(value: Any) -> Any:
    """Return a block without what stands at its default: keys to come change no digest."""
    if isinstance(value, Mapping):
        return {name: _told(inner) for name, inner in value.items()}
    if not is_dataclass(value):
        return value
    pairs = ((f, getattr(value, f.name)) for f in fields(value))
    return {f.name: _told(inner) for f, inner in pairs if inner != default_of(f)}
