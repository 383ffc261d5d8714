"""Weeks whose rows may be broken: one case with their source's owner, until they are mended."""

from __future__ import annotations

from datetime import datetime

from tamid.core.actions import Action, CloseCase, Comment, OpenCase
from tamid.core.events import PeriodChecked
from tamid.core.policy import Policy
from tamid.core.signals import Signals
from tamid.core.state import SUSPECTED, State


def suspicions(policy: Policy, state: State, signals: Signals, now: datetime) -> list[Action]:
    """Open a case on the first suspected period; add later ones; close it when all are mended.

    Closed by a person, it says that the weeks are as they should be: they are taken as sound.
    """
    open_ = [n for n, c in state.open_cases.items() if c.opened.about.startswith(SUSPECTED)]
    if open_ and not state.suspected:
        reason = "what came instead is like the weeks before, or may be learnt from"
        return [CloseCase(key=f"close/{n}", reason=reason, case=n) for n in open_]
    if not state.suspected:
        return []
    if open_:
        return _added(state, open_[0])
    first = state.checked[state.suspected[0]]
    number = len(state.cases) + 1
    return [
        OpenCase(
            key=f"case/{number}",
            reason=told(first),
            case=number,
            role=first.owner,
            kind="bug",
            title=_title(first),
            about=f"{SUSPECTED}{first.period}",
        )
    ]


def told(check: PeriodChecked) -> str:
    """Return what was found in a period, in one sentence."""
    return f"{check.period}: {'; '.join(check.reasons)}"


def _added(state: State, number: int) -> list[Action]:
    case = state.open_cases[number]
    said = " ".join((case.opened.about, *case.comments))
    return [
        Comment(
            key=f"comment/{number}/{period}/{state.checked_seq[period]}",
            reason="the same source may be broken still",
            case=number,
            text=told(state.checked[period]),
        )
        for period in state.suspected
        if period not in said
    ]


def _title(check: PeriodChecked) -> str:
    sure = "are broken" if check.confirmed else "may be broken"
    named = ", ".join(check.columns[:3])
    return f"the rows of {check.period} {sure}: {named}"
