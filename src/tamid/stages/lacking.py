"""Periods whose rows lack what a source did not bring: they are broken, and the source is told."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import PeriodChecked
from tamid.core.state import State
from tamid.core.values import RULE, Role
from tamid.stages import joining
from tamid.stages.feeds import ROWS
from tamid.stages.quarantine import MISSING, of_column
from tamid.stages.rig import Rig
from tamid.stages.unseen import lacking_tables, unseen

# Rules named in an event.
_NAMED = 5


def lacks_source(
    rig: Rig, contract: Contract, state: State, period: str, now: datetime
) -> PeriodChecked | None:
    """Return what is wrong with a period to whose rows a source did not bring its part, if so."""
    found = _lacks_columns(rig, contract, state, period, now)
    return found or _lacks_events(rig, contract, state, period)


def set_aside(contract: Contract, state: State, period: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Return a period's rows for scoring; `contract`: the champion's.

    Where an event table brought nothing for them they break the contract in the numbers over it:
    the second model is asked for them if it does without all of these.
    """
    lost, spared = lacking_tables(contract, state, period), contract.training.reduced
    columns = [name for name, a in contract.features.aggregates.items() if a.table in lost]
    if not columns:
        return rows
    worst = min(columns, key=lambda name: name in spared)
    rule = pl.lit(f"{worst}: {MISSING}")
    told = RULE in rows.columns and worst in spared
    return rows.with_columns((pl.col(RULE).fill_null(rule) if told else rule).alias(RULE))


def was_lacking(state: State, period: str) -> bool:
    """Say whether a period was last found to lack what a second model does without.

    It is suspected without having been held against any other.
    """
    last = state.checked.get(period)
    return last is not None and last.suspected and not last.against


def mended(rig: Rig, contract: Contract, state: State, period: str) -> PeriodChecked:
    """Return the check of a period that came again with these columns, and is small or early."""
    return PeriodChecked(
        key=f"mended/{period}/{state.pins[rig.table(ROWS)].digest[-12:]}",
        period=period,
        suspected=False,
        owner=Role(contract.data.source.owner),
    )


def _lacks_columns(
    rig: Rig, contract: Contract, state: State, period: str, now: datetime
) -> PeriodChecked | None:
    """Return what is wrong with a period of which too many rows were set aside for these columns.

    Such a batch is taken, so that the second model can answer; any other is refused. None: the
    contract asks for no second model, or the period has its columns, or nearly.
    """
    spared = contract.training.reduced
    if not spared:
        return None
    rows = joining.rows_of(rig.tables, contract, state.pins, [period], now)
    broken = rows.filter(of_column(pl.col(RULE), spared))
    if broken.height <= contract.data.quarantine.max_share * rows.height:
        return None
    counts = broken.get_column(RULE).value_counts(sort=True).sort("count", RULE, descending=True)
    told = [f"{rule}: {n} of {rows.height} rows" for rule, n in counts.head(_NAMED).iter_rows()]
    text = pl.col(RULE)
    return PeriodChecked(
        key=f"lacking/{period}/{state.pins[rig.table(ROWS)].digest[-12:]}",
        period=period,
        suspected=True,
        owner=Role(contract.data.source.owner),
        cause="broken_values",
        confirmed=True,
        columns=tuple(c for c in spared if not broken.filter(of_column(text, [c])).is_empty()),
        reasons=tuple(told),
        rows=rows.height,
    )


def _lacks_events(rig: Rig, contract: Contract, state: State, period: str) -> PeriodChecked | None:
    """Return what is wrong with a period whose rows could see nothing of an event table, if so.

    Its numbers would say that nothing happened: the champion is not asked, and nothing is learnt.
    """
    found = unseen(rig.tables, contract, state, period)
    if not found:
        return None
    declared = contract.features.aggregates
    return PeriodChecked(
        key=f"unseen/{period}/{state.pins[rig.table(ROWS)].digest[-12:]}",
        period=period,
        suspected=True,
        owner=Role(contract.data.tables[min(found)].owner),
        cause="broken_values",
        confirmed=True,
        columns=tuple(name for name, a in declared.items() if a.table in found),
        reasons=tuple(f"{source}: {why}" for source, why in found.items()),
    )
