"""Missing data: what a source should have brought by now and has not, told once and settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.deadline import due_at
from tamid.core.events import AlarmCleared, AlarmRaised, Event
from tamid.core.periods import PeriodRule, end_of, period_of, shift, start_of
from tamid.core.silence import silent
from tamid.core.state import State
from tamid.core.values import ENTITY, PERIOD, TIME, instant
from tamid.ports import Tables
from tamid.stages import labels
from tamid.stages.feeds import LABELS, ROWS, NotReady, feeds, rule_of
from tamid.stages.unseen import Silent

# What the names of alarms about sources begin with, and what they are raised on; of an event table
# that is there and brought nothing it is another answer.
SOURCE, EVENTS = "source", "events"
# So many periods before the last one must all have rows for one without any to be no usual gap.
_USUAL = 4
# Periods back from now in which the latest one that is due is looked for.
_BACK = 3


def missing(
    contract: Contract,
    state: State,
    now: datetime,
    unready: Sequence[NotReady],
    lost: Sequence[str] = (),
    silent: Silent = MappingProxyType({}),
) -> Iterator[Event]:
    """Yield an alarm for each source that failed to bring what was due, and clear those that did.

    `unready`: what could not be read when the sources were just looked at. Nothing is due before a
    champion is live. Rows are due at the hour of `delivery.by`, without one when the period after
    theirs is over; so are events. Labels are due after horizon and reporting lag. A source without
    any file is missing; rows are also missing where files lie and none holds the period, unless
    such gaps are usual, labels where they are missing of a period in `lost`, and events where
    `silent` says why none were there for the rows of a period.
    """
    rule = rule_of(contract)
    for name in state.open_alarms:
        if name.startswith(f"{SOURCE}/"):
            source, _, period = name.removeprefix(f"{SOURCE}/").partition("/")
            if over := _over(contract, state, source, period, unready, lost, silent):
                yield AlarmCleared(key=f"clear/{name}", alarm=name, reason=over)
    if rule is None or not state.champion:
        return
    open_ = {n.split("/")[1] for n in state.open_alarms if n.startswith(f"{SOURCE}/")}
    for source in sorted(_sources(contract) - open_):
        found = _lacks(contract, rule, state, source, now, unready, lost, silent)
        if found is None or f"{SOURCE}/{source}/{found[0]}" in state.alarms:
            continue
        period, due, why = found
        name = f"{SOURCE}/{source}/{period}"
        yield AlarmRaised(
            key=f"alarm/{name}",
            alarm=name,
            signal=EVENTS if (source, period) in silent else SOURCE,
            failure="system_failure",
            severity="warning",
            period=period,
            noticed_by="schedule of the contract",
            message=f"{source} of {period} were due at {instant(due)[:16]} UTC "
            f"and are missing: {why}",
            budget="none by chance: it is a matter of the clock",
        )


def unheard(
    tables: Tables, contract: Contract, state: State, due: Sequence[str], now: datetime
) -> tuple[str, ...]:
    """Return those of the periods `due` whose labels are missing altogether, as never before.

    That a file of labels did not come is no news that nothing happened: such a period is neither
    measured nor learnt from, also where absence is negative.
    """
    rows, heard = (state.pins.get(f"{contract.name}.{name}") for name in (ROWS, LABELS))
    if contract.data.label.source is None or heard is None or rows is None:
        return ()
    lost = silent(state.heard, due)
    if not lost:
        return ()
    # Labels that came before their rows are counted for no period.
    only = replace(contract.data, label=replace(contract.data.label, absence="unknown"))
    frame = tables.read(rows, periods=lost, columns=[ENTITY, TIME, PERIOD])
    known = labels.resolve(frame, tables.read(heard), replace(contract, data=only), now)
    found = set(known.filter(pl.col(labels.KNOWN)).get_column(PERIOD).unique())
    return tuple(p for p in lost if p not in found)


def refused_periods(state: State) -> set[str]:
    """Return the periods whose own rows came and were refused, of whatever batch."""
    own = (r.event for r in state.refused.values() if r.event.source == ROWS)
    return {period for event in own for period in event.periods}


def path_of(contract: Contract, source: str) -> str:
    """Return where the contract says that a source lies."""
    own = contract.data.label.source
    if source == LABELS and own is not None:
        return own.path
    return {feed.source: feed.path for feed in feeds(contract)}.get(source, "")


def _sources(contract: Contract) -> set[str]:
    own = {LABELS} if contract.data.label.source is not None else set()
    return {feed.source for feed in feeds(contract)} | own


def _over(
    contract: Contract,
    state: State,
    source: str,
    period: str,
    unready: Sequence[NotReady],
    lost: Sequence[str],
    silent: Silent,
) -> str:
    """Return why a source is missing no more, or ""."""
    if source not in _sources(contract):
        return "the contract no longer names it"
    if source == ROWS:
        came = [p for p in state.periods if p >= period]
        return f"rows of {min(came)} came" if came else ""
    if source == LABELS and period in lost:
        return ""
    if (source, period) in silent:
        return ""
    return "" if source in _empty(unready) else "there are files again"


def _lacks(
    contract: Contract,
    rule: PeriodRule,
    state: State,
    source: str,
    now: datetime,
    unready: Sequence[NotReady],
    lost: Sequence[str],
    silent: Silent,
) -> tuple[str, datetime, str] | None:
    """Return the latest period that a source owed and did not bring, since when, and why not."""
    first = period_of(rule, state.reigns[0].since)
    owed = ((p, due) for p, due in _recent(contract, rule, source, now) if due < now)
    period, due = next(owed, ("", now))
    if period <= first:
        return None
    came = source == LABELS and period in state.relabelled
    why = _empty(unready).get(source, "") or silent.get((source, period), "")
    if source == LABELS and period in lost and not why:
        why = "files are there, and no label in them is about it"
    if source == ROWS:
        came = period in state.periods or period in refused_periods(state)
        before = (shift(rule, period, -n) for n in range(1, _USUAL + 1))
        if not why and all(p in state.periods for p in before):
            stuck = [n.reason for n in unready if n.source == ROWS]
            why = stuck[0] if stuck else "no file holds any of them"
    return None if came or not why else (period, due, why)


def _empty(unready: Sequence[NotReady]) -> dict[str, str]:
    """Return the sources without a single batch, with the reason."""
    return {n.source: n.reason for n in unready if not n.batch}


def _recent(
    contract: Contract, rule: PeriodRule, source: str, now: datetime
) -> Iterator[tuple[str, datetime]]:
    """Yield the last periods, the latest first, with the moment at which a source owed them."""
    label, by = contract.data.label, contract.delivery.by
    wait = label.horizon + label.reporting_lag if source == LABELS else timedelta(0)
    back = _BACK + wait // timedelta(days=rule.days)
    current = period_of(rule, now)
    for step in range(back + 1):
        period = shift(rule, current, -step)
        if source == LABELS:
            yield period, end_of(rule, period) + wait
        elif by is not None:
            zone = ZoneInfo(contract.calendar.timezone)
            yield period, due_at(by, start_of(rule, period), zone)
        else:
            yield period, end_of(rule, shift(rule, period, 1))
