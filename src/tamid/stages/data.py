"""From batches to stored rows: checked, set aside or refused, versioned, read back as of a moment.

Stored rows carry `_entity`, `_time`, `_period`, `_batch`, `_known_at` (when a row could be known),
`_arrived` (when it came here), `_rule` (the rule it broke, or null) and the contract's columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core.errors import BatchNotReady, DataError
from tamid.core.events import DataAccepted, DataRefused, Event
from tamid.core.values import ARRIVED, BATCH, ENTITY, KNOWN_AT, PERIOD, RULE, TIME, TablePin
from tamid.ports import Batch, Source, Tables
from tamid.stages.changes import (
    KEY,
    REMOVED,
    Change,
    all_new,
    changed_events,
    changed_rows,
    newest,
    standing,
)
from tamid.stages.feeds import Feed, NotReady, listed, refused, write_key
from tamid.stages.filing import begun_periods, dressed, latest_moments, periods_of_refused
from tamid.stages.oddities import NOTHING_VARIES
from tamid.stages.quarantine import Checked, check
from tamid.stages.recognising import Recogniser

CAME = "_came"

# Reasons and rules named in one event, so that a broken file of many columns stays readable.
_MOST = 10
# Said of a column that varied in the batch before.
_NEWLY = ", which was not so before"
# A row that replaces another of its tick is stored as come some microseconds later.
_WITHIN = timedelta(milliseconds=1)


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
    first: bool | None = None,
    noted: Collection[str] | None = None,
    recogniser: Recogniser | None = None,
) -> Iterator[Event]:
    """Take in every batch that is new or changed; append each event before asking for the next.

    `known` maps the names of batches that were accepted or refused to their fingerprints. Batches
    that are not ready yield nothing and are added to `waiting`. Rows are written under the key
    "table/batch/fingerprint" before the event is given out, so that a write whose event was lost
    is found again by its key. `first`: this is the first import of the source (None: nothing of it
    is known). `noted`: what was odd about the last batch; it is not told again. `recogniser`: knows
    rows of refused batches.
    """
    first = not known if first is None else first
    for batch in listed(source, feed.source, feed.path, waiting):
        if known.get(batch.name) == batch.fingerprint:
            continue
        taking = _Taking(
            feed=feed,
            batch=batch,
            tables=tables,
            replaces=bool(known.get(batch.name)),
            now=now,
            token=token,
            first=first,
            noted=noted,
            recogniser=recogniser,
        )
        raw: pl.DataFrame | None = None
        try:
            raw = source.read(batch)
            if raw.is_empty():
                raise BatchNotReady(f"batch {batch.name} has no rows")
            event = _take(taking, raw)
        except BatchNotReady as error:
            if waiting is not None:
                waiting.append(NotReady(source=feed.source, batch=batch.name, reason=error.what))
            continue
        except DataError as error:
            periods = () if raw is None else periods_of_refused(raw, feed, error, now)
            event = _refusal(feed, batch, (error.what,), periods=periods)
        if isinstance(event, DataAccepted):
            noted = (*event.notes, *event.standing)
        yield event


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
    corrects nothing. `_came` says when the first of them arrived.
    """
    own = [ENTITY, TIME, PERIOD, BATCH, KNOWN_AT, ARRIVED, RULE]
    wanted = None if columns is None else [*own, *columns]
    frame = _known(tables.read(pin, periods=periods, columns=wanted), known_by)
    came = pl.col(ARRIVED)
    if frame.get_column(ARRIVED).n_unique() > 1:
        came = came.min().over(KEY)
    frame = frame.with_columns(came.alias(CAME))
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


def entity_codes(
    rows: pl.DataFrame, events: pl.DataFrame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number the rows' entities from 0, and the events' alike; an entity without rows is -1."""
    names = rows.select(pl.col(ENTITY).unique(maintain_order=True)).with_row_index("code")

    def codes_of(frame: pl.DataFrame) -> npt.NDArray[np.int64]:
        keys = frame.select(ENTITY)
        found = keys.join(names, on=ENTITY, how="left", maintain_order="left", nulls_equal=True)
        return found.get_column("code").cast(pl.Int64).fill_null(-1).to_numpy()

    # Where every row has an entity of its own, their numbers are their places.
    own = names.height == rows.height
    return np.arange(rows.height) if own else codes_of(rows), codes_of(events)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taking:
    """One batch on its way into its table."""

    feed: Feed
    batch: Batch
    tables: Tables
    replaces: bool
    now: datetime
    token: int
    first: bool
    noted: Collection[str] | None
    recogniser: Recogniser | None

    @property
    def key(self) -> str:
        return write_key(self.feed.table, self.batch.name, self.batch.fingerprint)


def _take(t: _Taking, raw: pl.DataFrame) -> DataAccepted | DataRefused:
    feed, now, timed = t.feed, t.now, t.feed.rule is not None
    checked = check(raw, feed.shape, now)
    frame = dressed(feed, t.batch.name, raw, checked, now, first=t.first)
    if checked.lost / frame.height > feed.max_share:
        periods = tuple(frame.get_column(PERIOD).unique().sort())
        refused = _refusal(feed, t.batch, _reasons(feed, checked, frame), checked, periods)
        return (
            replace(refused, noted=t.recogniser.noted(frame, timed=timed))
            if t.recogniser
            else refused
        )
    pin, change = _store(t, frame)
    rivals = (
        f"some rows say otherwise than {name}, which came in the same tick; the later file counts"
        for name in change.rivals
    )
    notes = (*checked.notes, *rivals)
    before = frozenset(n.removesuffix(_NEWLY) for n in t.noted or ())
    fresh = tuple(n for n in notes if n not in before)
    if t.noted is not None:
        fresh = tuple(n + _NEWLY if n.endswith(NOTHING_VARIES) else n for n in fresh)
    return DataAccepted(
        key=t.key,
        source=feed.source,
        batch=t.batch.name,
        fingerprint=t.batch.fingerprint,
        pin=pin,
        rows=frame.height,
        aside=checked.bad,
        quarantined=dict(checked.broken),
        periods=begun_periods(frame, feed.rule, now),
        latest=latest_moments(frame),
        notes=fresh[:_MOST],
        standing=tuple(n for n in notes if n in before)[:_MOST],
        new=change.new,
        changed=change.changed,
        removed=change.removed,
        volume=dict(change.volume) if feed.shape.unique else {},
        brought=t.recogniser.brought(frame, timed=timed) if t.recogniser else (),
    )


def _store(t: _Taking, frame: pl.DataFrame) -> tuple[TablePin, Change]:
    """Write what a batch changes; a write whose event was lost is found again and told alike."""
    table, name, now = t.feed.table, t.batch.name, t.now
    change_of: Callable[..., Change] = changed_rows if t.feed.shape.unique else changed_events
    orphan = t.tables.find(table, t.key)
    if orphan is not None:
        stored = t.tables.read(orphan)
        own = (pl.col(BATCH) == name) & (pl.col(ARRIVED) >= _written_at(stored, name))
        before = stored.filter(~own)
        return orphan, change_of(before, frame, name, now, replaces=t.replaces)
    latest = t.tables.latest(table)
    if latest is None:
        change = all_new(frame)
    else:
        touched = None if t.replaces else frame.get_column(PERIOD).unique().to_list()
        current = t.tables.read(latest, periods=touched)
        change = change_of(current, frame, name, now, replaces=t.replaces)
        if change.frame.is_empty():
            return latest, change
    return t.tables.write(table, change.frame, key=t.key, token=t.token, mode="append"), change


def _written_at(stored: pl.DataFrame, name: str) -> datetime:
    """Return the moment of the last write of a batch; rows that replace others are a bit later."""
    last = stored.filter(pl.col(BATCH) == name).get_column(ARRIVED).max()
    assert isinstance(last, datetime)
    return last - _WITHIN


def _reasons(feed: Feed, checked: Checked, frame: pl.DataFrame) -> tuple[str, ...]:
    """Say how much of a batch is bad, then which rule was broken how often, with examples."""
    share = checked.bad / frame.height
    first = (
        f"{checked.bad} of {frame.height} rows ({share:.1%}) break the contract, "
        f"which allows {feed.max_share:.1%}"
    )
    often = sorted(checked.broken.items(), key=lambda item: (-item[1], item[0]))
    rules = [
        f"{rule}: {count}" + (f", such as {seen}" if (seen := checked.examples.get(rule)) else "")
        for rule, count in often
    ]
    told = tuple(f"{rule}: " for rule in checked.broken)
    return (first, *rules, *(n for n in checked.notes if not n.startswith(told)))


def _known(frame: pl.DataFrame, known_by: datetime | None) -> pl.DataFrame:
    return frame if known_by is None else frame.filter(pl.col(KNOWN_AT) <= known_by)


def _refusal(
    feed: Feed,
    batch: Batch,
    reasons: tuple[str, ...],
    checked: Checked | None = None,
    periods: tuple[str, ...] = (),
) -> DataRefused:
    return refused(
        batch,
        reasons[:_MOST],
        table=feed.table,
        source=feed.source,
        owner=feed.owner,
        rows=checked.frame.height if checked else 0,
        broken=checked.broken if checked else None,
        periods=periods,
    )
