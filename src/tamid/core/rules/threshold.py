"""Moving the threshold before retraining: where that alone brings back what is owed."""

from __future__ import annotations

from datetime import datetime

from tamid.core.actions import Action, MoveThreshold
from tamid.core.policy import Policy
from tamid.core.signals import Signals
from tamid.core.state import Alarm, State

# What another threshold would reach on the drifted periods, as measured.
THRESHOLD = "threshold"
# Causes under which the scores may still tell apart as well as before, at another threshold. Of a
# concept drift the labels say that they do not.
_CAUSES = ("prevalence", "covariate_shift", "unknown")


def triable(state: State) -> Alarm | None:
    """Return the open alarm of the champion's quality that another threshold might settle."""
    since = state.released_at
    for alarm in state.open_alarms.values():
        known = alarm.diagnosis
        if alarm.raised.signal != "quality" or known is None or known.cause not in _CAUSES:
            continue
        if not (since is not None and alarm.at <= since):
            return alarm
    return None


def tried_in_vain(state: State, alarm: Alarm) -> bool:
    """Say whether another threshold was tried for an alarm and does not repair it."""
    seen = state.measured.get(f"{THRESHOLD}@{state.champion}", {})
    of_it = [seen[p] for p in sorted(seen) if p >= alarm.raised.period]
    return bool(of_it) and not of_it[-1].detail.get("repairs", 0.0)


def mend_threshold(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Move the champion's threshold when that alone brings back what is owed; nobody retrains."""
    alarm = triable(state)
    if alarm is None or not state.champion:
        return []
    seen = state.measured.get(f"{THRESHOLD}@{state.champion}", {})
    of_it = [seen[p] for p in sorted(seen) if p >= alarm.raised.period]
    if not of_it or not of_it[-1].detail.get("repairs", 0.0) or of_it[-1].interval is None:
        return []
    found = of_it[-1]
    told = found.detail
    reason = (
        f"{policy.metric} on the half of the drifted rows that it was not chosen on is "
        f"{found.value:.3f} (at least {of_it[-1].interval.low:.3f}) with the threshold "
        f"{told['threshold']:.3f}, {told['without']:.3f} as it was; {told['demanded']:.3f} is owed"
    )
    return [
        MoveThreshold(
            key=f"threshold/{alarm.raised.alarm}",
            reason=reason,
            alarm=alarm.raised.alarm,
            number=state.champion,
            threshold=told["threshold"],
            period=found.period,
        )
    ]
