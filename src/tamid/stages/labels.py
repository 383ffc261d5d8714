"""What is known of each row's label at a moment, and how much truth a period rests on.

A row at time t is decided at t + horizon and due at t + horizon + reporting lag. Of event labels
those with t <= event < t + horizon belong to it, so that an event at the very end of one week's
horizon belongs to the next week only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tamid.core import rolling
from tamid.core.contract.model import Contract
from tamid.core.values import (
    ENTITY,
    KNOWN_AT,
    LABEL,
    PERIOD,
    TIME,
)
from tamid.stages.data import entity_codes
from tamid.stages.inbox import EVENT, VALUE, ingest, latest_revisions
from tamid.stages.reading import MOMENT

__all__ = ["KNOWN", "LABEL_KNOWN_AT", "Maturity", "ingest", "maturity", "resolve"]

LABEL_KNOWN_AT = "_label_known_at"
KNOWN = "known"

_MICRO = timedelta(microseconds=1)
# Long before any event, far enough from the end of the range to add a horizon.
_NEVER = np.iinfo(np.int64).min // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """How much truth a period rests on."""

    period: str
    rows: int
    known: int
    due: int

    @property
    def share(self) -> float:
        """Share of rows whose label is known."""
        return self.known / self.rows if self.rows else 1.0


def resolve(
    frame: pl.DataFrame, inbox: pl.DataFrame | None, contract: Contract, now: datetime
) -> pl.DataFrame:
    """Add what is known of each row at `now`: `_label`, `_label_known_at` and `known`.

    Nothing that became known after `now` is used. A missing label of a row that is due is 0 where
    the contract says that absence is negative, and known from the moment it was due.
    """
    label = contract.data.label
    heard = None if inbox is None else latest_revisions(inbox.filter(pl.col(KNOWN_AT) <= now))
    if heard is None or heard.is_empty():
        frame = frame.with_columns(
            pl.lit(None, pl.Float64).alias(LABEL), pl.lit(None, MOMENT).alias(LABEL_KNOWN_AT)
        )
    elif label.event_time is not None:
        frame = _by_event(frame, heard, label.horizon)
    else:
        values = heard.select(
            ENTITY, TIME, pl.col(VALUE).alias(LABEL), pl.col(KNOWN_AT).alias(LABEL_KNOWN_AT)
        )
        frame = frame.join(
            values, on=[ENTITY, TIME], how="left", nulls_equal=True, maintain_order="left"
        )
    if label.absence == "negative":
        frame = _absent(frame, label.horizon + label.reporting_lag, now)
    moment = pl.when(pl.col(LABEL).is_not_null()).then(pl.col(LABEL_KNOWN_AT))
    return frame.with_columns(
        moment.alias(LABEL_KNOWN_AT), pl.col(LABEL).is_not_null().alias(KNOWN)
    )


def maturity(resolved: pl.DataFrame, contract: Contract, now: datetime) -> tuple[Maturity, ...]:
    """Return, per period of resolved rows, how many labels are known and how many are due."""
    wait = contract.data.label.horizon + contract.data.label.reporting_lag
    counted = (
        resolved.group_by(PERIOD)
        .agg(
            pl.len().alias("rows"),
            pl.col(KNOWN).sum().alias(KNOWN),
            (pl.col(TIME).is_null() | (pl.col(TIME) + wait <= now)).sum().alias("due"),
        )
        .sort(PERIOD)
    )
    return tuple(
        Maturity(period=period, rows=rows, known=known, due=due)
        for period, rows, known, due in counted.iter_rows()
    )


def _by_event(frame: pl.DataFrame, heard: pl.DataFrame, horizon: timedelta) -> pl.DataFrame:
    events = heard.filter(pl.col(VALUE) > 0)
    owners, codes = entity_codes(frame, events)
    order = rolling.ordered(codes, events.get_column(EVENT).to_physical().to_numpy())
    starts = frame.get_column(TIME).to_physical().fill_null(_NEVER).to_numpy()
    span_ = horizon // _MICRO
    found = rolling.windows(order, owners, starts + span_, span_)
    known = events.get_column(KNOWN_AT).to_physical().cast(pl.Float64).to_numpy()[order.order]
    first = pl.Series(LABEL_KNOWN_AT, rolling.smallest(found, known)).fill_nan(None)
    positive = pl.Series(rolling.count(found) > 0)
    return frame.with_columns(
        pl.when(positive).then(1.0).alias(LABEL), first.cast(pl.Int64).cast(MOMENT)
    )


def _absent(frame: pl.DataFrame, wait: timedelta, now: datetime) -> pl.DataFrame:
    due = (pl.col(TIME) + wait).fill_null(pl.lit(now).cast(MOMENT))
    silent = pl.col(LABEL).is_null() & (due <= now)
    return frame.with_columns(
        pl.when(silent).then(0.0).otherwise(LABEL).alias(LABEL),
        pl.when(silent).then(due).otherwise(LABEL_KNOWN_AT).alias(LABEL_KNOWN_AT),
    )
