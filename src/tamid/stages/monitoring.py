"""Watching: alarms about what was measured, and what a tick sees beyond the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from tamid.core.alarms import quality_alarm, unlabelled_alarm
from tamid.core.contract.model import Contract
from tamid.core.deadline import is_late
from tamid.core.events import AlarmRaised
from tamid.core.filling import has_come
from tamid.core.online_alarms import online_alarm
from tamid.core.paging import level_of
from tamid.core.periods import matured_at, period_of, shift, start_of
from tamid.core.policy import policy_of
from tamid.core.rules.release import cooling
from tamid.core.signals import RULES, Signals
from tamid.core.state import State
from tamid.core.turnout import losses, periods_a_year
from tamid.core.values import STATIC_PERIOD, instant, parse_instant
from tamid.core.watching import SHADOW
from tamid.core.windows import FEWEST_TO_START
from tamid.stages.dataset import told_periods, trickling
from tamid.stages.quality import error_of, matured, rule_of
from tamid.stages.rig import Rig
from tamid.stages.roster import shortfall
from tamid.stages.usual import special_of

# Periods that tell up to where the rows of one usually come.
_USUAL = 26
# The rules that know of a pause after a rollback.
COOLS = 2


def alarms(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[AlarmRaised]:
    """Yield new alarms: of realised quality, else of the strongest signal that needs no label."""
    level, special = level_of(contract), _special(rig, contract, state)
    found = quality_alarm(rig.model, state, level, special)
    found = found or online_alarm(state, level)
    partly, filling = _partly(contract, state, now), _filling(contract, state, now)
    found = found or unlabelled_alarm(rig.model, state, level, special, partly, filling)
    if found is not None:
        yield found


def _partly(contract: Contract, state: State, now: datetime) -> frozenset[str]:
    """Return the periods that the champion answered in part only: its first, and today's."""
    if contract.data.time is None or not state.reigns:
        return frozenset()
    rule = rule_of(contract)
    return frozenset({period_of(rule, now), period_of(rule, state.reigns[-1].since)})


def _filling(contract: Contract, state: State, now: datetime) -> frozenset[str]:
    """Return today's period while its rows still come in: held against whole ones it is unlike."""
    if contract.data.time is None:
        return frozenset()
    rule = rule_of(contract)
    today = period_of(rule, now)
    past = [p for p in sorted(state.periods) if p < today][-_USUAL:]
    come = today not in state.periods or not past or has_come(state, rule, past, today)
    return frozenset() if come else frozenset({today})


def _special(rig: Rig, contract: Contract, state: State) -> Mapping[str, frozenset[str]]:
    """Return the special ones among all periods that were ever measured."""
    if not contract.calendar.special:
        return {}
    measured = {p for periods in state.measured.values() for p in periods}
    return special_of(rig, contract, measured, rule_of(contract).days)


def observe(
    rig: Rig, contract: Contract, state: State, now: datetime, rules: int = RULES
) -> Signals:
    """Return what the tick sees beyond the ledger: of pins, contract, moment and the `rules`."""
    ready = matured(rig, contract, state, now, rules)
    bad = {p for r in state.refused.values() for p in r.event.periods} | set(state.suspected)
    told = ready
    if trickling(contract):
        told = told_periods(rig.tables, contract, state.pins, now)
    trainable = tuple(p for p in told if p not in bad)
    static = contract.data.time is None
    missing = ""
    if not static and len(trainable) < FEWEST_TO_START:
        missing = (
            f"{len(trainable)} of {FEWEST_TO_START} periods with all labels are there "
            "for a first training"
        )
        trainable = ()
    rungs, error = _rungs_seen(state)
    short = _short(rig, contract, state, now)
    return Signals(
        due=tuple(p for p in _due(contract, state, now) if not _awaits(contract, p, short, now)),
        matured=ready,
        trainable=trainable,
        missing=missing,
        fresh_rows=_fresh_rows(contract, state, ready),
        rungs=rungs,
        rung_error=error,
        late=_late(contract, state, now),
        short=short,
        lost=_lost(contract, state, now),
        shadow_until=_shadow_until(contract, state),
        cooling=cooling(state, now) if rules >= COOLS else "",
    )


def _shadow_until(contract: Contract, state: State) -> str:
    """Return when the next labels are due of what the version in shadow has not learnt from.

    "" if none are due before it may wait no longer.
    """
    version = state.versions.get(state.challenger)
    if version is None or version.stage_at is None or trickling(contract):
        return ""
    label, rule = contract.data.label, rule_of(contract)
    limit = version.stage_at + contract.release.shadow_wait
    seen = state.measured.get(f"{SHADOW}@{state.challenger}", {})
    due = []
    for period in state.scored:
        if period <= version.registered.trained_through or period in seen:
            continue
        latest = state.latest.get(period)
        last = parse_instant(latest) if latest else None
        moment = matured_at(rule, period, label.horizon + label.reporting_lag, last)
        if moment is not None and moment <= limit:
            due.append(instant(moment))
    return min(due, default="")


def _rungs_seen(state: State) -> tuple[dict[str, float], float]:
    """Return the latest measured worth of each rung on the drifted periods, and its error."""
    if not any(a.raised.signal == "quality" for a in state.open_alarms.values()):
        return {}, 0.0
    found, error = {}, 0.0
    for name, periods in state.measured.items():
        signal, _, version = name.partition("@")
        if signal.startswith("rung/") and int(version) == state.champion:
            latest = periods[max(periods)]
            found[signal.removeprefix("rung/")] = latest.value
            error = max(error, error_of(latest.interval)) if latest.interval else error
    return found, error


def _due(contract: Contract, state: State, now: datetime) -> tuple[str, ...]:
    """Return the periods that must have scores: with rows, or refused, or past their deadline."""
    if contract.data.time is None:
        return (STATIC_PERIOD,) if STATIC_PERIOD in state.periods else ()
    rule = rule_of(contract)
    current = period_of(rule, now)
    refused = {p for r in state.refused.values() for p in r.event.periods}
    first = period_of(rule, state.reigns[0].since) if state.reigns else current
    found = []
    for period in (shift(rule, current, -1), current):
        if period < first or start_of(rule, period) > now:
            continue
        arrived = period in state.periods or period in refused
        if arrived or _past_deadline(contract, period, now):
            found.append(period)
    return tuple(found)


def _short(rig: Rig, contract: Contract, state: State, now: datetime) -> dict[str, str]:
    """Return which of this and the last period have far fewer rows than usual."""
    if contract.data.time is None or not state.champion:
        return {}
    rule = rule_of(contract)
    current = period_of(rule, now)
    told = {
        p: shortfall(rig.tables, contract, state, p, now)
        for p in (shift(rule, current, -1), current)
    }
    return {p: text for p, text in told.items() if text}


def _lost(contract: Contract, state: State, now: datetime) -> dict[str, str]:
    """Return what this and the last period lost beyond the usual, where it is no small part."""
    if contract.data.time is None or not state.champion:
        return {}
    last = shift(rule_of(contract), period_of(rule_of(contract), now), -1)
    found = losses(state, periods_a_year(contract))
    least = contract.data.quarantine.max_share
    return {f.period: f.words for f in found if f.period >= last and f.share > least}


def _awaits(contract: Contract, period: str, short: Mapping[str, str], now: datetime) -> bool:
    """Say whether the rest of a period's rows is awaited: there is time until it is due."""
    timely = contract.delivery.by is not None and not _past_deadline(contract, period, now)
    return period in short and timely


def _late(contract: Contract, state: State, now: datetime) -> tuple[str, ...]:
    """Return the deliveries of this and the last period that are past their deadline."""
    if contract.data.time is None or not state.champion:
        return ()
    rule = rule_of(contract)
    current = period_of(rule, now)
    first = period_of(rule, state.reigns[0].since)
    return tuple(
        f"{period}/{sink}"
        for period in (shift(rule, current, -1), current)
        for sink in policy_of(contract).sinks
        if period > first
        and _past_deadline(contract, period, now)
        and not any(p == period and s == sink for p, _, s in state.delivered)
    )


def _past_deadline(contract: Contract, period: str, now: datetime) -> bool:
    zone = ZoneInfo(contract.calendar.timezone)
    return is_late(contract.delivery.by, start_of(rule_of(contract), period), zone, now)


def _fresh_rows(contract: Contract, state: State, ready: tuple[str, ...]) -> int:
    """Return how many matured rows neither the champion nor any later run has learnt from.

    A run whose candidate was kept back has seen them: they are no reason to try again.
    """
    version = state.versions.get(state.champion)
    through = version.registered.trained_through if version else ""
    tried = (max(run.started.periods, default="") for run in state.runs.values())
    through = max(through, *tried, "")
    return sum(state.scored[p].rows for p in ready if p > through and p in state.scored)
