"""What lifts a doubt about data: of a refused batch what came instead, of the rest a person's word.

A refused batch is repaired by its own name, batches with the rows it held, or another contract;
what is refused for one cause is one matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from tamid.core import events as ev
from tamid.core.state import SUSPECTED, Refusal, State

# Share of the noted rows that a repair may leave out: rows that were rubbish come no more.
SPARED = 0.1
# What differs between batches that are refused for one cause: numbers, and their own names.
_NUMBER = re.compile(r"\d[\d.,:-]*")
# Stands for the fingerprint of a batch that is to be read again; no content has it.
_AGAIN = "refused under another contract"


def repaired(refused: Mapping[str, Refusal], came: ev.DataAccepted) -> dict[str, Refusal]:
    """Return what is still refused of all that was, after a batch was accepted.

    Repaired is a batch whose name comes again, and one of which all noted rows but a tenth have
    come since in batches of other names. Of rows that could not even be checked, or that had no
    keys, nobody knows whether another batch brings them. Refusals recorded before rows were noted
    are repaired, as they were then, by any batch that holds all their periods.
    """
    told = {name: _told(r, came) for name, r in refused.items()}
    return {name: r for name, r in told.items() if not _is_repaired(r, came)}


def relabelled(refused: Mapping[str, Refusal], source: str, batch: str) -> dict[str, Refusal]:
    """Return what is still refused after a batch of labels or acts came again."""
    return {name: refusal for name, refusal in refused.items() if name != f"{source}/{batch}"}


def found_sound(state: State, case: ev.CaseOpened) -> State:
    """Return the state after a person closed a case: what it doubted is as it should be.

    Rows that were suspected may be learnt from; labels that could not be right are right, and the
    alarm that was put down to them is to be diagnosed without that doubt.
    """
    if case.about.startswith(SUSPECTED):
        return replace(state, taken_as_sound=state.taken_as_sound | frozenset(state.suspected))
    alarm = state.alarms.get(case.about.removeprefix("alarm/"))
    if case.kind != "label_bug" or alarm is None:
        return state
    return replace(state, labels_right=state.labels_right | frozenset(alarm.raised.periods))


def lacking(refused: Mapping[str, Refusal], source: str) -> frozenset[str]:
    """Return the noted rows of a source's refused batches that have not come since."""
    own = (r for r in refused.values() if r.event.source == source)
    return frozenset(mark for r in own for mark in _noted(r) - r.brought)


def known(state: State, source: str) -> dict[str, str]:
    """Return the fingerprints of a source's batches that need not be read again, by their names.

    What another contract than the one in force refused is judged anew: perhaps the contract was
    wrong, and not the data.
    """
    again = {
        r.event.batch
        for r in state.refused.values()
        if r.event.source == source and r.contract != state.contract
    }
    seen = state.batches.get(source, {})
    return {name: _AGAIN if name in again else mark for name, mark in seen.items()}


def matter(event: ev.DataRefused) -> str:
    """Return source and cause of a refusal: the rule broken most often, else the first reason.

    >>> from tamid.core.values import Role
    >>> told = ("week-07.csv has 3 columns", "it should have 4")
    >>> matter(ev.DataRefused(source="labels", batch="week-07.csv", fingerprint="f",
    ...     owner=Role.MLOPS_ENGINEER, reasons=told))
    'labels: * has # columns'
    """
    if event.broken:
        return f"{event.source}: {max(sorted(event.broken), key=lambda rule: event.broken[rule])}"
    first = event.reasons[0] if event.reasons else ""
    return f"{event.source}: {_NUMBER.sub('#', first.replace(event.batch, '*'))}"


def concerned(about: str, event: ev.DataRefused) -> bool:
    """Say whether a case, by what it is about, is about this refusal.

    Older ledgers name the one batch, newer ones source and cause.
    """
    kind, _, rest = about.partition("/")
    return kind == "refused" and rest in (f"{event.source}/{event.batch}", matter(event))


def _noted(refusal: Refusal) -> frozenset[str]:
    return frozenset(refusal.event.noted) - {ev.NO_KEYS}


def _told(refusal: Refusal, came: ev.DataAccepted) -> Refusal:
    own = refusal.event.source == came.source
    new = _noted(refusal) & frozenset(came.brought if own else ())
    return replace(refusal, brought=refusal.brought | new) if new else refusal


def _is_repaired(refusal: Refusal, came: ev.DataAccepted) -> bool:
    event = refusal.event
    if event.source != came.source:
        return False
    if event.batch == came.batch:
        return True
    if not event.noted:
        checked = event.rows > 0 and bool(event.periods)
        return checked and set(event.periods) <= set(came.periods)
    noted = _noted(refusal)
    return bool(noted) and len(noted - refusal.brought) <= SPARED * len(noted)
