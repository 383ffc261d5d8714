"""What a stored row carries beside its columns: its period, when it was known, when it came."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core.errors import BatchRefused
from tamid.core.periods import PeriodRule, period_of, periods_of
from tamid.core.values import (
    ARRIVED,
    BATCH,
    ENTITY,
    KNOWN_AT,
    PERIOD,
    RULE,
    STATIC_PERIOD,
    TIME,
    instant,
)
from tamid.stages.changes import row_names
from tamid.stages.feeds import Feed
from tamid.stages.quarantine import UNTIMELY, Checked, moments, suggest
from tamid.stages.reading import MOMENT


def dressed(
    feed: Feed, batch: str, raw: pl.DataFrame, checked: Checked, now: datetime, *, first: bool
) -> pl.DataFrame:
    """Return the checked rows of a batch as they are stored.

    `first`: the batch belongs to the first import of its source. An event of the first import is
    history and was known when it happened; later ones, without a column that says when, are known
    from when they came.
    """
    frame = checked.frame
    if feed.shape.entity is None:
        frame = frame.with_columns(row_names(frame.drop(RULE)))
    known = known_moments(raw, feed.known_at, feed.shape.timezone, now)
    if not feed.shape.unique:
        happened = pl.Series(frame.get_column(TIME)).fill_null(now)
        if feed.known_at is None and first:
            known = happened.clip(upper_bound=now).alias(KNOWN_AT)
        else:  # nothing is known before it happened, whatever a column says
            known = pl.select(pl.max_horizontal(known, happened)).to_series().alias(KNOWN_AT)
    frame = frame.drop(feed.pii, strict=False).with_columns(
        pl.lit(batch).alias(BATCH),
        known,
        pl.lit(now).cast(MOMENT).alias(ARRIVED),
    )
    return with_periods(frame, feed.rule, now)


def with_periods(frame: pl.DataFrame, rule: PeriodRule | None, now: datetime) -> pl.DataFrame:
    """Add `_period` by `_time`.

    A row without a moment, or with one that cannot be, falls into the batch's last period.
    """
    times = frame.get_column(TIME)
    if rule is None:
        return frame.with_columns(pl.lit(STATIC_PERIOD).alias(PERIOD))
    there = times.is_not_null()
    if RULE in frame.columns:
        for wrong in UNTIMELY:
            there &= ~frame.get_column(RULE).str.ends_with(f": {wrong}").fill_null(value=False)
    micros = times.fill_null(now).cast(MOMENT).to_physical().to_numpy()
    named = pl.Series(PERIOD, periods_of(rule, micros).astype(object), dtype=pl.String)
    last = named.filter(there).max() or period_of(rule, now)
    return frame.with_columns(pl.when(there).then(named).otherwise(pl.lit(last)).alias(PERIOD))


def periods_of_refused(
    raw: pl.DataFrame, feed: Feed, error: Exception, now: datetime
) -> tuple[str, ...]:
    """Return the periods, begun by now, that a batch of rows without all columns was meant for.

    () where it is refused for another reason, or where its moments cannot be read; and of events,
    which say nothing about whose rows are due.
    """
    shape, rule = feed.shape, feed.rule
    if not shape.unique:
        return ()
    named = isinstance(error, BatchRefused) and rule is not None and shape.time in raw.columns
    if not named or rule is None or shape.time is None:
        return ()
    try:
        times = moments(raw, shape.time, shape.timezone)
    except BatchRefused:
        return ()
    there = times.filter((times <= now).fill_null(value=False)).cast(MOMENT)
    return tuple(sorted({str(p) for p in periods_of(rule, there.to_physical().to_numpy())}))


def known_moments(raw: pl.DataFrame, column: str | None, timezone: str, now: datetime) -> pl.Series:
    """Return when each row could be known: what the column says, else now.

    Raises:
        BatchRefused: the column is not there.
    """
    if column is None:
        return pl.repeat(now, raw.height, dtype=MOMENT, eager=True).alias(KNOWN_AT)
    if column not in raw.columns:
        raise BatchRefused(
            f"column {column!r} is missing{suggest(column, raw.columns)}",
            why="the contract says that it tells when a row became known",
        )
    return moments(raw, column, timezone).fill_null(now).cast(MOMENT).alias(KNOWN_AT)


def begun_periods(frame: pl.DataFrame, rule: PeriodRule | None, now: datetime) -> tuple[str, ...]:
    """Return the periods that rows came for; a row set aside does not begin a period to come."""
    sound = pl.col(RULE).is_null()
    begun = pl.lit(True) if rule is None else pl.col(PERIOD) <= period_of(rule, now)
    return tuple(frame.filter(sound | begun).get_column(PERIOD).unique().sort())


def latest_moments(frame: pl.DataFrame) -> dict[str, str]:
    """Return the last moment of each period that has one; wrong stamps do not count."""
    found = frame.filter(pl.col(RULE).is_null())
    last = found.group_by(PERIOD).agg(pl.col(TIME).max()).drop_nulls().sort(PERIOD)
    return {period: instant(moment) for period, moment in last.iter_rows()}


def floats(rows: pl.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return a column as numbers, (n,), what is missing as NaN."""
    return rows.get_column(column).cast(pl.Float64).to_numpy()


def numbered(rows: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Return a number of each row's entity, (n,): alike where the entity is, in the order of names.

    Statistics sort and group by it, which takes tens of times longer with texts.
    """
    names = rows.get_column(ENTITY).cast(pl.String).fill_null("")
    return names.rank("dense").cast(pl.Int64).to_numpy() - 1
