"""Cases that nobody settled in time: who else signed the contract is asked, once."""

from __future__ import annotations

from datetime import datetime

from tamid.core.actions import Action, Comment
from tamid.core.policy import Policy
from tamid.core.rules.cases import answer_due
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.core.values import Role

OTHER = {Role.ML_DEVELOPER: Role.MLOPS_ENGINEER, Role.MLOPS_ENGINEER: Role.ML_DEVELOPER}


def escalations(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Hand each open case past its clock to the other signatory of the contract as well.

    A word of any person starts the clock anew: somebody works on it. A case is escalated once:
    both are then asked, and a third is not there to ask.
    """
    found: list[Action] = []
    for number, case in state.open_cases.items():
        other, due = OTHER.get(case.opened.role), answer_due(case)
        if other is None or case.escalated is not None or now <= due:
            continue
        silent = "nobody has answered" if case.heard_at is None else "it was not settled"
        text = f"{silent} by {due:%Y-%m-%d}: the {other.value} is asked as well"
        found.append(
            Comment(
                key=f"escalate/{number}",
                reason=f"case {number} was due on {due:%Y-%m-%d}",
                case=number,
                text=text,
                escalated_to=other,
            )
        )
    return found
