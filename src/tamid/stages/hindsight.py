"""What a new champion would have been worth in periods between what it learnt and its first.

Labels of these periods come while it is live, and were counted for nobody: the version that
answered them is gone. Where versions follow one another faster than labels come, no version would
ever be held against the truth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.paging import HINDSIGHT
from tamid.core.state import State
from tamid.core.values import STATIC_PERIOD
from tamid.stages.dataset import trickling
from tamid.stages.quality import (
    ANSWERED,
    judged_and_known,
    matured,
    measured_as,
    measured_on,
    rescored,
)
from tamid.stages.rig import Rig


def look_back(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Measured]:
    """Yield the champion's quality in each matured period that it had neither learnt nor answered.

    Rows are those that were answered then, with the weights of that time. Where labels trickle in
    nothing is told: open rows stand there for what the decision of that time makes of them.
    """
    waiting = _unlooked(state)
    if not waiting or trickling(contract):
        return
    number = state.champion
    for period in matured(rig, contract, state, now):
        if period not in waiting:
            continue
        rows, known = judged_and_known(rig, contract, state, [period], now, ANSWERED)
        if rows.is_empty():
            continue
        answered = rescored(rig, contract, state, rows, number, now)
        if answered is None or answered.is_empty():
            continue
        found = measured_on(rig, contract, state, answered, number)
        told = measured_as(state, HINDSIGHT, period, number, found)
        if told is not None:
            yield replace(told, matured=known)


def _unlooked(state: State) -> frozenset[str]:
    """Return the periods to look back at: after what it learnt, before its first, and sound.

    One that was looked at is so again when labels of it come anew.
    """
    number = state.champion
    version = state.versions.get(number)
    through = version.registered.trained_through if version else ""
    if not through or through == STATIC_PERIOD:
        return frozenset()
    first = min((p for p, s in state.scored.items() if s.number == number), default="")
    between = {p for p in state.scored if p > through and (not first or p < first)}
    name = f"{HINDSIGHT}@{number}"
    seen = {p for p in between if p in state.measured.get(name, {})}
    anew = {p for p in seen if state.relabelled.get(p, 0) > state.measured_seq[f"{name}/{p}"]}
    return frozenset(between - (seen - anew) - set(state.suspected))
