"""From measurements to alarms, all of them together within the stated budget of false ones.

Realised loss pages when it falls below the contract or out of its reference; estimated loss, scores
and importance-weighted inputs page before any label. One matter pages once: what is open about the
champion keeps weaker signals silent. A special week is compared with its like and no other.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from tamid.core.detecting import Found, detected, onset, reference_for, tie_break
from tamid.core.estimates import record_of, trust_of
from tamid.core.events import AlarmRaised, Measured
from tamid.core.paging import (
    ASKED,
    DRIFT,
    ESTIMATE,
    HINDSIGHT,
    QUALITY,
    UNLABELLED,
    Budget,
    QualityLevel,
    budget_of,
    realised_of,
    reference_losses,
    reference_of,
)
from tamid.core.special_weeks import Names, far_from_its_like
from tamid.core.state import Alarm, State
from tamid.core.usual import INPUT_PSI, ONLINE_INPUT_PSI, ONLINE_SCORE_PSI, SCORE_PSI
from tamid.core.values import Interval

__all__ = [
    "QualityLevel",
    "is_back_to_normal",
    "quality_alarm",
    "reference_losses",
    "tie_break",
    "unlabelled_alarm",
]

# A week of which so small a share was answered by the champion is spread by chance alone; the share
# is that of the smallest week of the reference.
FEWEST_ROWS = 0.5
# So many ordinary periods in a row within the reference, and the matter is over.
CALM = 2


def quality_alarm(
    model: str, state: State, level: QualityLevel, special: Names | None = None
) -> AlarmRaised | None:
    """Return a new alarm about the champion's realised quality, or None.

    The detector runs over the champion's matured periods against its frozen reference, those
    included that it had not learnt from before it was live; one open alarm is enough, and a settled
    one is not raised again on the same periods. `special`: the names of the special periods.
    """
    if not state.champion or _open(state, (QUALITY,)):
        return None
    budget = budget_of(state, level)
    series = _measured(state, QUALITY)
    losses = {p: -level.sign * m.value for p, m in series.items()}
    found = _below_contract(state, series, level, budget, special or {}) or detected(
        model, state, QUALITY, losses, level, budget, special or {}
    )
    if found is None:
        return None
    seen = series[found.period]
    return _alarm(
        state,
        QUALITY,
        found.period,
        onset(losses, reference_losses(state, state.champion, level.sign), found.period),
        "realised quality on matured labels",
        f"{level.metric} of version {state.champion} {level.worsened} to {_figure(seen)}"
        f"{_BEFORE if seen.signal == HINDSIGHT else ''}: {found.why}",
        budget,
    )


def unlabelled_alarm(
    model: str,
    state: State,
    level: QualityLevel,
    special: Names | None = None,
    partly: Collection[str] = (),
    filling: Collection[str] = (),
) -> AlarmRaised | None:
    """Return a new alarm of a signal that needs no label, or None: the strongest signal speaks.

    Estimated loss counts in the grades of trust A and B only. `partly`: periods that the
    champion has answered online in part only; part of a week is spread otherwise than a week.
    `filling`: those whose rows still come in.
    """
    if not state.champion:
        return None
    budget = budget_of(state, level)
    for signal in UNLABELLED:
        louder = (QUALITY, ESTIMATE) if signal == ESTIMATE else (QUALITY, *UNLABELLED)
        if signal not in budget.signals or _open(state, louder):
            continue
        series = _measured(state, signal)
        waits = partly if signal in ASKED else filling
        series = {p: m for p, m in series.items() if p not in waits}
        losses = _losses(signal, series, level)
        found = detected(model, state, signal, losses, level, budget, special or {})
        if found is not None:
            periods = onset(losses, reference_for(state, signal, level), found.period)
            message = f"{_what(signal, state, series[found.period], level)}: {found.why}"
            noticed = _NOTICED[signal]
            return _alarm(state, signal, found.period, periods, noticed, message, budget)
    return None


def is_back_to_normal(state: State, alarm: Alarm, special: Names | None = None) -> bool:
    """Say whether the latest ordinary periods are as the reference again; never for quality."""
    signal, version = alarm.raised.signal, state.champion
    usual = reference_of(state, version).get(signal, ())
    if signal not in DRIFT or not usual or f"/{version}/" not in alarm.raised.alarm:
        return False
    seen = state.measured.get(f"{signal}@{version}", {})
    later = [p for p in sorted(seen) if p > alarm.raised.period and not (special or {}).get(p)]
    return len(later) >= CALM and all(seen[p].value <= max(usual) for p in later[-CALM:])


def _open(state: State, signals: tuple[str, ...]) -> bool:
    return any(a.raised.signal in signals for a in state.open_alarms.values())


def _measured(state: State, signal: str) -> Mapping[str, Measured]:
    """Return the champion's periods after the last settled alarm, and after what settled it."""
    mine = [a for a in state.alarms.values() if a.raised.signal == signal]
    after = max((a.raised.period for a in mine), default="")
    # What was measured against an older reference, or before the matter was over, says no more.
    until = 0 if signal == QUALITY else max((a.cleared_seq for a in mine), default=0)
    version = state.versions[state.champion]
    if signal in DRIFT:
        until = max(until, version.asked_seq if signal in ASKED else version.usual_seq)
    name = f"{signal}@{state.champion}"
    told = signal == QUALITY
    seen = realised_of(state, state.champion) if told else state.measured.get(name, {})
    return {
        p: seen[p]
        for p in sorted(seen)
        if p > after
        and math.isfinite(seen[p].value)
        and state.measured_seq.get(f"{name}/{p}", 0) >= until
        and (signal in DRIFT or state.scored_seq.get(p, 0) >= version.moved_seq)
        and _enough_rows(state, signal, seen[p])
    }


def _enough_rows(state: State, signal: str, seen: Measured) -> bool:
    usual = reference_of(state, state.champion).get(f"{signal}/rows", (0.0,))
    return seen.rows >= FEWEST_ROWS * usual[0]


def _losses(
    signal: str, series: Mapping[str, Measured], level: QualityLevel
) -> Mapping[str, float]:
    if signal != ESTIMATE:
        return {p: m.value for p, m in series.items()}
    trusted = {p: m for p, m in series.items() if trust_of(m).grade in ("A", "B")}
    return {p: -level.sign * m.value for p, m in trusted.items()}


def _below_contract(
    state: State,
    series: Mapping[str, Measured],
    level: QualityLevel,
    budget: Budget,
    special: Names,
) -> Found | None:
    """Return the first period whose widened interval lies beyond what the contract demands."""
    if level.at_least is None:
        return None
    for period, seen in series.items():
        if seen.interval is None or (
            special.get(period)
            and not far_from_its_like(state, QUALITY, period, special, level.sign)
        ):
            continue
        point = level.sign * seen.value
        best = max(level.sign * seen.interval.low, level.sign * seen.interval.high)
        if point + (best - point) * budget.stretch < level.at_least:
            demanded = level.sign * level.at_least
            why = f"even the best end of the interval is beyond the contract's {demanded:g}"
            return Found(period=period, why=why)
    return None


_BEFORE = ", asked in hindsight, for it was not live yet"
_NOTICED = {
    ESTIMATE: "estimated quality, before any label",
    SCORE_PSI: "spread of the scores, before any label",
    INPUT_PSI: "inputs weighted by importance, before any label",
    ONLINE_SCORE_PSI: "spread of the scores given online, before any label",
    ONLINE_INPUT_PSI: "what is asked online, weighted by importance, before any label",
}


def _what(signal: str, state: State, seen: Measured, level: QualityLevel) -> str:
    version = state.champion
    if signal == ESTIMATE:
        known = f"grade {trust_of(seen).grade}, {record_of(seen)}"
        return f"{level.metric} of version {version} is estimated at {_figure(seen)} ({known})"
    moved = "scores" if signal in (SCORE_PSI, ONLINE_SCORE_PSI) else "inputs"
    moved = f"online {moved}" if signal in ASKED else moved
    text = f"the {moved} of version {version} moved by a PSI of {seen.value:.3f} in {seen.period}"
    most = max(seen.detail.items(), key=lambda item: item[1], default=("", 0.0))
    return f"{text}, most of all {most[0]} ({most[1]:.2f})" if most[0] else text


def _alarm(
    state: State,
    signal: str,
    period: str,
    periods: tuple[str, ...],
    noticed: str,
    message: str,
    budget: Budget,
) -> AlarmRaised:
    name = f"{signal}/{state.champion}/{period}"
    return AlarmRaised(
        key=f"alarm/{name}",
        alarm=name,
        signal=signal,
        failure="model_failure",
        severity="critical" if signal == QUALITY else "warning",
        period=period,
        periods=periods,
        noticed_by=noticed,
        message=message,
        budget=budget.words,
    )


def _figure(seen: Measured) -> str:
    bounds: Interval | None = seen.interval
    span = f" ({bounds.low:.3f} to {bounds.high:.3f})" if bounds else ""
    return f"{seen.value:.3f}{span} in {seen.period}"
