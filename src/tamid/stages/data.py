"""From batches to stored rows: checked, set aside or refused, versioned, read back as of a moment.

Stored rows carry `_entity`, `_time`, `_period`, `_batch`, `_known_at` (when a row could be known),
`_arrived` (when it came here), `_rule` (the rule it broke, or null) and the contract's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core.errors import BatchNotReady, BatchRefused, DataError
from tamid.core.events import DataAccepted, DataRefused, Event
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
    TablePin,
    instant,
)
from tamid.ports import Batch, Source, Tables
from tamid.stages.changes import (
    KEY,
    REMOVED,
    changed_events,
    changed_rows,
    newest,
    row_names,
    standing,
)
from tamid.stages.feeds import Feed
from tamid.stages.quarantine import Checked, check, moments, suggest
from tamid.stages.reading import MOMENT

# Reasons and rules named in one event, so that a broken file of many columns stays readable.
_MOST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReady:
    """A batch that could not be read yet; it is looked at again by the next tick."""

    source: str
    batch: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Rows as of a moment: `good` to be used, `bad` with the rule each broke in `_rule`."""

    good: pl.DataFrame
    bad: pl.DataFrame


def ingest(
    feed: Feed,
    source: Source,
    tables: Tables,
    *,
    known: Mapping[str, str],
    now: datetime,
    token: int,
    waiting: list[NotReady] | None = None,
) -> Iterator[Event]:
    """Take in every batch that is new or changed; append each event before asking for the next.

    `known` maps the names of batches that were accepted or refused to their fingerprints. Batches
    that are not ready yield nothing and are added to `waiting`. Rows are written under the key
    "table/batch/fingerprint" before the event is given out, so that a write whose event was lost
    is found again by its key.
    """
    for batch in source.batches():
        if known.get(batch.name) == batch.fingerprint:
            continue
        replaces = known.get(batch.name, "")
        try:
            raw = source.read(batch)
            if raw.is_empty():
                raise BatchNotReady(f"batch {batch.name} has no rows")
            yield _take(feed, batch, raw, tables, replaces, now, token)
        except BatchNotReady as error:
            if waiting is not None:
                waiting.append(NotReady(source=feed.source, batch=batch.name, reason=error.what))
        except DataError as error:
            yield _refusal(feed, batch, (error.what,))


def load(
    tables: Tables,
    pin: TablePin,
    *,
    periods: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    known_by: datetime | None = None,
) -> Loaded:
    """Return the rows of a pinned version as they were known at a moment.

    `columns` None: all; else Tamid's own columns and these. Per entity and moment the good row that
    arrived last; a bad one only where there is no good one: a correction that breaks the contract
    corrects nothing.
    """
    own = [ENTITY, TIME, PERIOD, BATCH, KNOWN_AT, ARRIVED, RULE]
    wanted = None if columns is None else [*own, *columns]
    frame = _known(tables.read(pin, periods=periods, columns=wanted), known_by)
    if frame.get_column(RULE).null_count() == frame.height:
        return Loaded(good=newest(frame), bad=frame.clear())
    sound = pl.col(RULE).is_null() | (pl.col(RULE) == REMOVED)
    latest = newest(frame.filter(sound))
    bad = newest(frame.filter(~sound)).join(latest, on=KEY, how="anti", nulls_equal=True)
    return Loaded(good=latest.filter(pl.col(RULE).is_null()), bad=bad)


def load_events(
    tables: Tables,
    pin: TablePin,
    *,
    periods: Sequence[str] | None = None,
    known_by: datetime | None = None,
) -> pl.DataFrame:
    """Return the good events of a pinned version as they were known at a moment."""
    frame = standing(_known(tables.read(pin, periods=periods), known_by))
    return frame.filter(pl.col(RULE).is_null())


def with_periods(frame: pl.DataFrame, rule: PeriodRule | None, now: datetime) -> pl.DataFrame:
    """Add `_period` by `_time`; a row without a moment falls into the batch's last period."""
    times = frame.get_column(TIME)
    if rule is None:
        return frame.with_columns(pl.lit(STATIC_PERIOD).alias(PERIOD))
    there = times.is_not_null()
    micros = times.fill_null(now).cast(MOMENT).to_physical().to_numpy()
    named = pl.Series(PERIOD, periods_of(rule, micros).astype(object), dtype=pl.String)
    last = named.filter(there).max() or period_of(rule, now)
    return frame.with_columns(pl.when(there).then(named).otherwise(pl.lit(last)).alias(PERIOD))


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


def entity_codes(
    rows: pl.DataFrame, events: pl.DataFrame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number the rows' entities from 0, and the events' alike; an entity without rows is -1."""
    names = rows.select(pl.col(ENTITY).unique()).with_row_index("code")
    owners, codes = (
        frame.select(ENTITY)
        .join(names, on=ENTITY, how="left", maintain_order="left", nulls_equal=True)
        .get_column("code")
        .cast(pl.Int64)
        .fill_null(-1)
        .to_numpy()
        for frame in (rows, events)
    )
    return owners, codes


def _take(
    feed: Feed,
    batch: Batch,
    raw: pl.DataFrame,
    tables: Tables,
    replaces: str,
    now: datetime,
    token: int,
) -> Event:
    checked = check(raw, feed.shape, now)
    frame = _dressed(feed, batch, raw, checked, now)
    periods = tuple(frame.get_column(PERIOD).unique().sort())
    share = checked.bad / frame.height
    if share > feed.max_share:
        reason = (
            f"{checked.bad} of {frame.height} rows ({share:.1%}) break the contract, "
            f"which allows {feed.max_share:.1%}"
        )
        return _refusal(feed, batch, (reason, *checked.notes), checked, frame.height, periods)
    return DataAccepted(
        key=_key(feed, batch),
        source=feed.source,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        pin=_store(feed, batch, frame, tables, replaces, now, token),
        rows=frame.height,
        quarantined=dict(checked.broken),
        periods=_arrived(frame, feed.rule, now),
        latest=_latest_moments(frame),
        notes=checked.notes[:_MOST],
    )


def _store(
    feed: Feed,
    batch: Batch,
    frame: pl.DataFrame,
    tables: Tables,
    replaces: str,
    now: datetime,
    token: int,
) -> TablePin:
    key = _key(feed, batch)
    orphan = tables.find(feed.table, key)
    if orphan is not None:
        return orphan
    latest = tables.latest(feed.table)
    if latest is not None:
        touched = None if replaces else frame.get_column(PERIOD).unique().to_list()
        change: Callable[..., pl.DataFrame] = changed_rows if feed.shape.unique else changed_events
        current = tables.read(latest, periods=touched)
        frame = change(current, frame, batch.name, now, replaces=bool(replaces))
        if frame.is_empty():
            return latest
    return tables.write(feed.table, frame, key=key, token=token, mode="append")


def _dressed(
    feed: Feed, batch: Batch, raw: pl.DataFrame, checked: Checked, now: datetime
) -> pl.DataFrame:
    """Return the checked rows as they are stored."""
    frame = checked.frame
    if feed.shape.entity is None:
        frame = frame.with_columns(row_names(frame.drop(RULE)))
    known = known_moments(raw, feed.known_at, feed.shape.timezone, now)
    frame = frame.drop(feed.pii, strict=False).with_columns(
        pl.lit(batch.name).alias(BATCH),
        known,
        pl.lit(now).cast(MOMENT).alias(ARRIVED),
    )
    return with_periods(frame, feed.rule, now)


def _arrived(frame: pl.DataFrame, rule: PeriodRule | None, now: datetime) -> tuple[str, ...]:
    """Return the periods that rows came for; a row set aside does not begin a period to come."""
    sound = pl.col(RULE).is_null()
    begun = pl.lit(True) if rule is None else pl.col(PERIOD) <= period_of(rule, now)
    return tuple(frame.filter(sound | begun).get_column(PERIOD).unique().sort())


def _latest_moments(frame: pl.DataFrame) -> dict[str, str]:
    """Return the last moment of each period that has one."""
    last = frame.group_by(PERIOD).agg(pl.col(TIME).max()).drop_nulls().sort(PERIOD)
    return {period: instant(moment) for period, moment in last.iter_rows()}


def _known(frame: pl.DataFrame, known_by: datetime | None) -> pl.DataFrame:
    return frame if known_by is None else frame.filter(pl.col(KNOWN_AT) <= known_by)


def _key(feed: Feed, batch: Batch) -> str:
    return f"{feed.table}/{batch.name}/{batch.fingerprint}"


def _refusal(
    feed: Feed,
    batch: Batch,
    reasons: tuple[str, ...],
    checked: Checked | None = None,
    rows: int = 0,
    periods: tuple[str, ...] = (),
) -> DataRefused:
    return DataRefused(
        key=_key(feed, batch),
        source=feed.source,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        owner=feed.owner,
        reasons=reasons[:_MOST],
        rows=rows,
        broken=dict(checked.broken) if checked else {},
        periods=periods,
    )
