"""From stored tables to rows as they were known at a moment, with their point-in-time numbers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.values import KNOWN_AT, TIME, TablePin
from tamid.ports import Tables
from tamid.stages import data, features, stepping, views
from tamid.stages.feeds import ROWS, stored_name

Pins = Mapping[str, TablePin]

# A slice of events begins at most so long before the events in it.
_LONGEST_SLICE = timedelta(days=31)


def rows_of(
    tables: Tables,
    contract: Contract,
    pins: Pins,
    periods: Sequence[str] | None,
    now: datetime,
) -> pl.DataFrame:
    """Return the rows of some periods as they were known; bad ones carry `_rule`."""
    pin = pins[f"{contract.name}.{ROWS}"]
    found = data.load(tables, pin, periods=periods, known_by=now)
    return pl.concat([found.good, found.bad], how="diagonal_relaxed")


def joined(
    tables: Tables,
    contract: Contract,
    pins: Pins,
    periods: Sequence[str] | None,
    now: datetime,
) -> pl.DataFrame:
    """Return rows of some periods, cleaned, with point-in-time numbers; bad ones keep `_rule`."""
    used = {stored_name(contract, a.table) for a in contract.features.aggregates.values()}
    named = {f"{contract.name}.{ROWS}", *used}
    asked = _Asked(tables, contract, {n: pin for n, pin in pins.items() if n in named})
    if periods is None or len(periods) != 1:
        return _joined(asked, None if periods is None else tuple(periods), now)
    return _once(asked, tuple(periods), now)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Tables, contract and pins; equal where the same rows would be read."""

    tables: Tables
    contract: Contract
    pins: Pins

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Asked) or self.tables is not other.tables:
            return False
        return self.pins == other.pins and self.contract == other.contract

    def __hash__(self) -> int:
        return hash((id(self.tables), self.contract.name))


def _joined(asked: _Asked, periods: tuple[str, ...] | None, now: datetime) -> pl.DataFrame:
    contract = asked.contract
    rows = rows_of(asked.tables, contract, asked.pins, periods, now)
    rows = features.clean(rows, contract.clean).frame
    cuts = _cuts(contract, rows)
    declared = contract.features.aggregates
    own = {name: a for name, a in declared.items() if a.table not in contract.views}
    events: dict[str, pl.DataFrame] = {}
    for table in {a.table for a in own.values()}:
        if (stored := stored_name(contract, table)) in asked.pins:
            delay = contract.data.tables[table].delay
            found = data.load_events(
                asked.tables, asked.pins[stored], periods=_within(contract, table, rows),
                known_by=now,
            )  # fmt: skip
            events[table] = stepping.delayed(found, delay)
    shown = {
        name: stepping.shortened({name: a}, contract.data.tables[a.table].delay)[name]
        for name, a in own.items()
    }
    rows = features.assemble(rows, events, shown, cuts)
    if contract.views:
        rows = views.joined(asked.tables, contract, asked.pins, rows, cuts, now)
        rows = rows.select(*[c for c in rows.columns if c not in declared], *declared)
    return rows.drop(data.CAME)


# A period that was just scored is looked at again in the same turn, to estimate how good it is.
_once = functools.lru_cache(maxsize=2)(_joined)


def _within(contract: Contract, table: str, rows: pl.DataFrame) -> tuple[str, ...] | None:
    """Return the days that begin a slice of events which may count for these rows; None: all.

    Days, not periods: slices that were cut under another calendar are read too.
    """
    windows = [a.window for a in contract.features.aggregates.values() if a.table == table]
    first, last = rows.select(first=pl.col(TIME).min(), last=pl.col(TIME).max()).row(0)
    if None in windows or first is None:
        return None
    back = max(w for w in windows if w) + max(contract.delivery.every, _LONGEST_SLICE)
    begin, end = (first - back).date(), (last + timedelta(days=1)).date()
    return tuple(str(begin + timedelta(days=n)) for n in range((end - begin).days + 1))


def _cuts(contract: Contract, rows: pl.DataFrame) -> dict[str, pl.Series]:
    """Return, by table, the moment by which an event had to be known to count for each row.

    A row is scored when it first came, so that is what it sees, in training too. Of history it is
    the same where events do not say when they were known, else the row's own moment.
    """
    stamped = contract.data.source.known_at is not None
    own = pl.max_horizontal(TIME, KNOWN_AT) if stamped else pl.col(TIME)
    came = pl.max_horizontal(TIME, data.CAME)
    live = pl.col(data.CAME) - pl.col(TIME) <= 2 * contract.delivery.every
    told = rows.select(came.alias("came"), pl.when(live).then(came).otherwise(own).alias("told"))
    return {
        name: told.get_column("told" if table.known_at else "came")
        for name, table in contract.data.tables.items()
    }
