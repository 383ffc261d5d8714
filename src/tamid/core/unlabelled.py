"""What an alarm before any label may mean, and why it starts no training by itself.

Moved scores or inputs prove no loss of quality: measured on nine drifting data sets, weeks with
moved inputs were as often bad (0.41) as all weeks were. The page brings a person early; training
waits until realised quality says what changed: without labels of the new world there is nothing to
learn it from.
"""

from __future__ import annotations

from dataclasses import replace

from tamid.core.events import Cause, Diagnosed, Measured
from tamid.core.excluded import BLIND, before_labels
from tamid.core.paging import ASKED
from tamid.core.state import Alarm, State
from tamid.core.suspicion import diagnosed, suspicion
from tamid.core.usual import ONLINE_PREFIX
from tamid.core.values import Role

# One column that stands out this many times as far as the next one points at its source.
_ALONE = 3.0
# Spreads of the reference below which a column does not stand out at all.
_STANDS_OUT = 3.0
# Columns named in a reason.
_NAMED = 3

_WAITS = "training waits for labels: they tell whether quality moved, and what there is to learn"


def cause_before_labels(alarm: Alarm, state: State) -> Diagnosed:
    """Return the diagnosis of an alarm of a signal that needs no label.

    A refused batch of its periods is a confirmed bug; a single column that stands out alone is a
    suspected one, for the engineer of the data; anything else is a shift for the ML developer.
    """
    return _against(_cause(alarm, state), state)


def _cause(alarm: Alarm, state: State) -> Diagnosed:
    raised = alarm.raised
    version = int(raised.alarm.split("/")[1])
    for name, refusal in state.refused.items():
        if set(refusal.event.periods) & set(raised.periods):
            reason = f"{name} broke the contract: {'; '.join(refusal.event.reasons[:2])}"
            return _useless(alarm, "contract_breach", True, refusal.event.owner, reason)
    if (found := suspicion(state, raised.periods)) is not None:
        kind, confirmed, owner, told = found
        return diagnosed(alarm, kind, confirmed, owner, told, "blocked")
    where = ONLINE_PREFIX if raised.signal in ASKED else ""
    columns = _columns(state.measure(f"{where}column_drift", version, raised.period))
    if not columns:
        reason = "no single column stands out"
        return _useless(alarm, "unknown", False, Role.ML_DEVELOPER, reason)
    named = ", ".join(f"{name} ({z:.1f} spreads)" for name, z in columns[:_NAMED])
    if len(columns) == 1 or columns[0][1] > _ALONE * columns[1][1]:
        reason = f"{columns[0][0]} stands out alone, by {columns[0][1]:.1f} spreads: see its source"
        return _useless(alarm, "unknown", False, Role.MLOPS_ENGINEER, reason)
    return _useless(alarm, "covariate_shift", False, Role.ML_DEVELOPER, f"most moved: {named}")


def _columns(seen: Measured | None) -> list[tuple[str, float]]:
    """Return the columns that stand out, the furthest first."""
    found = [(n, z) for n, z in (seen.detail if seen else {}).items() if z > _STANDS_OUT]
    return sorted(found, key=lambda item: (-item[1], item[0]))


def _useless(alarm: Alarm, cause: Cause, confirmed: bool, route: Role, reason: str) -> Diagnosed:
    return diagnosed(alarm, cause, confirmed, route, [reason, _WAITS], "useless")


def _against(found: Diagnosed, state: State) -> Diagnosed:
    if found.cause == "contract_breach":
        return found
    contract, rows = before_labels(state, found.periods)
    suspected = found.retraining == "blocked"
    return replace(found, excluded=(contract,) if suspected else (contract, rows, BLIND))
