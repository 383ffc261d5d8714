"""From measurements to alarms, all of them together within the stated budget of false ones.

Realised loss pages when it falls below the contract or out of its reference; estimated loss, scores
and importance-weighted inputs page before any label. One matter pages once: what is open about the
champion keeps weaker signals silent. A special week is compared with its like and no other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from tamid.core.estimates import trust_of
from tamid.core.events import AlarmRaised, Measured
from tamid.core.paging import (
    ESTIMATE,
    QUALITY,
    SILENT,
    UNLABELLED,
    Budget,
    QualityLevel,
    budget_of,
    reference_losses,
    reference_of,
    weeks_of,
)
from tamid.core.special_weeks import Names, far_from_its_like
from tamid.core.state import Alarm, State
from tamid.core.stats.edetector import MIN_REFERENCE, detector, observe
from tamid.core.usual import SCORE_PSI
from tamid.core.values import Interval

__all__ = [
    "QualityLevel",
    "is_back_to_normal",
    "quality_alarm",
    "reference_losses",
    "tie_break",
    "unlabelled_alarm",
]

# A week of which so small a share was answered by the champion is spread by chance alone.
_FEWEST_ROWS = 0.5
# So many ordinary periods in a row within the reference, and the matter is over.
CALM = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    period: str
    why: str


def quality_alarm(
    model: str, state: State, level: QualityLevel, special: Names | None = None
) -> AlarmRaised | None:
    """Return a new alarm about the champion's realised quality, or None.

    The detector runs over the champion's matured periods against its frozen reference; one open
    alarm is enough, and a settled one is not raised again on the same periods. `special`: the names
    of the special periods.
    """
    if not state.champion or _open(state, (QUALITY,)):
        return None
    budget = budget_of(state, level)
    series = _measured(state, QUALITY)
    losses = {p: -level.sign * m.value for p, m in series.items()}
    found = _below_contract(state, series, level, budget, special or {}) or _detected(
        model, state, QUALITY, losses, level, budget, special or {}
    )
    if found is None:
        return None
    seen = series[found.period]
    return _alarm(
        state,
        QUALITY,
        found.period,
        _onset(losses, reference_losses(state, state.champion, level.sign), found.period),
        "realised quality on matured labels",
        f"{level.metric} of version {state.champion} fell to {_figure(seen)}: {found.why}",
        budget,
    )


def unlabelled_alarm(
    model: str, state: State, level: QualityLevel, special: Names | None = None
) -> AlarmRaised | None:
    """Return a new alarm of a signal that needs no label, or None: the strongest signal speaks.

    Estimated loss counts in the grades of trust A and B only.
    """
    if not state.champion:
        return None
    budget = budget_of(state, level)
    for signal in UNLABELLED:
        louder = (QUALITY, ESTIMATE) if signal == ESTIMATE else (QUALITY, *UNLABELLED)
        if signal not in budget.signals or _open(state, louder):
            continue
        series = _measured(state, signal)
        losses = _losses(signal, series, level)
        found = _detected(model, state, signal, losses, level, budget, special or {})
        if found is not None:
            periods = _onset(losses, _reference(state, signal, level), found.period)
            message = f"{_what(signal, state, series[found.period], level)}: {found.why}"
            noticed = _NOTICED[signal]
            return _alarm(state, signal, found.period, periods, noticed, message, budget)
    return None


def is_back_to_normal(state: State, alarm: Alarm, special: Names | None = None) -> bool:
    """Say whether the latest ordinary periods are as the reference again; never for quality."""
    signal, version = alarm.raised.signal, state.champion
    usual = reference_of(state, version).get(signal, ())
    if signal not in SILENT or not usual or f"/{version}/" not in alarm.raised.alarm:
        return False
    seen = state.measured.get(f"{signal}@{version}", {})
    later = [p for p in sorted(seen) if p > alarm.raised.period and not (special or {}).get(p)]
    return len(later) >= CALM and all(seen[p].value <= max(usual) for p in later[-CALM:])


def tie_break(model: str, period: str, signal: str) -> float:
    """Return a number in (0, 1) that depends on names alone, so that replay alarms identically.

    >>> 0 < tie_break("churn", "2026-01-04", "quality") < 1
    True
    """
    digest = hashlib.sha256(f"{model}|{period}|{signal}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") + 0.5) / 2**64


def _open(state: State, signals: tuple[str, ...]) -> bool:
    return any(a.raised.signal in signals for a in state.open_alarms.values())


def _measured(state: State, signal: str) -> Mapping[str, Measured]:
    """Return the champion's periods after the last settled alarm, and after what settled it."""
    mine = [a for a in state.alarms.values() if a.raised.signal == signal]
    after = max((a.raised.period for a in mine), default="")
    # What was measured against an older reference, or before the matter was over, says no more.
    until = 0 if signal == QUALITY else max((a.cleared_seq for a in mine), default=0)
    version = state.versions[state.champion]
    until = max(until, version.usual_seq if signal in SILENT else 0)
    name = f"{signal}@{state.champion}"
    seen = state.measured.get(name, {})
    return {
        p: seen[p]
        for p in sorted(seen)
        if p > after
        and math.isfinite(seen[p].value)
        and state.measured_seq.get(f"{name}/{p}", 0) >= until
        and (signal in SILENT or state.scored_seq.get(p, 0) >= version.moved_seq)
        and _enough_rows(state, signal, seen[p])
    }


def _enough_rows(state: State, signal: str, seen: Measured) -> bool:
    usual = reference_of(state, state.champion).get(f"{signal}/rows", (0.0,))
    return seen.rows >= _FEWEST_ROWS * usual[0]


def _losses(
    signal: str, series: Mapping[str, Measured], level: QualityLevel
) -> Mapping[str, float]:
    if signal != ESTIMATE:
        return {p: m.value for p, m in series.items()}
    trusted = {p: m for p, m in series.items() if trust_of(m).grade in ("A", "B")}
    return {p: -level.sign * m.value for p, m in trusted.items()}


def _reference(state: State, signal: str, level: QualityLevel) -> tuple[float, ...]:
    if signal in (QUALITY, ESTIMATE):
        return reference_losses(state, state.champion, level.sign)
    return reference_of(state, state.champion).get(signal, ())


def _below_contract(
    state: State,
    series: Mapping[str, Measured],
    level: QualityLevel,
    budget: Budget,
    special: Names,
) -> _Found | None:
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
            return _Found(period=period, why=why)
    return None


def _detected(
    model: str,
    state: State,
    signal: str,
    losses: Mapping[str, float],
    level: QualityLevel,
    budget: Budget,
    special: Names,
) -> _Found | None:
    """Run the detector over the ordinary periods; a special one is held against its like."""
    reference = _reference(state, signal, level)
    if len(reference) < MIN_REFERENCE:
        return None
    sign = -1.0 if signal in SILENT else level.sign
    weeks = weeks_of(reference_of(state, state.champion), signal)
    running = detector(reference, budget.threshold, weeks)
    for period, loss in losses.items():
        if special.get(period):
            if far_from_its_like(state, signal, period, special, sign):
                names = ", ".join(sorted(special[period]))
                return _Found(period=period, why=f"far from all that {names} ever was")
            continue
        running, check = observe(running, loss, tie_break(model, period, signal))
        if check.alarm:
            return _Found(period=period, why=_usually(signal, reference, sign))
    return None


def _usually(signal: str, reference: tuple[float, ...], sign: float) -> str:
    if signal in SILENT:
        return f"reference weeks reach {max(reference):.3f} at most"
    return f"the reference is {-sign * sum(reference) / len(reference):.3f} on average"


def _onset(
    losses: Mapping[str, float], reference: tuple[float, ...], period: str
) -> tuple[str, ...]:
    """Return the unbroken run of periods up to the alarm that belong to its fall.

    They are worse than any reference, and nearer to what the alarm saw than to what is usual: a
    sound period that was merely unlucky would teach and judge the old world as the new one.
    """
    bound = math.inf
    if reference:
        bound = max(*reference, (sum(reference) / len(reference) + losses[period]) / 2)
    run: list[str] = []
    for name in reversed([p for p in losses if p <= period]):
        if name != period and losses[name] <= bound:
            break
        run.append(name)
    return tuple(sorted(run))


_NOTICED = {
    ESTIMATE: "estimated quality, before any label",
    SILENT[0]: "spread of the scores, before any label",
    SILENT[1]: "inputs weighted by importance, before any label",
}


def _what(signal: str, state: State, seen: Measured, level: QualityLevel) -> str:
    version = state.champion
    if signal == ESTIMATE:
        return f"{level.metric} of version {version} is estimated at {_figure(seen)}"
    moved = "scores" if signal == SCORE_PSI else "inputs"
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
