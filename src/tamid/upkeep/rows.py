"""Rows whose time is over: servers' answers by the log's rule, all others by `[keep]`.

A period goes whole, and in an order: first its rows, then what was predicted of them, its labels,
the acts of campaigns last. A label that is missing may mean "no", so no answer may be left that its
truth has left; nor one that an act had changed. Events follow the rows that look back on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from tamid.core.fold import LOGS, OF_RUNS, ROWS
from tamid.core.retention import Needed, outlived
from tamid.core.values import KNOWN_AT, PERIOD, STATIC_PERIOD, TIME
from tamid.core.windows import reach
from tamid.stages.answered import SERVED
from tamid.stages.feeds import LABELS
from tamid.stages.registry import judged_frame
from tamid.upkeep.events import outlived_slices, own_tables, reach_of
from tamid.upkeep.rules import ORDER, span_of
from tamid.upkeep.singly import Cut, first_seen_cuts, run_cuts

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.core.contract.model import Contract
    from tamid.core.state import State

_STILL = "labels may still come, or a last score be given again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlived:
    """Periods that may go, by table, and single rows; what stays though it is old, and why."""

    periods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    stays: tuple[str, ...] = ()


def outlived_rows(app: App, model: str, state: State, now: datetime) -> Outlived:
    """Return what of a model's own tables is over its time and needed by nobody."""
    logs, kept = _logs(app, model, state, now), _content(app, model, state, now)
    runs = run_cuts(app, model, {n: span_of(app.config.keep, f"{model}.{n}") for n in OF_RUNS}, now)
    events = _events(app, model, kept.periods.get(f"{model}.{ROWS}", ()), now)
    return Outlived(
        periods={**logs.periods, **kept.periods, **events.periods},
        cuts={**kept.cuts, **runs.cuts},
        stays=(*logs.stays, *kept.stays, *runs.stays, *events.stays),
    )


def _logs(app: App, model: str, state: State, now: datetime) -> Outlived:
    contract = app.contract(model)
    gone, stays = dict[str, tuple[str, ...]](), list[str]()
    least = _awaited(contract)
    for name in LOGS:
        pin = state.pins.get(f"{model}.{name}")
        if pin is None:
            continue
        keep = span_of(app.config.retention, pin.table) or contract.service.log.keep
        if keep < least:
            stays.append(f"rows of {pin.table} of the last {least.days} days: {_STILL}")
        moment = "asked_at" if name == SERVED else TIME
        frame = app.tables.read(pin, columns=[PERIOD, moment])
        last = frame.group_by(PERIOD).agg(pl.col(moment).max())
        old = last.filter(pl.col(moment) < now - max(keep, least))
        if old.height:
            gone[pin.table] = tuple(sorted(old.get_column(PERIOD).to_list()))
    return Outlived(periods=gone, stays=tuple(stays))


def _content(app: App, model: str, state: State, now: datetime) -> Outlived:
    keep = {name: span_of(app.config.keep, f"{model}.{name}") for name in ORDER}
    if not any(keep.values()):
        return Outlived()
    contract = app.contract(model)
    if contract.data.time is None:
        made = first_seen_cuts(app, model, keep, ORDER, _awaited(contract), now)
        return Outlived(cuts=made.cuts, stays=made.stays)
    lasts = {name: _lasts(app, model, state, name) for name in ORDER}
    found, whys = outlived(ORDER, keep, lasts, _needed(app, model, state, sorted(lasts[ROWS])), now)
    return Outlived(
        periods={f"{model}.{name}": periods for name, periods in found.items()},
        stays=tuple(f"rows of {model}.{name}: {why}" for name, why in whys),
    )


def _events(app: App, model: str, leaving: tuple[str, ...], now: datetime) -> Outlived:
    """Return the slices of the model's own tables of events that may go."""
    gone, stays = dict[str, tuple[str, ...]](), list[str]()
    for table in own_tables(app, model):
        span = span_of(app.config.keep, table)
        if span is None:
            continue
        reach = reach_of(app, model, table, leaving, now)
        pin = app.state(model).pins[table]
        some, why = outlived_slices(app, pin, span, [reach] if reach else [], now)
        gone |= {table: some} if some else {}
        stays += why
    return Outlived(periods=gone, stays=tuple(stays))


def _lasts(app: App, model: str, state: State, name: str) -> dict[str, datetime]:
    """Return the last moment of each period that a table holds; none of what has no time."""
    pin = state.pins.get(f"{model}.{name}")
    if pin is None:
        return {}
    moments = [TIME, KNOWN_AT] if name == LABELS else [TIME]
    frame = app.tables.read(pin, columns=[PERIOD, *moments])
    last = frame.group_by(PERIOD).agg(pl.max_horizontal(pl.col(moments).max()).alias(TIME))
    known = last.filter(pl.col(TIME).is_not_null() & (pl.col(PERIOD) != STATIC_PERIOD))
    return dict(known.select(PERIOD, TIME).iter_rows())


def _needed(app: App, model: str, state: State, periods: list[str]) -> Needed:
    """Return from where on everything stays, and why."""
    contract = app.contract(model)
    back = reach([state.volume.get(p, 0) for p in periods])
    window = back["short" if contract.retraining.window == "short" else "long"]
    first = [(p, f"training looks back over {window} periods") for p in periods[-window:][:1]]
    for number, who in (
        (state.champion, "the champion"),
        (state.previous, "the version to fall back on"),
        (state.challenger, "the version on its way"),
    ):
        if number:
            frame = judged_frame(app.rig(model), state, state.versions[number].registered.run)
            judged = str(frame.get_column(PERIOD).min())
            first.append((judged, f"{who} was judged from there on"))
    for alarm in state.alarms.values():
        if not alarm.cleared and alarm.raised.periods:
            first.append((min(alarm.raised.periods), f"alarm {alarm.raised.alarm} is open"))
    since, why = min(first, default=("", ""))
    return Needed(since=since, why=why, least=_awaited(contract), least_why=_STILL)


def _awaited(contract: Contract) -> timedelta:
    """Return how long after an answer its label may come, or the answer be given again."""
    label = contract.data.label
    due = label.horizon + label.reporting_lag + 2 * contract.delivery.every
    return max([due, *(rung.max_age for rung in contract.service.fallback if rung.max_age)])
