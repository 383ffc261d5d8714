"""Experiments: what stands in the folder is trained, judged and recorded, and never released.

An experiment holds no lease while it works and brings no contract into force: the loop goes on
beside it, and no rule looks at it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from tamid.core import events as ev
from tamid.core.actions import Judge, Train
from tamid.core.chain import Draft
from tamid.core.errors import Conflict, NotFound, Waiting
from tamid.core.fold import fold
from tamid.core.rules.retraining import drifted
from tamid.core.state import State
from tamid.stages.byhand import Idea, Wish, taken_in, thought
from tamid.stages.jobs import started_of
from tamid.stages.monitoring import observe
from tamid.stages.rig import Rig
from tamid.stages.runs import judge_run, made

# How often a word is said again if somebody else wrote at the same moment.
_TRIES = 20


def experiment(rig: Rig, holder: str, wish: Wish, idea: Idea) -> str:
    """Try an idea on the newest data and return the name of its run; the gates' word is recorded.

    New data is taken in first, unless a controller holds the model: then what it took in counts.

    Raises:
        Waiting: there is not enough truth to train on yet; NotFound: no such case.
    """
    with suppress(Conflict):
        taken_in(rig, holder)
    now = rig.clock.now()
    state = fold(rig.ledger.read(rig.model))
    if wish.case and wish.case not in state.cases:
        raise NotFound(f"there is no case {wish.case}", fix="List them: `tamid cases --all`.")
    started = _planned(rig, state, wish, idea, now)
    before, name = _begun(rig, wish, started, now)
    for event in made(rig, before, replace(started, run=name), now, 0):
        _say(rig, wish, event, now)
    after = fold(rig.ledger.read(rig.model))
    if after.experiments[name].finished is not None:
        action = Judge(key=f"judge/{name}", reason=wish.reason, run=name)
        for event in judge_run(rig, rig.contract(started.contract), after, action, now, 0):
            _say(rig, wish, event, now)
    return name


def _planned(rig: Rig, state: State, wish: Wish, idea: Idea, now: datetime) -> ev.RunStarted:
    """Return the beginning of an experiment that has no name yet."""
    tried = thought(rig, state, idea)
    mine = rig.contract(tried.contract)
    signals = observe(rig, mine, tried, now)
    if not signals.trainable:
        raise Waiting(
            f"there is nothing to try it on yet: {signals.missing or 'no period is matured'}",
            why="labels must be in before they can be learnt from",
        )
    action = Train(
        key="",
        reason=wish.reason,
        run="",
        trigger="person",
        case=wish.case,
        degraded=drifted(state, signals.matured),
        periods=signals.trainable,
        window=wish.window,
    )
    return replace(started_of(rig, mine, tried, action, now), experiment=True)


def _begun(rig: Rig, wish: Wish, started: ev.RunStarted, now: datetime) -> tuple[State, str]:
    """Write the beginning down under the next free name; return the state before it, and the name.

    Raises:
        Conflict: others write without end.
    """
    for left in range(_TRIES, 0, -1):
        state = fold(rig.ledger.read(rig.model))
        name = f"exp-{len(state.experiments) + 1:04d}"
        try:
            _append(rig, wish, replace(started, run=name, key=f"try/{name}"), now, state.seq)
        except Conflict:
            if left == 1:
                raise
        else:
            return state, name
    raise AssertionError("every try returns or raises")


def _say(rig: Rig, wish: Wish, event: ev.Event, now: datetime) -> None:
    for left in range(_TRIES, 0, -1):
        try:
            _append(rig, wish, event, now, fold(rig.ledger.read(rig.model)).seq)
        except Conflict:
            if left == 1:
                raise
        else:
            return


def _append(rig: Rig, wish: Wish, event: ev.Event, now: datetime, seq: int) -> None:
    draft = Draft(event=event, at=now, actor=wish.actor, role=wish.role, reason=wish.reason)
    rig.ledger.append(rig.model, [draft], seq, 0)
