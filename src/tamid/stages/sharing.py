"""Intake of tables that several models share: a batch is stored by whoever comes first.

Every model tells its own ledger of every batch, so that each knows on what its numbers rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta

import polars as pl

from tamid.core.errors import Conflict, IntegrityError
from tamid.core.events import DataAccepted, Event
from tamid.core.repairs import known, lacking
from tamid.core.state import State
from tamid.core.values import ARRIVED, BATCH, ENTITY, PERIOD, RULE, TIME, TablePin
from tamid.ports import Batch, Source
from tamid.stages import data
from tamid.stages.changes import REMOVED
from tamid.stages.feeds import Feed, NotReady, write_key
from tamid.stages.filing import begun_periods, latest_moments
from tamid.stages.journal import holding
from tamid.stages.recognising import Recogniser
from tamid.stages.rig import Rig

# How long one model may take in batches of a shared table before another may step in.
_LEASE = timedelta(hours=1)


def ingest_shared(
    rig: Rig,
    feed: Feed,
    source: Source,
    present: Callable[[], State],
    now: datetime,
    token: int,
    waiting: list[NotReady],
) -> Iterator[Event]:
    """Take in what is new for this model; append each event before asking for the next.

    Laws: however many models share a table, a batch is stored once; while another model takes
    batches in, this one waits for its next turn.
    """
    state, recogniser = present(), recogniser_of(rig, feed.source, present)
    seen = known(state, feed.source)
    fresh = [b for b in source.batches() if seen.get(b.name) != b.fingerprint]
    if not fresh:
        yield from data.ingest(
            feed, source, rig.tables, known=seen, now=now, token=0, waiting=waiting
        )
        return
    with ExitStack() as stack:
        try:
            turn = holding(rig.leases, feed.table, f"{rig.model}/{token}", now, _LEASE)
            held = stack.enter_context(turn)
        except Conflict as error:
            waiting.append(NotReady(source=feed.source, batch="", reason=error.what))
            return
        for batch in fresh:
            told = _stored(rig, feed, batch, now, recogniser)
            if told is not None:
                yield told
                seen[batch.name] = batch.fingerprint
        latest = rig.tables.latest(feed.table)
        yield from data.ingest(
            feed,
            source,
            rig.tables,
            known={**_names(rig, latest), **seen},
            now=now,
            token=held.token,
            waiting=waiting,
            first=_is_first(rig, state, feed, latest),
            noted=state.noted.get(feed.source),
            recogniser=recogniser,
        )


def recogniser_of(rig: Rig, source: str, present: Callable[[], State]) -> Recogniser:
    """Return what recognises rows of a source's refused batches, as they stand when asked."""
    return Recogniser(salt=rig.salt, lacking=lambda: lacking(present().refused, source))


def _stored(
    rig: Rig, feed: Feed, batch: Batch, now: datetime, recogniser: Recogniser
) -> DataAccepted | None:
    """Tell of a batch that another model has stored, without reading it anew."""
    key = write_key(feed.table, batch.name, batch.fingerprint)
    written, latest = rig.tables.find(feed.table, key), rig.tables.latest(feed.table)
    if written is None or latest is None:
        return None
    wanted = [BATCH, PERIOD, ENTITY, TIME, RULE]
    try:
        frame = rig.tables.read(written, columns=wanted)
    except IntegrityError:  # that version was cleared away: what is left of the batch is told
        frame = rig.tables.read(latest, columns=wanted)
    frame = frame.filter((pl.col(BATCH) == batch.name) & pl.col(RULE).ne_missing(REMOVED))
    broken = frame.get_column(RULE).drop_nulls().value_counts().sort(RULE)
    return DataAccepted(
        key=key,
        source=feed.source,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        # What came after it is there too: a shared table only grows.
        pin=latest,
        rows=frame.height,
        quarantined=dict(broken.iter_rows()),
        periods=begun_periods(frame, feed.rule, now),
        latest=latest_moments(frame),
        brought=recogniser.brought(frame, timed=feed.rule is not None),
    )


def _names(rig: Rig, latest: TablePin | None) -> dict[str, str]:
    """Return the batches of which rows are stored, so that a new version of one replaces them."""
    if latest is None:
        return {}
    names = rig.tables.read(latest, columns=[BATCH]).get_column(BATCH).unique()
    return dict.fromkeys(names, "stored by some model")


def _is_first(rig: Rig, state: State, feed: Feed, latest: TablePin | None) -> bool:
    """Say whether the batches are history: no turn of any model has ended since the first came."""
    if latest is None:
        return True
    seen = state.first_seen.get(feed.source)
    if seen is None or (state.last_tick is not None and state.last_tick >= seen):
        return False
    begun = rig.tables.read(latest, columns=[ARRIVED]).get_column(ARRIVED).min()
    return isinstance(begun, datetime) and begun >= seen
