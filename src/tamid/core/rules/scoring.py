"""Which periods to score, where to deliver, and which rung answers first."""

from __future__ import annotations

from datetime import datetime, timedelta

from tamid.core.actions import Action, Deliver, Score, SetRung
from tamid.core.policy import Policy
from tamid.core.signals import Signals
from tamid.core.state import State

# The wait between two attempts at a target that is down doubles from the first to the longest.
FIRST_WAIT = timedelta(hours=1)
LONGEST_WAIT = timedelta(days=1)

# A target that is new to the contract gets this many of the latest periods, and all from then on.
FIRST_PARCELS = 4


def score(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Score each due period once, and again when its rows came late or an outage is over."""
    if not state.champion:
        return []
    found: list[Action] = []
    for period in signals.due:
        reason = _why_score(state, period, now)
        if reason:
            before = state.scored.get(period)
            revision = before.revision + 1 if before else 1
            key = f"score/{period}/{revision}"
            found.append(Score(key=key, reason=reason, period=period, revision=revision))
    return found


def _why_score(state: State, period: str, now: datetime) -> str:
    if period not in state.scored:
        return f"period {period} is due"
    if state.periods.get(period, 0) > state.scored_seq[period]:
        return "rows arrived after the period was scored"
    outage = state.incidents.get(f"outage/{period}")
    # Once a turn: what fails again is asked again in the next one.
    if outage is not None and not outage.resolution and state.scored_at[period] < now:
        return "the champion is asked again after an outage"
    return ""


def deliver(
    policy: Policy, state: State, signals: Signals, now: datetime, *, patient: bool = True
) -> list[Action]:
    """Hand each scored period to each target that has not got it, oldest first, with growing waits.

    However long a target was down, it gets all that was meant for it. A period for which no rows
    came at all is withheld: an empty file would say that there was nobody to score. Not `patient`:
    a target that was down is asked at once.
    """
    found: list[Action] = []
    since = {sink: _began(state, sink) for sink in policy.sinks}
    for period in sorted(state.scored):
        revision = state.scored[period].revision
        for sink in policy.sinks:
            done = (period, revision, sink) in state.delivered
            if done or period < since[sink] or not state.scored[period].rows:
                continue
            attempt, last = state.delayed.get(f"{period}/{sink}", (0, now))
            if patient and attempt and now < last + _wait(attempt):
                continue
            found.append(
                Deliver(
                    key=f"deliver/{period}/{revision}/{sink}/{attempt + 1}",
                    reason=f"attempt {attempt + 1}" if attempt else "scores are ready",
                    period=period,
                    revision=revision,
                    sink=sink,
                    attempt=attempt + 1,
                )
            )
    return found


def undelivered(policy: Policy, state: State) -> tuple[str, ...]:
    """Return per target that is down how many periods it has not taken, and when it is asked."""
    found = []
    for sink in policy.sinks:
        parcels = [v for k, v in state.delayed.items() if k.rpartition("/")[2] == sink]
        if parcels:
            again = min(last + _wait(attempt) for attempt, last in parcels)
            found.append(
                f"{sink} has not taken {len(parcels)} period(s); it is asked again from "
                f"{again:%Y-%m-%d %H:%M} UTC on, and at once by `tamid score`"
            )
    return tuple(found)


def _wait(attempt: int) -> timedelta:
    doubled: timedelta = FIRST_WAIT * 2 ** (attempt - 1)
    return min(doubled, LONGEST_WAIT)


def _began(state: State, sink: str) -> str:
    """Return the first period that was ever meant for a target."""
    taken = [p for p, _, s in state.delivered if s == sink]
    waiting = [k.rpartition("/")[0] for k in state.delayed if k.rpartition("/")[2] == sink]
    if taken or waiting:
        return min(taken + waiting)
    adopted, all_ = state.adopted_at, sorted(state.scored)
    meant = [p for p in all_ if adopted is None or state.scored_at.get(p, adopted) >= adopted]
    return min(meant + all_[-FIRST_PARCELS:], default="")


def best_rung(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """On a confirmed breach, let the rung answer first that is best on the drifted periods."""
    breach = any(a.raised.signal == "quality" for a in state.open_alarms.values())
    if not signals.rungs or not breach:
        return []
    best = max(sorted(signals.rungs), key=lambda r: signals.rungs[r])
    gain = signals.rungs[best] - signals.rungs.get(state.rung, float("-inf"))
    if best == state.rung or gain <= signals.rung_error:
        return []
    reason = f"on the drifted periods {best} reaches {signals.rungs[best]:.3f}, {gain:.3f} better"
    return [SetRung(key=f"rung/{best}/{state.seq}", reason=reason, rung=best)]
