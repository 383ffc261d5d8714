"""From measurements to alarms, with a stated budget of false ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

from tamid.core.events import AlarmRaised, Measured
from tamid.core.state import State
from tamid.core.stats.edetector import MIN_REFERENCE, detector, observe
from tamid.core.values import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityLevel:
    """What the contract demands of the realised quality, and how often we may cry wolf.

    `sign` is +1 where larger is better, -1 for errors; `at_least` is already turned by it.
    """

    metric: str
    sign: float
    at_least: float | None
    checks_per_year: float
    false_alarms_per_year: float

    @property
    def threshold(self) -> float:
        """Mean number of checks between two false alarms."""
        return max(self.checks_per_year / self.false_alarms_per_year, 2.0)


def quality_alarm(model: str, state: State, level: QualityLevel) -> AlarmRaised | None:
    """Return a new alarm about the champion's realised quality, or None.

    The detector runs over the champion's matured periods against its frozen reference; one open
    alarm is enough, and a settled one is not raised again on the same periods.
    """
    if not state.champion or any(a.raised.signal == "quality" for a in state.open_alarms.values()):
        return None
    settled = max(
        (a.raised.period for a in state.alarms.values() if a.raised.signal == "quality"),
        default="",
    )
    series = _series(state, settled)
    found = _below_contract(series, level) or _detected(model, state, series, level)
    if found is None:
        return None
    period, why, budget = found
    periods = _onset(state, series, period, level)
    seen = series[period]
    return AlarmRaised(
        key=f"alarm/quality/{state.champion}/{period}",
        alarm=f"quality/{state.champion}/{period}",
        signal="quality",
        failure="model_failure",
        severity="critical",
        period=period,
        periods=periods,
        noticed_by="realised quality on matured labels",
        message=f"{level.metric} of version {state.champion} fell to {_figure(seen)}: {why}",
        budget=budget,
    )


def reference_losses(state: State, version: int, sign: float) -> tuple[float, ...]:
    """Return a version's reference values of quality, turned so that larger is worse."""
    known = state.versions.get(version)
    values = known.registered.reference.get("quality", ()) if known else ()
    return tuple(-sign * v for v in values)


def tie_break(model: str, period: str, signal: str) -> float:
    """Return a number in (0, 1) that depends on names alone, so that replay alarms identically.

    >>> 0 < tie_break("churn", "2026-01-04", "quality") < 1
    True
    """
    digest = hashlib.sha256(f"{model}|{period}|{signal}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") + 0.5) / 2**64


def _series(state: State, after: str) -> Mapping[str, Measured]:
    seen = state.measured.get(f"quality@{state.champion}", {})
    return {p: seen[p] for p in sorted(seen) if p > after and math.isfinite(seen[p].value)}


def _below_contract(
    series: Mapping[str, Measured], level: QualityLevel
) -> tuple[str, str, str] | None:
    if level.at_least is None:
        return None
    for period, seen in series.items():
        if seen.interval is None:
            continue
        best = max(level.sign * seen.interval.low, level.sign * seen.interval.high)
        if best < level.at_least:
            demanded = level.sign * level.at_least
            why = f"even the best end of the interval is beyond the contract's {demanded:g}"
            return period, why, "interval at 95 %"
    return None


def _detected(
    model: str, state: State, series: Mapping[str, Measured], level: QualityLevel
) -> tuple[str, str, str] | None:
    reference = reference_losses(state, state.champion, level.sign)
    if len(reference) < MIN_REFERENCE:
        return None
    running = detector(reference, level.threshold)
    for period, seen in series.items():
        loss = -level.sign * seen.value
        running, check = observe(running, loss, tie_break(model, period, "quality"))
        if check.alarm:
            usual = -level.sign * sum(reference) / len(reference)
            budget = f"at most {level.false_alarms_per_year:g} false alarm a year expected"
            return period, f"the reference is {usual:.3f} on average", budget
    return None


def _onset(
    state: State, series: Mapping[str, Measured], period: str, level: QualityLevel
) -> tuple[str, ...]:
    """Return the unbroken run of periods up to the alarm that belong to its fall.

    They are worse than any reference, and nearer to what the alarm saw than to what is usual: a
    sound period that was merely unlucky would teach and judge the old world as the new one.
    """
    reference = reference_losses(state, state.champion, level.sign)
    bound = math.inf
    if reference:
        fallen = -level.sign * series[period].value
        bound = max(*reference, (sum(reference) / len(reference) + fallen) / 2)
    run: list[str] = []
    for name in reversed([p for p in series if p <= period]):
        if name != period and -level.sign * series[name].value <= bound:
            break
        run.append(name)
    return tuple(sorted(run))


def _figure(seen: Measured) -> str:
    bounds: Interval | None = seen.interval
    span = f" ({bounds.low:.3f} to {bounds.high:.3f})" if bounds else ""
    return f"{seen.value:.3f}{span} in {seen.period}"
