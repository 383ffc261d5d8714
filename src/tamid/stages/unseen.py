"""Event tables that brought nothing for a period: its rows would take that for nothing happened."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.periods import PeriodRule, period_of, shift, span, start_of
from tamid.core.silence import FEWEST
from tamid.core.state import State
from tamid.core.values import ARRIVED, PERIOD, RULE
from tamid.ports import Tables
from tamid.stages.feeds import ROWS, Feed, feeds, rule_of

# So many periods before must all have brought events, and so many days: a table that rests on
# Sundays, or holds a few events only, is silent by its nature.
_BEFORE = 4
_DAYS = 15
# Periods back from now of which it is asked whether a table brought anything.
_BACK = 3

Silent = Mapping[tuple[str, str], str]


def unseen(tables: Tables, contract: Contract, state: State, period: str) -> dict[str, str]:
    """Return the event tables of which the rows of a period could see nothing new, with the reason.

    A table is named if no event of the last whole slice before the period was there when its rows
    came, though of each slice before enough was there for the rows of its time that none at all
    would come once in a million by chance; and for as long as this lasts. What comes later counts
    for no row that was scored by then, so that it does not mend the period.
    """
    rule, rows = rule_of(contract), state.pins.get(f"{contract.name}.{ROWS}")
    used = {a.table for a in contract.features.aggregates.values()}
    asked = [f for f in feeds(contract)[1:] if f.source in used and f.table in state.pins]
    if rule is None or rows is None or not asked:
        return {}
    back = max(_BEFORE, math.ceil(_DAYS / rule.days))
    periods = [shift(rule, period, -step) for step in range(back + 1)]
    came = tables.read(rows, periods=periods, columns=[PERIOD, ARRIVED])
    first = dict(came.group_by(PERIOD).agg(pl.col(ARRIVED).min()).iter_rows())
    moments = [max(start_of(rule, p), first.get(p, start_of(rule, p))) for p in periods]
    found: dict[str, str] = {}
    for feed in asked:
        slices = [_slice(contract, rule, feed, p) for p in periods]
        mine, *before = _counts(tables, state, feed, slices, moments)
        if mine:
            continue
        if min(before) >= FEWEST:
            usual = f"of each of the {back} before there were {min(before)} or more"
        elif feed.source in lacking_tables(contract, state, periods[1]):
            usual = "it brings nothing still"
        else:
            continue
        found[feed.source] = f"no event of {slices[0]} was there when the rows came; {usual}"
    return found


def quiet(tables: Tables, contract: Contract, state: State, now: datetime) -> Silent:
    """Return, by source and period, the tables that were unseen and brought nothing since."""
    rule = rule_of(contract)
    if rule is None or not state.champion or len(feeds(contract)) == 1:
        return {}
    asked = {shift(rule, period_of(rule, now), -step) for step in range(_BACK + 1)}
    asked |= {a.raised.period for a in state.open_alarms.values() if a.raised.signal == "source"}
    by_name = {feed.source: feed for feed in feeds(contract)}
    found: dict[tuple[str, str], str] = {}
    for period in sorted(asked & state.periods.keys()):
        for source, why in unseen(tables, contract, state, period).items():
            feed = by_name[source]
            assert feed.rule is not None
            first = _slice(contract, rule, feed, period)
            since = span(feed.rule, first, period_of(feed.rule, now))
            events = tables.read(state.pins[feed.table], periods=since, columns=[RULE])
            if events.get_column(RULE).null_count() == 0:
                found[source, period] = why
    return found


def lacking_tables(contract: Contract, state: State, period: str) -> frozenset[str]:
    """Return the event tables that a period was found to lack, unless a person took it as sound."""
    check, declared = state.checked.get(period), contract.features.aggregates
    if check is None or period not in state.suspected:
        return frozenset()
    return frozenset(declared[c].table for c in check.columns if c in declared)


def _slice(contract: Contract, rule: PeriodRule, feed: Feed, period: str) -> str:
    """Return the last slice of events that was over, and might be known, when a period began."""
    assert feed.rule is not None
    delay = contract.data.tables[feed.source].delay
    return shift(feed.rule, period_of(feed.rule, start_of(rule, period) - delay), -1)


def _counts(
    tables: Tables, state: State, feed: Feed, slices: Sequence[str], moments: Sequence[datetime]
) -> list[int]:
    """Return how many good events of each slice had arrived by its moment."""
    pin = state.pins[feed.table]
    events = tables.read(pin, periods=sorted(set(slices)), columns=[PERIOD, ARRIVED, RULE])
    events = events.filter(pl.col(RULE).is_null())
    return [
        events.select(((pl.col(PERIOD) == name) & (pl.col(ARRIVED) <= moment)).sum()).item()
        for name, moment in zip(slices, moments, strict=True)
    ]
