"""What a person asks the loop for: a run now, or this period's scores now.

The acts are those of the loop, under its lease and with its keys: the next tick goes on from them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from tamid.core.actions import Action, Deliver, TakeOver, Train
from tamid.core.chain import Recorded
from tamid.core.contract.model import Contract
from tamid.core.errors import Conflict, Held, ModelRetired, NotFound, UsageError, Waiting
from tamid.core.handoff import unbrought, unsupplied
from tamid.core.policy import policy_of
from tamid.core.rules.retraining import drifted, forbidden
from tamid.core.rules.scoring import deliver, score
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import Role
from tamid.ports import GivenModel, Rehearser
from tamid.stages.acts import act, carry_out
from tamid.stages.given import keep
from tamid.stages.jobs import training_job
from tamid.stages.journal import Journal, holding
from tamid.stages.loop import LEASE, conclude, perceive
from tamid.stages.rig import Rig

# Scoring, then delivery of what was scored: a third round finds nothing to do.
_ROUNDS = 4
_TRY_OUT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idea:
    """What is tried: a contract's text and the user's code by path."""

    contract: str
    code: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A run that a person asks for; an empty `window` is the contract's, case 0 none."""

    actor: str
    role: Role
    reason: str
    case: int = 0
    window: str = ""


def train(rig: Rig, holder: str, wish: Wish) -> tuple[Recorded, ...]:
    """Start a run now and see it to its end; the gates judge it in the next tick.

    Raises:
        Conflict: paused, a run or release is under way, training is blocked, or the model is held.
        NotFound: no such case; Waiting: there is not enough truth to train on yet.
    """
    with _held(rig, holder) as (journal, now, token):
        refuse_paused(journal.state)
        perceive(rig, journal, now, token)
        signals, _ = conclude(rig, journal.state, now)
        action = wanted(journal.state, signals, wish)
        before = len(journal.written)
        for event in act(rig, journal.state, action, now, token):
            journal.append(event, now, reason=wish.reason, actor=wish.actor, role=wish.role)
        return tuple(journal.written[before:])


def take_over(rig: Rig, holder: str, wish: Wish, given: GivenModel) -> tuple[Recorded, ...]:
    """Take a model that was made elsewhere through a run; the gates judge it in the next tick.

    Raises:
        Held: the contract's `handoff` asks for more than is there; no run is recorded then.
        UserCodeError: it does not fit the contract, or does not answer; nothing is recorded then.
        Conflict, NotFound, Waiting: as for :func:`train`.
    """
    with _held(rig, holder) as (journal, now, token):
        refuse_paused(journal.state)
        perceive(rig, journal, now, token)
        refuse_incomplete(rig.contract(journal.state.contract), journal.state, given)
        signals, _ = conclude(rig, journal.state, now)
        plain = wanted(journal.state, signals, wish)
        fields = {f.name: getattr(plain, f.name) for f in dataclasses.fields(plain)}
        fields |= {"trigger": "given", "degraded": ()}
        action = TakeOver(**fields, given=keep(given, rig.blobs))
        if hasattr(rig.trainer, "try_out"):
            job = training_job(rig, journal.state, action, now)
            cast("Rehearser", rig.trainer).try_out(job, _TRY_OUT)
        before = len(journal.written)
        for event in act(rig, journal.state, action, now, token):
            journal.append(event, now, reason=wish.reason, actor=wish.actor, role=wish.role)
        return tuple(journal.written[before:])


def refuse_paused(state: State) -> None:
    """Raise Conflict if a person paused the loop: no gate would judge a run before it goes on."""
    if state.paused is None:
        return
    until = f" until {state.paused.until}" if state.paused.until else ""
    raise Conflict(
        f"no run can start: the loop is paused{until}",
        why="a paused model is scored and delivered, but neither trained nor released",
        fix="Resume it: `tamid resume --as mlops_engineer --reason ...`, or try without "
        "consequence: `tamid train --experiment`.",
    )


def refuse_incomplete(contract: Contract, state: State, given: GivenModel) -> None:
    """Raise Held with all that is missing of a hand-over, if anything is."""
    labelled = bool(state.batches.get("labels"))
    owed = (
        *unbrought(contract, given.papers),
        *unsupplied(contract, state, labelled=labelled),
    )
    if owed:
        things = "1 thing is" if len(owed) == 1 else f"{len(owed)} things are"
        raise Held(
            f"the hand-over is not complete: {things} missing",
            why="\n".join(f"- {line}" for line in owed),
            fix="Bring what is missing, or agree on less under `handoff` in the contract.",
        )


def thought(rig: Rig, state: State, idea: Idea) -> State:
    """Return the state as if the idea were in force; nothing is brought into force by it."""
    contract = rig.blobs.put(idea.contract.encode())
    code = {path: rig.blobs.put(text.encode()) for path, text in sorted(idea.code.items())}
    return replace(state, contract=contract, code=code)


def rehearse(rig: Rig, holder: str, wish: Wish, idea: Idea) -> Mapping[str, object]:
    """Try an idea's code and pipeline on the rows that a run would get; fit and record nothing.

    New data is taken in as in any tick, under the contract in force.

    Raises:
        UserCodeError: naming the step that offends; others as for :func:`train`.
    """
    if not hasattr(rig.trainer, "try_out"):
        raise UsageError(
            "this place to train cannot be tried out", fix="Run without --dry-run instead."
        )
    with _held(rig, holder) as (journal, now, token):
        perceive(rig, journal, now, token)
        state = thought(rig, journal.state, idea)
        signals, _ = conclude(rig, state, now)
        job = training_job(rig, state, wanted(state, signals, wish), now)
    allowed = min(_TRY_OUT, rig.contract(state.contract).training.timeout)
    found = cast("Rehearser", rig.trainer).try_out(job, allowed)
    return {"windows": {k: len(v) for k, v in job.windows.items()}, **found}


def taken_in(rig: Rig, holder: str) -> State:
    """Take in what arrived, as any tick would, and return the state after it.

    Raises:
        Conflict: another controller holds the model, or it has no contract in force.
    """
    with _held(rig, holder) as (journal, now, token):
        perceive(rig, journal, now, token)
        return journal.state


def wanted(state: State, signals: Signals, wish: Wish) -> Train:
    """Return the run that a wish stands for. Raises as :func:`train`."""
    if wish.case and wish.case not in state.open_cases:
        closed = state.cases.get(wish.case)
        why = f"it is closed: {closed.resolution}" if closed else "there is none of this number"
        raise NotFound(
            f"case {wish.case} is not open", why=why, fix="List them: `tamid cases --all`."
        )
    if blocked := _blocked(state):
        raise Conflict(
            f"no run can start: {blocked}",
            why="the loop has one matter in hand at once",
            fix="Wait for its end (`tamid tick` says what for), or try without consequence: `tamid "
            "train --experiment`.",
        )
    if why := forbidden(state):
        raise Conflict(
            f"training is blocked: {why}",
            why="a model trained on broken data would be wrong in ways that no gate sees",
            fix="Repair the data first: `tamid cases`.",
        )
    if not signals.trainable:
        raise Waiting(
            f"there is nothing to train on yet: {signals.missing or 'no period is matured'}",
            why="labels must be in before they can be learnt from",
        )
    name = f"run-{len(state.runs) + 1:04d}"
    return Train(
        key=f"train/{name}/1",
        reason=wish.reason,
        run=name,
        trigger="case" if wish.case else "person",
        case=wish.case,
        degraded=drifted(state, signals.matured),
        periods=signals.trainable,
        window=wish.window,
    )


def score_now(rig: Rig, holder: str) -> tuple[Action, ...]:
    """Take in what arrived, then score and deliver what is due; return what was done.

    A target that was down is asked at once, whatever its wait.

    Raises:
        Conflict: the model is held by another controller; Waiting: no version is live yet.
    """
    with _held(rig, holder) as (journal, now, token):
        if not journal.state.champion:
            raise Waiting("no version is live yet", why="only a released version may score")
        perceive(rig, journal, now, token)
        policy = policy_of(rig.contract(journal.state.contract))
        done: list[Action] = []
        asked: set[tuple[str, str]] = set()
        for _ in range(_ROUNDS):
            signals, _ = conclude(rig, journal.state, now)
            state = journal.state
            actions = score(policy, state, signals, now)
            if not actions:
                parcels = deliver(policy, state, signals, now, patient=False)
                actions = [a for a in parcels if _parcel(a) not in asked]
                asked |= {_parcel(a) for a in actions}
            for action in actions:
                carry_out(rig, journal, action, now, token)
                done.append(action)
        return tuple(done)


def _parcel(action: Action) -> tuple[str, str]:
    return (action.period, action.sink) if isinstance(action, Deliver) else ("", "")


def _blocked(state: State) -> str:
    if state.run_in_flight is not None:
        return f"{state.run_in_flight.started.run} is under way"
    if state.challenger:
        return f"version {state.challenger} is on its way into production"
    return ""


@contextmanager
def _held(rig: Rig, holder: str) -> Iterator[tuple[Journal, datetime, int]]:
    """Hold the model's lease around an act."""
    now = rig.clock.now()
    with holding(rig.leases, rig.model, holder, now, LEASE) as lease:
        journal = Journal(rig.ledger, rig.model, token=lease.token)
        if not journal.state.contract:
            raise Conflict(
                f"model {rig.model!r} has no contract yet",
                why="nobody adopted one",
                fix="Run `tamid contract adopt`.",
            )
        if out := journal.state.retired:
            raise ModelRetired(f"model {rig.model!r} was retired {out.words}")
        yield journal, now, lease.token
