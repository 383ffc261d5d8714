"""The inbox of a campaign's acts: who got which offer when, each act once, never altered.

The table `<model>.actions` holds `_entity`, `_time` (when it was made), `offer`, `id`, `_arrived`,
`_batch` and `_period` (that of `_time`). What cannot be understood is left out and told by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.contract.problems import did_you_mean
from tamid.core.contract.running import ACTIONS, Actions
from tamid.core.errors import BatchNotReady, BatchRefused, DataError
from tamid.core.events import ActionsAccepted, DataRefused, Event
from tamid.core.periods import matured_at
from tamid.core.repairs import known
from tamid.core.state import State
from tamid.core.values import ARRIVED, BATCH, ENTITY, PERIOD, TIME, digest_of, instant
from tamid.ports import Batch, Source
from tamid.stages.feeds import NotReady, listed, refused, rule_of, write_key
from tamid.stages.filing import with_periods
from tamid.stages.quarantine import moments, suggest
from tamid.stages.reading import MOMENT, name_of
from tamid.stages.rig import Rig

OFFER, ID = "offer", "id"
# The first line of a file names the columns.
_FIRST_LINE = 2
_MOST_TOLD = 10
_WRONG = "_wrong"


def ingest(
    rig: Rig,
    contract: Contract,
    state: State,
    source: Source,
    now: datetime,
    token: int,
    waiting: list[NotReady] | None = None,
) -> Iterator[Event]:
    """Put every new or changed file into the inbox; append each event before the next.

    A file that comes again adds what is new in it: what was told once has happened.
    """
    actions = contract.delivery.actions
    if actions is None:
        return
    seen = known(state, ACTIONS)
    for batch in listed(source, ACTIONS, "", None):  # no file: no campaign was made yet
        if seen.get(batch.name) == batch.fingerprint:
            continue
        try:
            raw = source.read(batch)
            if raw.is_empty():
                raise BatchNotReady(f"batch {batch.name} has no rows")
            yield _take(rig, contract, actions, state, batch, raw, now, token)
        except BatchNotReady as error:
            if waiting is not None:
                waiting.append(NotReady(source=ACTIONS, batch=batch.name, reason=error.what))
        except DataError as error:
            yield _refusal(rig, actions, batch, (error.what,))


def understood(
    contract: Contract, actions: Actions, raw: pl.DataFrame, now: datetime
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the acts that a file tells of, and what is wrong by line.

    Raises:
        BatchRefused: columns are missing; the message names all of them.
    """
    entity = contract.data.entity or ""
    wanted = [entity, actions.offer, actions.time, *([actions.id] if actions.id else [])]
    lacking = [f"{c!r}{suggest(c, raw.columns)}" for c in wanted if c not in raw.columns]
    if lacking:
        raise BatchRefused(
            f"columns are missing: {'; '.join(lacking)}",
            why="who got which offer when cannot be told without them",
        )
    at = moments(raw, actions.time, contract.calendar.timezone)
    frame = pl.DataFrame(
        [
            name_of(raw.get_column(entity)).values.alias(ENTITY),
            at.alias(TIME),
            raw.get_column(actions.offer).cast(pl.String).str.strip_chars().alias(OFFER),
        ]
    )
    wrong = [_faults(contract, actions, raw, row, now) for row in _rows(frame)]
    if actions.id is not None:
        ids = name_of(raw.get_column(actions.id)).values
        wrong = [
            w or ("" if i else f"{actions.id} is missing") for w, i in zip(wrong, ids, strict=True)
        ]
    else:
        ids = pl.Series([digest_of(list(row))[7:39] for row in _rows(frame)], dtype=pl.String)
    frame = frame.with_columns(ids.alias(ID), pl.Series(_WRONG, wrong, dtype=pl.String))
    lines = tuple(f"line {i + _FIRST_LINE}: {w}" for i, w in enumerate(wrong) if w)
    return frame.filter(pl.col(_WRONG) == "").drop(_WRONG), lines


def _rows(frame: pl.DataFrame) -> list[tuple[str | None, str | None, str | None]]:
    """Return entity, moment as text, and offer of each row."""
    return [(e, None if t is None else instant(t), o) for e, t, o in frame.iter_rows()]


def _faults(
    contract: Contract,
    actions: Actions,
    raw: pl.DataFrame,
    row: tuple[str | None, str | None, str | None],
    now: datetime,
) -> str:
    """Return all that is wrong with one line, "" if nothing is."""
    entity, at, offer = row
    found = [] if entity else [f"{contract.data.entity} is missing"]
    if at is None:
        found.append(f"{actions.time} is no moment")
    elif at > instant(now):
        found.append(f"{actions.time} lies in the future")
    if not offer:
        found.append(f"{actions.offer} is missing")
    elif actions.offers and offer not in actions.offers:
        hint = did_you_mean(offer, actions.offers) or f"there are {', '.join(actions.offers)}"
        found.append(f"{offer!r} is no offer of the contract; {hint}")
    return ", ".join(found)


def _take(
    rig: Rig,
    contract: Contract,
    actions: Actions,
    state: State,
    batch: Batch,
    raw: pl.DataFrame,
    now: datetime,
    token: int,
) -> Event:
    acts, wrong = understood(contract, actions, raw, now)
    if len(wrong) / raw.height > contract.data.quarantine.max_share:
        first = (
            f"{len(wrong)} of {raw.height} lines cannot be understood, the contract allows "
            f"{contract.data.quarantine.max_share:.1%}"
        )
        return _refusal(rig, actions, batch, (first, *_told(wrong)), raw.height)
    table = rig.table(ACTIONS)
    key = write_key(table, batch.name, batch.fingerprint)
    pin = rig.tables.find(table, key)
    if pin is not None:  # written by a turn that died before it could tell
        fresh = rig.tables.read(pin).filter(pl.col(BATCH) == batch.name)
        fresh = fresh.filter(pl.col(ARRIVED) == pl.col(ARRIVED).max())
    else:
        last = rig.tables.latest(table)
        once = acts.unique(ID, keep="first", maintain_order=True)
        fresh = with_periods(once, rule_of(contract), now).with_columns(
            pl.lit(now).cast(MOMENT).alias(ARRIVED), pl.lit(batch.name).alias(BATCH)
        )
        if last is not None:
            fresh = fresh.join(rig.tables.read(last, columns=[ID]), on=ID, how="anti")
        pin = last
        if pin is None or not fresh.is_empty():
            pin = rig.tables.write(table, fresh, key=key, token=token, mode="append")
    unknown, held = _strangers(rig, state, fresh)
    return ActionsAccepted(
        key=key,
        source=ACTIONS,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        pin=pin,
        new=fresh.height,
        repeated=acts.height - fresh.height,
        late=_late(contract, fresh, now),
        unknown=unknown,
        held_back=held,
        invalid=len(wrong),
        problems=_told(wrong),
        offers=dict(fresh.group_by(OFFER).len().sort(OFFER).iter_rows()),
        periods=tuple(fresh.get_column(PERIOD).unique().sort()),
    )


def _told(wrong: tuple[str, ...]) -> tuple[str, ...]:
    more = len(wrong) - _MOST_TOLD
    return (*wrong[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else []))


def _strangers(rig: Rig, state: State, fresh: pl.DataFrame) -> tuple[int, int]:
    """Return how many entities were never scored, and how many were to be left alone."""
    pin = state.pins.get(rig.table("predictions"))
    if pin is None or fresh.is_empty():
        return fresh.get_column(ENTITY).n_unique(), 0
    mine = fresh.select(ENTITY).unique()
    seen = rig.tables.read(pin, columns=[ENTITY, PERIOD, "control"]).join(mine, on=ENTITY)
    unknown = mine.height - seen.get_column(ENTITY).n_unique()
    held = fresh.join(seen.filter("control"), on=[ENTITY, PERIOD], how="semi")
    return unknown, held.get_column(ENTITY).n_unique()


def _late(contract: Contract, fresh: pl.DataFrame, now: datetime) -> int:
    """Return how many acts are about periods whose outcome was due before they came."""
    rule, label = rule_of(contract), contract.data.label
    if rule is None:
        return 0
    wait, late = label.horizon + label.reporting_lag, 0
    for period, acts in fresh.group_by(PERIOD).len().iter_rows():
        due = matured_at(rule, period, wait)
        late += acts if due is not None and due <= now else 0
    return late


def _refusal(
    rig: Rig, actions: Actions, batch: Batch, reasons: tuple[str, ...], rows: int = 0
) -> DataRefused:
    return refused(
        batch, reasons, table=rig.table(ACTIONS), source=ACTIONS, owner=actions.owner, rows=rows
    )
