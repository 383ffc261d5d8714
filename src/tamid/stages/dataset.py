"""From stored rows to what is learnt from: their labels, and the chance that they were observed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.state import State
from tamid.core.values import (
    ENTITY,
    FIT_WEIGHT,
    KNOWN_AT,
    LABEL,
    PERIOD,
    RULE,
    TIME,
    WEIGHT,
    TablePin,
    Task,
)
from tamid.ports import Tables
from tamid.stages import data, filing, in_fact, joining, labels, treated
from tamid.stages.feeds import LABELS, ROWS, rule_of

Pins = Mapping[str, TablePin]
Reader = tuple[str, Callable[[str], Contract]]

# A control row of a small group stands for many; beyond this one row would outshout the rest.
LARGEST_WEIGHT = in_fact.LARGEST_WEIGHT


def good(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that keep the contract."""
    return frame.filter(pl.col(RULE).is_null()) if RULE in frame.columns else frame


def labelled(
    tables: Tables, contract: Contract, pins: Pins, frame: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return the rows whose label is known by now, with `_label`."""
    found = resolved(tables, contract, pins, frame, now)
    return found.filter(labels.KNOWN).drop(labels.KNOWN, labels.LABEL_KNOWN_AT)


def resolved(
    tables: Tables, contract: Contract, pins: Pins, frame: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return all rows with what is known of their labels; see :func:`labels.resolve`."""
    pin = pins.get(f"{contract.name}.{LABELS}")
    inbox = None if pin is None else tables.read(pin)
    return labels.resolve(frame, inbox, contract, now)


def trickling(contract: Contract) -> bool:
    """Say whether labels come one by one, at no time that the contract could name.

    Then neither horizon nor reporting lag says when a period's truth is all in; what is known of it
    says how far it has come.
    """
    label = contract.data.label
    timeless = not (label.horizon + label.reporting_lag)
    return label.absence == "unknown" and timeless and contract.data.time is not None


def known_shares(
    tables: Tables, contract: Contract, read: Reader, pins: Pins, now: datetime
) -> Mapping[str, float]:
    """Return the share of each period's good rows whose label is known by now.

    `read`: the contract's text and what parses it; one moment's answer is remembered.
    """
    rows, heard = (pins.get(f"{contract.name}.{name}") for name in (ROWS, LABELS))
    key: Any = tables  # a protocol cannot say that its adapters have a hash
    return {} if rows is None or heard is None else _shares(key, *read, rows, heard, now)


@functools.lru_cache(maxsize=4)
def _shares(
    tables: Tables,
    text: str,
    parse: Callable[[str], Contract],
    rows: TablePin,
    heard: TablePin,
    now: datetime,
) -> Mapping[str, float]:
    contract = parse(text)
    frame = data.load(tables, rows, columns=(), known_by=now).good
    known = labels.resolve(frame, tables.read(heard), contract, now)
    found = known.group_by(PERIOD).agg(pl.col(labels.KNOWN).mean()).sort(PERIOD)
    return dict(found.iter_rows())


def observed(
    tables: Tables, contract: Contract, state: State, pins: Pins, frame: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows that nobody acted on, with `_weight` = 1 / chance of not being acted on.

    Rows of periods before the first delivery were never acted on and weigh 1. A weight that the
    rows have already is multiplied.
    """
    pin = pins.get(f"{contract.name}.predictions")
    if WEIGHT not in frame.columns:
        frame = frame.with_columns(pl.lit(1.0).alias(WEIGHT))
    if not contract.delivery.control_group:
        return frame
    if pin is None:
        known = in_fact.pin_of(pins, contract.name)
        return frame if known is None else _spared(frame, tables.read(known))
    mine = _handed(tables, state, pin, frame.get_column(PERIOD).unique().to_list())
    acted = mine.select(ENTITY, TIME, "treated", "propensity")
    both = frame.join(acted, on=[ENTITY, TIME], how="left", maintain_order="left")
    both = both.with_columns(
        pl.col("treated").fill_null(value=False), pl.col("propensity").fill_null(1.0)
    )
    both = until_decided(tables, contract, state, pin, _in_fact(tables, pins, pin, both))
    kept = both.filter(~pl.col("treated"))
    weight = (1.0 / pl.col("propensity")).clip(upper_bound=LARGEST_WEIGHT)
    return kept.with_columns(pl.col(WEIGHT) * weight).drop("treated", "propensity")


def in_force(tables: Tables, state: State, pin: TablePin, periods: Sequence[str]) -> pl.DataFrame:
    """Return the predictions of some periods, of their latest revision."""
    wanted = [(p, state.scored[p].revision) for p in periods if p in state.scored]
    return _revisions(tables.read(pin, periods=sorted(p for p, _ in wanted)), wanted)


def acted_on(tables: Tables, state: State, pin: TablePin, periods: Sequence[str]) -> pl.DataFrame:
    """Return the predictions in force; `treated` and `propensity` tell of every revision.

    A correction comes after consumers may have acted on what they were handed first: who stood in
    the high band of any revision that was handed over counts as acted on, or as held back by the
    same draw of the control group. In a rehearsal so does who was really acted on.
    """
    return _in_fact(tables, state.pins, pin, _handed(tables, state, pin, periods))


def _handed(tables: Tables, state: State, pin: TablePin, periods: Sequence[str]) -> pl.DataFrame:
    latest = [(p, state.scored[p].revision) for p in periods if p in state.scored]
    handed = {(period, revision) for period, revision, _ in state.delivered}
    earlier = [(p, r) for p, last in latest for r in range(1, last) if (p, r) in handed]
    found = tables.read(pin, periods=sorted(p for p, _ in latest))
    rows = _revisions(found, latest)
    if not earlier:
        return rows
    before = _revisions(found, earlier).group_by(PERIOD, ENTITY).agg(
        pl.col("treated").any().alias("_treated"), pl.col("propensity").min().alias("_propensity")
    )  # fmt: skip
    both = rows.join(before, on=[PERIOD, ENTITY], how="left", maintain_order="left")
    return both.with_columns(
        pl.col("treated") | pl.col("_treated").fill_null(value=False),
        pl.min_horizontal("propensity", "_propensity"),
    ).drop("_treated", "_propensity")


def _in_fact(tables: Tables, pins: Pins, pin: TablePin, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows; in a rehearsal `treated` and `propensity` tell of real acts as well."""
    known = in_fact.pin_of(pins, pin.table.rpartition(".")[0])
    return rows if known is None else in_fact.in_fact(rows, tables.read(known))


def _spared(frame: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return a rehearsal's rows before its first delivery that nobody acted on, weighted."""
    both = in_fact.beside(frame, known).filter(~pl.col(in_fact.DONE))
    weight = (1.0 / pl.col(in_fact.CHANCE)).clip(upper_bound=LARGEST_WEIGHT)
    both = both.with_columns(pl.col(WEIGHT) * weight)
    return both.drop(in_fact.DONE, in_fact.CHANCE, in_fact.BLIND)


def planned(tables: Tables, contract: Contract, state: State) -> pl.DataFrame | None:
    """Return every scored row with whether it was acted on, and its chance of not being.

    None where nobody is said to act on the scores, or nothing was scored.
    """
    pin = state.pins.get(f"{contract.name}.predictions")
    if pin is None or not contract.delivery.control_group:
        return None
    rows = acted_on(tables, state, pin, sorted(state.scored))
    rows = until_decided(tables, contract, state, pin, rows)
    return rows.select(ENTITY, TIME, "treated", "propensity")


def until_decided(
    tables: Tables, contract: Contract, state: State, pin: TablePin, rows: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows; `treated`, `propensity` tell of all acts until their outcome is decided."""
    if not treated.open_long(contract):
        return rows
    later = treated.watched(contract, rows, list(state.scored))
    return treated.while_open(contract, rows, acted_on(tables, state, pin, later))


def _revisions(found: pl.DataFrame, wanted: Sequence[tuple[str, int]]) -> pl.DataFrame:
    if not wanted:
        return found.clear()
    named = pl.DataFrame(list(wanted), schema=[PERIOD, "revision"], orient="row").cast(
        {"revision": found.schema["revision"]}
    )
    return found.join(named, on=[PERIOD, "revision"], how="semi")


def training_rows(
    tables: Tables,
    contract: Contract,
    state: State,
    pins: Pins,
    periods: Sequence[str],
    now: datetime,
) -> pl.DataFrame:
    """Return what a run learns from: good, labelled rows that nobody acted on, weighted.

    Where labels trickle in, the periods are those in which labels became known: a run sees what it
    would have seen then, and is judged on truth that came later. A row that it learns from also
    stands, by `_fit_weight`, for those of its kind that are not known yet.
    """
    slow = trickling(contract)
    frame = good(joining.joined(tables, contract, pins, None if slow else periods, now))
    # Where labels trickle in, rows are asked for by when their label came, not by their own period.
    frame = frame.filter(~pl.col(PERIOD).is_in(state.suspected))
    frame = resolved(tables, contract, pins, frame, now)
    frame = _as_told(contract, frame, periods, now) if slow else frame.filter(labels.KNOWN)
    frame = observed(tables, contract, state, pins, frame)
    ahead = [ENTITY, TIME, PERIOD, LABEL, WEIGHT, *([KNOWN_AT, FIT_WEIGHT] if slow else [])]
    rest = [c for c in frame.columns if not c.startswith("_") and c != labels.KNOWN]
    return frame.select(*ahead, *rest)


def told_periods(tables: Tables, contract: Contract, pins: Pins, now: datetime) -> tuple[str, ...]:
    """Return the periods in which labels became known, oldest first."""
    pin = pins.get(f"{contract.name}.{LABELS}")
    if pin is None:
        return ()
    heard = tables.read(pin, columns=[KNOWN_AT]).unique().filter(pl.col(KNOWN_AT) <= now)
    found = _periods_of(contract, heard.get_column(KNOWN_AT), now)
    return tuple(found.unique().sort())


def periods_of_rows(contract: Contract, frame: pl.DataFrame, now: datetime) -> list[str]:
    """Return the periods in which rows lie by their own time, whatever `_period` stands for."""
    if contract.data.time is None or not trickling(contract):
        return frame.get_column(PERIOD).unique().to_list()
    return _periods_of(contract, frame.get_column(TIME), now).unique().sort().to_list()


def _as_told(
    contract: Contract, frame: pl.DataFrame, periods: Sequence[str], now: datetime
) -> pl.DataFrame:
    if contract.task is Task.BINARY:
        known = labels.weights_known(frame, frame, now).rename({WEIGHT: FIT_WEIGHT})
    else:
        known = frame.filter(labels.KNOWN).with_columns(pl.lit(1.0).alias(FIT_WEIGHT))
    told = known.get_column(labels.LABEL_KNOWN_AT)
    known = known.with_columns(told.alias(KNOWN_AT), _periods_of(contract, told, now))
    return known.filter(pl.col(PERIOD).is_in(list(periods)))


def _periods_of(contract: Contract, moments: pl.Series, now: datetime) -> pl.Series:
    frame = pl.DataFrame([moments.alias(TIME)])
    return filing.with_periods(frame, rule_of(contract), now).get_column(PERIOD)
