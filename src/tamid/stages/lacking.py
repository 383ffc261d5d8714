"""Rows that lack what a second model does without: their period is broken, and its source told."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import PeriodChecked
from tamid.core.state import State
from tamid.core.values import RULE, Role
from tamid.stages import joining
from tamid.stages.feeds import ROWS
from tamid.stages.quarantine import of_column
from tamid.stages.rig import Rig

# Rules named in an event.
_NAMED = 5


def lacks_source(
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
