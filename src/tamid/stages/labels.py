"""What is known of each row's label at a moment, and how much truth a period rests on.

A row at time t is decided at t + horizon and due at t + horizon + reporting lag. Of event labels
those with t <= event < t + horizon belong to it, so that an event at the very end of one week's
horizon belongs to the next week only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core import rolling
from tamid.core.contract.model import Contract
from tamid.core.stats.incidence import (
    OPEN,
    Incidence,
    chance_heard,
    chance_positive,
    incidence,
)
from tamid.core.values import (
    ENTITY,
    KNOWN_AT,
    LABEL,
    PERIOD,
    TIME,
    WEIGHT,
)
from tamid.stages.data import entity_codes
from tamid.stages.hearing import EVENT, VALUE
from tamid.stages.inbox import ingest, latest_revisions
from tamid.stages.reading import MOMENT

__all__ = [
    "KNOWN",
    "LABEL_KNOWN_AT",
    "LARGEST_WEIGHT",
    "Maturity",
    "completed",
    "effective_rows",
    "ingest",
    "maturity",
    "resolve",
    "weights_known",
]

LABEL_KNOWN_AT = "_label_known_at"
KNOWN = "known"

# A row that was known against the odds would otherwise outshout all others.
LARGEST_WEIGHT = 20.0
# Rows of history from which a stratum has delays of its own.
_FEWEST = 200

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
    heard = None
    if inbox is not None:
        told = pl.col(KNOWN_AT) <= now
        told = told & _about(frame, label.horizon) if label.event_time is not None else told
        heard = latest_revisions(inbox.filter(told))
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


def completed(
    frame: pl.DataFrame, history: pl.DataFrame, now: datetime, *, strata: str | None = None
) -> pl.DataFrame:
    """Give each open row of a partly known period the share of positives that such rows turn out.

    Known rows stay; an open row becomes two, with label 1 and 0, whose weights are the chance that
    a row of this age, not heard of yet, turns out positive or negative. The chances are learnt from
    `history` (resolved rows, open ones too), per value of the column `strata`: take bands of the
    model's score, so that right and wrong answers are completed apart. For binary tasks.

    On hotel bookings 4, 8 and 13 weeks after they were made this leaves a mean error of weekly F1
    of .05, .04 and .03, where the known rows alone give .11, .09 and .07.
    """
    frame = _weighted(frame)
    open_rows = frame.filter(~pl.col(KNOWN))
    if open_rows.is_empty():
        return frame
    chance = pl.Series(_per_stratum(open_rows, history, now, strata, _open_chance))
    return pl.concat(
        [
            frame.filter(pl.col(KNOWN)),
            open_rows.with_columns(pl.lit(1.0).alias(LABEL), pl.col(WEIGHT) * chance),
            open_rows.with_columns(pl.lit(0.0).alias(LABEL), pl.col(WEIGHT) * (1.0 - chance)),
        ]
    )


def weights_known(
    frame: pl.DataFrame, history: pl.DataFrame, now: datetime, *, strata: str | None = None
) -> pl.DataFrame:
    """Return the known rows, weighted by 1 / chance of being known at their age.

    The chance is that of rows of the same label (and value of `strata`) in `history`. Weights are
    cut at `LARGEST_WEIGHT`. Use it to train; to judge, `completed` is nearer to the truth, because
    rows of a kind that cannot be known yet have nobody who could stand for them here.
    """
    known = _weighted(frame).filter(pl.col(KNOWN))
    if known.is_empty():
        return known
    chance = _per_stratum(known, history, now, strata, _known_chance)
    factor = np.minimum(1.0 / np.maximum(chance, 1.0 / LARGEST_WEIGHT), LARGEST_WEIGHT)
    return known.with_columns(pl.col(WEIGHT) * pl.Series(factor))


def effective_rows(frame: pl.DataFrame) -> float:
    """Return how many equally weighted rows carry as much: (sum w)^2 / sum w^2 (Kish 1965)."""
    weight = frame.get_column(WEIGHT).to_numpy()
    return float(weight.sum() ** 2 / np.square(weight).sum()) if len(weight) else 0.0


Chance = Callable[[Incidence, pl.DataFrame, npt.NDArray[np.float64]], npt.NDArray[np.float64]]


def _per_stratum(
    frame: pl.DataFrame, history: pl.DataFrame, now: datetime, strata: str | None, chance: Chance
) -> npt.NDArray[np.float64]:
    """Return a chance per row, learnt within its stratum, or from all rows if those are few."""
    ages = _ages(frame, now)
    result = np.zeros(frame.height)
    groups = np.zeros(frame.height) if strata is None else frame.get_column(strata).to_numpy()
    whole = _incidence(history, now)
    for group in np.unique(groups):
        like = history if strata is None else history.filter(pl.col(strata) == group)
        curve = whole if like.height < _FEWEST else _incidence(like, now)
        rows = np.flatnonzero(groups == group)
        result[rows] = chance(curve, frame[rows], ages[rows])
    return result


def _open_chance(
    curve: Incidence, rows: pl.DataFrame, ages: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return chance_positive(curve, ages)


def _known_chance(
    curve: Incidence, rows: pl.DataFrame, ages: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return chance_heard(curve, ages, rows.get_column(LABEL).cast(pl.Int64).to_numpy())


def _incidence(history: pl.DataFrame, now: datetime) -> Incidence:
    heard = pl.when(pl.col(KNOWN)).then(pl.col(LABEL_KNOWN_AT)).otherwise(pl.lit(now).cast(MOMENT))
    age = history.select((heard - pl.col(TIME)).dt.total_microseconds().clip(lower_bound=0))
    outcomes = history.get_column(LABEL).cast(pl.Int64).fill_null(OPEN).to_numpy()
    return incidence(age.to_series().cast(pl.Float64).to_numpy(), outcomes)


def _ages(frame: pl.DataFrame, now: datetime) -> npt.NDArray[np.float64]:
    age = (pl.lit(now).cast(MOMENT) - pl.col(TIME)).dt.total_microseconds()
    return frame.select(age.cast(pl.Float64)).to_series().to_numpy()


def _weighted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame if WEIGHT in frame.columns else frame.with_columns(pl.lit(1.0).alias(WEIGHT))


def _about(frame: pl.DataFrame, horizon: timedelta) -> pl.Expr:
    """Say which events some of the rows may be about: a week's rows need not look through years."""
    starts = frame.get_column(TIME).to_physical()
    first, last = (pl.lit(moment, pl.Int64) for moment in (starts.min(), starts.max()))
    return pl.col(EVENT).to_physical().is_between(first, last + horizon // _MICRO, closed="left")


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
