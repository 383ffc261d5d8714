"""The decision of a tick: a pure function of policy, state, signals and the moment.

Rules run in the order of the road of a model; each returns actions with reasons. What a rule asks
for shows in the next state, so the same question is never answered twice: a tick asks again after
each round of acts until nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from tamid.core.actions import Action, Decision
from tamid.core.handoff import awaits_acceptance
from tamid.core.policy import Policy
from tamid.core.rules.cases import ALIKE, bugs, bugs_apart, failed_runs
from tamid.core.rules.escalation import escalations
from tamid.core.rules.incidents import incidents
from tamid.core.rules.release import (
    aftermath,
    answers_awaited,
    release,
    roll_back,
    stays_until,
    undecided,
    withdraw,
)
from tamid.core.rules.retraining import awaited, judge, retrain, too_dear
from tamid.core.rules.scoring import best_rung, deliver, score, undelivered
from tamid.core.rules.suspicions import suspicions
from tamid.core.rules.threshold import mend_threshold
from tamid.core.signals import RULES, Signals
from tamid.core.state import State
from tamid.core.values import instant

Rule = Callable[[Policy, State, Signals, datetime], list[Action]]

DUTIES: tuple[Rule, ...] = (aftermath, score, deliver, incidents, bugs, suspicions, escalations)
# Who answers is settled before anybody is scored; what takes its time comes after the delivery.
VOICES: tuple[Rule, ...] = (
    aftermath, roll_back, mend_threshold, best_rung, withdraw, release,
)  # fmt: skip
CHANGES: tuple[Rule, ...] = (judge, failed_runs, retrain)
# What stands for a rule where a decision of older rules is repeated: since when it holds, and what
# held before.
_BEFORE: Mapping[Rule, tuple[int, Rule]] = {bugs: (ALIKE, bugs_apart)}


def decide(
    policy: Policy, state: State, signals: Signals, now: datetime, rules: int = RULES
) -> Decision:
    """Return what to do now, with reasons. `rules`: the number of those to decide by.

    Laws: pure; no action without a reason and a key; a paused model is scored and delivered but
    neither trained nor released, a retired one is left alone; never two runs or two releases at
    once; training never follows from a system failure.
    """
    if state.retired:
        return Decision(waiting=(f"the model was retired {state.retired.words}",))
    for rule in DUTIES if state.paused else VOICES + DUTIES + CHANGES:
        since, before = _BEFORE.get(rule, (0, rule))
        asked = rule if rules >= since else before
        if actions := asked(policy, state, signals, now):
            return Decision(actions=tuple(actions), waiting=_waiting(policy, state, signals, now))
    return Decision(waiting=_waiting(policy, state, signals, now))


def _waiting(policy: Policy, state: State, signals: Signals, now: datetime) -> tuple[str, ...]:
    found = []
    if state.paused:
        found.append("a person paused the loop")
    challenger = state.versions.get(state.challenger)
    if challenger and awaits_acceptance(state, state.challenger, policy.acceptor):
        found.append(
            f"version {state.challenger} waits until the {policy.acceptor} accepts its hand-over: "
            f"`tamid approve {state.challenger}`, or reject"
        )
    elif challenger and policy.approvers - challenger.approvals:
        roles = ", ".join(sorted(policy.approvers - challenger.approvals))
        found.append(f"version {state.challenger} waits for approval by {roles}")
    if text := undecided(policy, state, signals, now):
        found.append(text)
    elif challenger and (stays := stays_until(policy, state, now)):
        found.append(
            f"version {state.challenger} stays in {challenger.stage} until {instant(stays)[:16]}"
        )
    if challenger and (missing := answers_awaited(challenger)):
        said = f"version {state.challenger} waits in {challenger.stage} for answers of the server"
        found.append(f"{said}: {missing}")
    if not state.champion and signals.missing:
        found.append(signals.missing)
    elif text := awaited(state, signals):
        found.append(text)
    if signals.cooling:
        until = signals.cooling[:16]
        found.append(f"after a rollback nothing but new code is trained until {until}")
    if text := too_dear(policy, state, signals):
        found.append(text)
    found.extend(undelivered(policy, state))
    held = (text for period, text in signals.short.items() if period not in signals.due)
    found.extend(f"{text}; the rest is awaited until the delivery is due" for text in held)
    return tuple(found)
