"""Events whose time is over: what features of no row that stays are computed from may leave.

A table of a model is the model's own; that of a feature view is every user's, so all of them must
have taken in what it holds, and it goes as the one of them allows that reaches furthest back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from tamid.core.events import Collected
from tamid.core.fold import ROWS
from tamid.core.values import PERIOD, RULE, TIME, TablePin
from tamid.stages.feeds import VIEWS, stored_name

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.core.contract.model import Contract
    from tamid.core.state import State

_ALL = "a feature counts all the past (it has no window)"
_BACK = "features of rows that stay, or are still to come, are computed from them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """From when on a user needs events; None: from ever on. `why`: for people."""

    since: datetime | None
    why: str


def reach_of(
    app: App, model: str, table: str, leaving: Collection[str], now: datetime
) -> Reach | None:
    """Return how far back a model reads a table of events; None: it does not.

    `leaving`: the periods of its rows that are about to go.
    """
    state, windows = app.state(model), list[timedelta | None]()
    contracts = list(_contracts(app, model, state))
    for contract in contracts:
        uses = contract.features.aggregates.values()
        windows += [a.window for a in uses if stored_name(contract, a.table) == table]
        views = (v for n, v in contract.views.items() if stored_name(contract, n) == table)
        windows += [m.window for view in views for m in view.features.values()]
    if not windows or state.retired:
        return None
    known = [w for w in windows if w is not None]
    if len(known) < len(windows):
        return Reach(since=None, why=_ALL)
    first = now - max(2 * c.delivery.every for c in contracts)
    pin = state.pins.get(f"{model}.{ROWS}")
    if pin is not None:
        rows = app.tables.read(pin, columns=[PERIOD, TIME, RULE])
        stay = rows.filter(pl.col(RULE).is_null() & ~pl.col(PERIOD).is_in(sorted(leaving)))
        moment = stay.get_column(TIME).min()
        first = min(first, moment) if isinstance(moment, datetime) else first
    return Reach(since=first - max(known), why=_BACK)


def outlived_slices(
    app: App, pin: TablePin, span: timedelta, reaches: Collection[Reach], now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the slices of a table of events that may go, and why older ones stay."""
    frame = app.tables.read(pin, columns=[PERIOD, TIME])
    lasts = frame.group_by(PERIOD).agg(pl.col(TIME).max()).drop_nulls()
    old = {p: last for p, last in lasts.iter_rows() if last < now - span}
    gone = {p for p, last in old.items() if all(r.since and last < r.since for r in reaches)}
    stays = {r.why for r in reaches for last in old.values() if not r.since or last >= r.since}
    left = len(old) - len(gone)
    return tuple(sorted(gone)), tuple(f"{left} old slices of {pin.table}: {w}" for w in stays)


def own_tables(app: App, model: str) -> Iterator[str]:
    """Yield the tables of events that are a model's own."""
    state = app.state(model)
    found = {
        stored_name(contract, name)
        for contract in _contracts(app, model, state)
        for name in contract.data.tables
    }
    yield from sorted(t for t in found if t in state.pins and not t.startswith(VIEWS))


def shared_slices(
    app: App, table: str, span: timedelta, leaving: Mapping[str, Collection[str]], now: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the slices of a view's events that no user needs, and why older ones stay.

    Where an earlier call died before all users were told, it is that one's which are told again.

    `leaving`: by model, the periods of its rows that are about to go.
    """
    latest = app.tables.latest(table)
    reaches = {m: reach_of(app, m, table, leaving.get(m, ()), now) for m in leaving}
    users = [m for m, reach in reaches.items() if reach is not None]
    if latest is None:
        return (), ()
    behind = [m for m in users if app.state(m).pins.get(table) != latest]
    if behind and (told := _told_to_some(app, table, latest, behind)):
        return told, ()
    if behind:
        return (), (f"rows of {table}: {', '.join(behind)} has not taken in all of them yet",)
    return outlived_slices(app, latest, span, [r for r in reaches.values() if r], now)


def _told_to_some(
    app: App, table: str, latest: TablePin, behind: Collection[str]
) -> tuple[str, ...]:
    """Return the slices of a clearing that was cut off before every user was told of it."""
    if any(app.state(m).pins[table].version != latest.version - 1 for m in behind):
        return ()
    events = (r.event for m in app.models() for r in app.records(m))
    done = [e for e in events if isinstance(e, Collected) and latest in e.pins]
    return done[-1].periods.get(table, ()) if done else ()


def _contracts(app: App, model: str, state: State) -> Iterator[Contract]:
    """Yield the contract in force and those of the versions that answer or may answer soon."""
    yield app.contract(model)
    for number in {state.champion, state.previous, state.challenger} - {0}:
        yield app.rig(model).contract(state.versions[number].registered.contract)
