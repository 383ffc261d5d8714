"""What a history holds for a model that is yet to be made: rows and truth, period by period."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.foresight import Truth
from tamid.core.periods import matured_at, start_of
from tamid.core.state import State
from tamid.core.values import LABEL, PERIOD, STATIC_PERIOD, Task, parse_instant
from tamid.stages import dataset, joining, labels
from tamid.stages.feeds import rule_of
from tamid.stages.rig import Rig


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """Good rows of each period, oldest first, and what of their truth is known.

    `positives`: known positive rows, for numbers and many classes the known rows. `spread`:
    standard deviation of the absolute error of the best constant, NaN for classes. `matured`: from
    a period's begin to the moment at which all its labels are due, None without time.
    """

    periods: tuple[str, ...]
    rows: tuple[int, ...]
    known: tuple[int, ...]
    positives: tuple[int, ...]
    spread: float
    matured: timedelta | None

    def whole(self) -> tuple[str, ...]:
        """Return the periods of which the truth of nearly every row is known."""
        sizes = zip(self.periods, self.rows, self.known, strict=True)
        return tuple(p for p, rows, known in sizes if known >= _WHOLE * rows)

    def mass(self) -> dict[str, int]:
        """Return what of each whole period a metric rests on."""
        mass = dict(zip(self.periods, self.positives, strict=True))
        return {period: mass[period] for period in self.whole()}

    def usual(self, seen: float) -> Truth:
        """Return what a typical whole period brings; `seen`: see :class:`Truth`."""
        whole = self.whole()
        rows = dict(zip(self.periods, self.rows, strict=True))
        count = max(len(whole), 1)
        return Truth(
            rows=sum(rows[p] for p in whole) / count,
            positives=sum(self.mass().values()) / count,
            spread=self.spread,
            seen=seen,
        )


# Share of a period's rows whose label must be known for it to say how many are positive.
_WHOLE = 0.95


def supply(rig: Rig, contract: Contract, state: State, now: datetime) -> Supply:
    """Count the rows that were taken in and their labels, as they are known now."""
    rows = dataset.good(joining.rows_of(rig.tables, contract, state.pins, None, now))
    found = dataset.resolved(rig.tables, contract, state.pins, rows, now)
    positive = pl.col(labels.KNOWN)
    if contract.task is Task.BINARY:
        positive = positive & (pl.col(LABEL) > 0)
    counted = (
        found.group_by(PERIOD)
        .agg(pl.len().alias("rows"), pl.col(labels.KNOWN).sum().alias("known"),
             positive.sum().alias("positives"))
        .sort(PERIOD)
    )  # fmt: skip
    periods, sizes, known, positives = (tuple(counted[c].to_list()) for c in counted.columns)
    return Supply(
        periods=periods,
        rows=sizes,
        known=known,
        positives=positives,
        spread=_spread(contract, found),
        matured=_matured(contract, state, periods),
    )


def _spread(contract: Contract, found: pl.DataFrame) -> float:
    if contract.task is not Task.REGRESSION:
        return math.nan
    y = found.filter(pl.col(labels.KNOWN)).get_column(LABEL).cast(pl.Float64)
    spread = (y - y.median()).abs().std() if y.len() > 1 else None
    return float(spread) if isinstance(spread, float) else math.nan


def _matured(contract: Contract, state: State, periods: tuple[str, ...]) -> timedelta | None:
    """Return how long after its begin the last period's labels are all due."""
    rule, label = rule_of(contract), contract.data.label
    if rule is None or not periods or periods[-1] == STATIC_PERIOD or dataset.trickling(contract):
        return None
    latest = parse_instant(state.latest[periods[-1]]) if state.latest.get(periods[-1]) else None
    due = matured_at(rule, periods[-1], label.horizon + label.reporting_lag, latest)
    return None if due is None else due - start_of(rule, periods[-1])
