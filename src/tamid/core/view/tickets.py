"""What stands out without being an alarm: single inputs that moved, for whoever looks."""

from __future__ import annotations

import numpy as np

from tamid.core.paging import reference_of
from tamid.core.usual import INPUT_PSI
from tamid.core.view.scene import Scene

# Two periods in a row above this quantile of the reference: about once in two years by chance.
_QUANTILE = 0.95
_IN_A_ROW = 2
# Columns named in a ticket.
_NAMED = 3


def tickets(scene: Scene) -> tuple[str, ...]:
    """Return one sentence if single inputs have stood out of the reference lately.

    A ticket pages nobody, opens no incident and is no part of the budget of false alarms.
    """
    state = scene.state
    usual = reference_of(state, state.champion).get(f"{INPUT_PSI}/z", ())
    seen = state.measured.get(f"column_drift@{state.champion}", {})
    latest = [seen[p] for p in sorted(seen)[-_IN_A_ROW:]]
    if not usual or len(latest) < _IN_A_ROW:
        return ()
    bound = float(np.quantile(np.asarray(usual), _QUANTILE))
    if any(m.value <= bound for m in latest):
        return ()
    last = latest[-1]
    ranked = sorted(last.detail.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
    named = ", ".join(f"{name} by {z:.1f}" for name, z in ranked if z > bound)
    since = latest[0].period
    return (f"inputs stand out since {since}, in spreads of the reference: {named}; no alarm",)
