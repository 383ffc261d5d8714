"""An alarm about answers that were given online, held against what the contract demands.

Who asks online is not who is scored in a batch, and how many differs from week to week: only an
interval that lies beyond the demand at its best end counts, and no detector that is tuned to weeks
of the batch.
"""

from __future__ import annotations

from tamid.core.alarms import reference_losses
from tamid.core.events import AlarmRaised, Measured
from tamid.core.paging import ONLINE, QUALITY, QualityLevel, budget_of
from tamid.core.state import State
from tamid.core.stats.edetector import MIN_REFERENCE


def online_alarm(state: State, level: QualityLevel) -> AlarmRaised | None:
    """Return a new alarm about the champion's realised quality online, or None.

    It is an alarm of quality like any other: one open is enough, and what follows is the same.
    """
    demanded = _demanded(state, level)
    told = [a for a in state.alarms.values() if a.raised.signal == QUALITY]
    if demanded is None or any(not a.cleared for a in told):
        return None
    after = max((a.raised.period for a in told), default="")
    budget = budget_of(state, level)
    series = state.measured.get(f"{ONLINE}@{state.champion}", {})
    bad: list[str] = []
    for period in sorted(p for p in series if p > after):
        if not _beyond(series[period], level.sign, budget.stretch, demanded):
            continue
        bad.append(period)
    if not bad:
        return None
    first = series[bad[0]]
    bounds = first.interval
    span = f" ({bounds.low:.3f} to {bounds.high:.3f})" if bounds else ""
    name = f"{QUALITY}/{state.champion}/{bad[0]}"
    return AlarmRaised(
        key=f"alarm/{name}",
        alarm=name,
        signal=QUALITY,
        failure="model_failure",
        severity="critical",
        period=bad[0],
        periods=tuple(bad),
        noticed_by="realised quality of answers given online, on labels of them",
        message=f"{level.metric} of version {state.champion} {level.worsened} to "
        f"{first.value:.3f}{span} in {bad[0]} online: even the best end of the interval is beyond "
        f"{level.sign * demanded:g}",
        budget=budget.words,
    )


def _demanded(state: State, level: QualityLevel) -> float | None:
    """Return the least quality, larger is better: the contract's, else the worst usual one."""
    if not state.champion:
        return None
    if level.at_least is not None:
        return level.at_least
    usual = reference_losses(state, state.champion, level.sign)
    return -max(usual) if len(usual) >= MIN_REFERENCE else None


def _beyond(seen: Measured, sign: float, stretch: float, demanded: float) -> bool:
    if seen.interval is None:
        return False
    point = sign * seen.value
    best = max(sign * seen.interval.low, sign * seen.interval.high)
    return point + (best - point) * stretch < demanded
