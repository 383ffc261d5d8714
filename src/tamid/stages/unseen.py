"""Event tables that brought nothing for a period: its rows would take that for nothing happened."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.periods import PeriodRule, period_of, shift, span, start_of
from tamid.core.state import State
from tamid.core.values import ARRIVED, PERIOD, RULE
from tamid.ports import Tables
from tamid.stages.feeds import ROWS, Feed, feeds, rule_of

# So many periods before, and so many days, must all have brought so many events: a table that rests
# on Sundays, or holds a few, is silent by its nature.
_BEFORE = 4
_DAYS = 15
_FEWEST = 20
# Next to nothing: what strays into a slice from the file before, where days are cut by another
# clock. By chance so few come once in two million slices of 20, and never of more.
_STRAYS = 0.1
# Periods back from now of which it is asked whether a table brought anything since.
_BACK = 3

Silent = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    """A table that brought nothing for a period: its slice, and what came of each one before."""

    feed: Feed
    slice: str
    fewest: int
    before: int

    @property
    def words(self) -> str:
        """Say what is missing, and how that is known."""
        usual = f"each of {self.before} earlier ones had {self.fewest} or more"
        return f"hardly an event of {self.slice} was there when the rows came; {usual}"


def unseen(tables: Tables, contract: Contract, state: State, period: str) -> dict[str, str]:
    """Return the event tables of which the rows of a period could see nothing new, with the reason.

    A table is named if next to no event of the last whole slice before the period was there when
    its rows came, though of each slice before there was enough for the rows of its time; and for
    as long as this lasts. What comes later counts for no row that was scored by then, so that it
    does not mend the period.
    """
    return {gap.feed.source: gap.words for gap in _gaps(tables, contract, state, period)}


def quiet(tables: Tables, contract: Contract, state: State, now: datetime) -> Silent:
    """Return, by source and period, the tables that a period was found to lack, and lacks still.

    Nothing came since either, and no person took the period as sound.
    """
    rule = rule_of(contract)
    if rule is None or not state.champion or len(feeds(contract)) == 1:
        return {}
    asked = {shift(rule, period_of(rule, now), -step) for step in range(_BACK + 1)}
    asked |= {a.raised.period for n, a in state.open_alarms.items() if n.startswith("source/")}
    found: dict[tuple[str, str], str] = {}
    for period in sorted(p for p in asked if lacking_tables(contract, state, p)):
        for gap in _gaps(tables, contract, state, period):
            assert gap.feed.rule is not None
            since = span(gap.feed.rule, gap.slice, period_of(gap.feed.rule, now))
            events = tables.read(state.pins[gap.feed.table], periods=since, columns=[RULE])
            if _is_little(events.get_column(RULE).null_count(), gap.fewest):
                found[gap.feed.source, period] = gap.words
    return found


def lacking_tables(contract: Contract, state: State, period: str) -> frozenset[str]:
    """Return the event tables that a period was found to lack, unless a person took it as sound."""
    check, declared = state.checked.get(period), contract.features.aggregates
    if check is None or period not in state.suspected:
        return frozenset()
    return frozenset(declared[c].table for c in check.columns if c in declared)


def _gaps(tables: Tables, contract: Contract, state: State, period: str) -> Iterator[_Gap]:
    rule, rows = rule_of(contract), state.pins.get(f"{contract.name}.{ROWS}")
    used = {a.table for a in contract.features.aggregates.values()}
    if rule is None or rows is None:
        return
    back = max(_BEFORE, math.ceil(_DAYS / rule.days))
    for feed in feeds(contract)[1:]:
        if feed.source not in used or feed.table not in state.pins:
            continue
        began = period
        while feed.source in lacking_tables(contract, state, shift(rule, began, -1)):
            began = shift(rule, began, -1)
        asked = [period, *(shift(rule, began, -step) for step in range(1, back + 1))]
        slices = [_slice(contract, rule, feed, p) for p in asked]
        moments = _moments(tables.read(rows, periods=asked, columns=[PERIOD, ARRIVED]), rule, asked)
        mine, *before = _counts(tables, state, feed, slices, moments)
        if min(before) >= _FEWEST and _is_little(mine, min(before)):
            yield _Gap(feed=feed, slice=slices[0], fewest=min(before), before=back)


def _is_little(count: int, usual: int) -> bool:
    return count <= _STRAYS * usual


def _slice(contract: Contract, rule: PeriodRule, feed: Feed, period: str) -> str:
    """Return the last slice of events that was over, and might be known, when a period began."""
    assert feed.rule is not None
    delay = contract.data.tables[feed.source].delay
    return shift(feed.rule, period_of(feed.rule, start_of(rule, period) - delay), -1)


def _moments(came: pl.DataFrame, rule: PeriodRule, periods: Sequence[str]) -> list[datetime]:
    """Return when the first rows of each period came, or when it began if that was later."""
    first = dict(came.group_by(PERIOD).agg(pl.col(ARRIVED).min()).iter_rows())
    return [max(start_of(rule, p), first.get(p, start_of(rule, p))) for p in periods]


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
