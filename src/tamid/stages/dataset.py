"""From stored tables to frames: joined rows, their labels, the chance that they were observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.state import State
from tamid.core.values import ENTITY, LABEL, PERIOD, RULE, TIME, WEIGHT, TablePin
from tamid.ports import Tables
from tamid.stages import data, features, labels
from tamid.stages.feeds import LABELS, ROWS

Pins = Mapping[str, TablePin]

# A control row of a small group stands for many; beyond this one row would outshout the rest.
LARGEST_WEIGHT = 50.0


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
    name = contract.name
    rows = rows_of(tables, contract, pins, periods, now)
    rows = features.clean(rows, contract.clean).frame
    events = {
        table: data.load_events(tables, pins[f"{name}.{table}"], known_by=now)
        for table in {a.table for a in contract.features.aggregates.values()}
        if f"{name}.{table}" in pins
    }
    return features.assemble(rows, events, contract.features.aggregates)


def staying(
    tables: Tables, contract: Contract, pins: Pins, period: str, now: datetime
) -> pl.Series:
    """Return the entities that had a row in a period and are not known to be gone since."""
    rows = rows_of(tables, contract, pins, [period], now)
    gone = labelled(tables, contract, pins, rows, now).filter(pl.col(LABEL) == 1)
    if contract.data.label.event_time is not None:
        rows = rows.join(gone, on=ENTITY, how="anti")
    return rows.get_column(ENTITY).unique().sort()


def good(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that keep the contract."""
    return frame.filter(pl.col(RULE).is_null()) if RULE in frame.columns else frame


def labelled(
    tables: Tables, contract: Contract, pins: Pins, frame: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return the rows whose label is known by now, with `_label`."""
    pin = pins.get(f"{contract.name}.{LABELS}")
    inbox = None if pin is None else tables.read(pin)
    resolved = labels.resolve(frame, inbox, contract, now)
    return resolved.filter(labels.KNOWN).drop(labels.KNOWN, labels.LABEL_KNOWN_AT)


def observed(
    tables: Tables, contract: Contract, state: State, pins: Pins, frame: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows that nobody acted on, with `_weight` = 1 / chance of not being acted on.

    Rows of periods before the first delivery were never acted on and weigh 1.
    """
    pin = pins.get(f"{contract.name}.predictions")
    if pin is None or not contract.delivery.control_group:
        return frame.with_columns(pl.lit(1.0).alias(WEIGHT))
    acted = in_force(tables, state, pin, frame.get_column(PERIOD).unique().to_list()).select(
        ENTITY, TIME, "treated", "propensity"
    )
    both = frame.join(acted, on=[ENTITY, TIME], how="left", maintain_order="left")
    kept = both.filter(~pl.col("treated").fill_null(value=False))
    weight = (1.0 / pl.col("propensity").fill_null(1.0)).clip(upper_bound=LARGEST_WEIGHT)
    return kept.with_columns(weight.alias(WEIGHT)).drop("treated", "propensity")


def in_force(tables: Tables, state: State, pin: TablePin, periods: Sequence[str]) -> pl.DataFrame:
    """Return the predictions of some periods, of the revision that was acted on: the latest."""
    wanted = {p: state.scored[p].revision for p in periods if p in state.scored}
    found = tables.read(pin, periods=sorted(wanted))
    if not wanted:
        return found.clear()
    latest = pl.DataFrame(
        {PERIOD: list(wanted), "revision": list(wanted.values())},
        schema={PERIOD: pl.String, "revision": found.schema["revision"]},
    )
    return found.join(latest, on=[PERIOD, "revision"], how="semi")


def training_rows(
    tables: Tables,
    contract: Contract,
    state: State,
    pins: Pins,
    periods: Sequence[str],
    now: datetime,
) -> pl.DataFrame:
    """Return what a run learns from: good, labelled rows that nobody acted on, weighted."""
    frame = good(joined(tables, contract, pins, periods, now))
    frame = labelled(tables, contract, pins, frame, now)
    frame = observed(tables, contract, state, pins, frame)
    ahead = [ENTITY, TIME, PERIOD, LABEL, WEIGHT]
    rest = [c for c in frame.columns if not c.startswith("_")]
    return frame.select(*ahead, *rest)
