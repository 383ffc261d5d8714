"""What stands out without being an alarm: single inputs that moved, for whoever looks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tamid.core.paging import reference_of
from tamid.core.turnout import losses, periods_a_year
from tamid.core.usual import INPUT_PSI
from tamid.core.view.scene import Scene

# Two periods in a row above this quantile of the reference: about once in two years by chance.
_QUANTILE = 0.95
_IN_A_ROW = 2
# Columns named in a ticket.
_NAMED = 3


def tickets(scene: Scene) -> tuple[str, ...]:
    """Return a sentence for each thing that stood out lately: single inputs, lost entities.

    A ticket pages nobody, opens no incident and is no part of the budget of false alarms.
    """
    return (*_inputs(scene), *_lost(scene))


def _lost(scene: Scene) -> Iterator[str]:
    """A loss that harms little: an incident only beyond what the contract lets pass."""
    latest = max(scene.state.scored, default="")
    for loss in losses(scene.state, periods_a_year(scene.contract)):
        if loss.period == latest and loss.share <= scene.contract.data.quarantine.max_share:
            yield f"{loss.words}; no incident"


def _inputs(scene: Scene) -> tuple[str, ...]:
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
