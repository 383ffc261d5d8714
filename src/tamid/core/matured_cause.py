"""What an alarm before any label turns out to be, once the labels of its periods are in.

Moved scores say that something changed, and not what: a share of positives, what the inputs lead
to, or the inputs alone. With labels the questions of a fall are asked again, on the same periods,
and the answer takes the place of the first. Training still waits for a fall of quality.
"""

from __future__ import annotations

from dataclasses import replace

from tamid.core.causes import Known, cause_of, doubt_lifted, realised_in
from tamid.core.events import Diagnosed, Measured
from tamid.core.paging import QUALITY, UNLABELLED
from tamid.core.state import Alarm, State

# Causes of a world that changed: what was seen without labels stands where labels add nothing.
_SEEN = frozenset({"covariate_shift", "unknown"})
# What speaks against a shift speaks of the periods' columns; the alarm itself saw one.
_SHIFT = "covariate shift"
_NO_FALL = "no fall of quality is shown, so there is nothing to train for"


def can_tell(alarm: Alarm, state: State) -> bool:
    """Say whether an open alarm before any label is to be diagnosed by labels now.

    Once, when those of the period that raised it are measured; labels that were called wrong are
    looked at again when they come anew, or a person found them right.
    """
    known = alarm.diagnosis
    if alarm.raised.signal not in UNLABELLED or known is None:
        return False
    if not known.earlier:
        return alarm.raised.period in realised_in(alarm, state)[1]
    return doubt_lifted(alarm, state)


def cause_with_labels(alarm: Alarm, state: State, known: Known) -> Diagnosed:
    """Return the diagnosis that labels give to an alarm that `can_tell`, beside its first cause.

    Whether a fall is shown, the alarm of quality says; without one nothing is trained.
    """
    assert alarm.diagnosis is not None
    first = alarm.diagnosis
    fell = _fell(alarm, state)
    found = cause_of(alarm, state, known, fell=fell)
    told = found.reasons
    if found.cause == "unknown" and first.cause in _SEEN:
        against = [text for text in found.excluded if not text.startswith(_SHIFT)]
        found = replace(found, cause=first.cause, route=first.route, excluded=tuple(against))
        told = (first.reasons[0], *told)
    if not fell and found.retraining != "blocked":
        told = (*told, _quality(alarm, state), _NO_FALL)
    return replace(
        found,
        key=f"{found.key}/{alarm.diagnosed_seq}",
        reasons=told,
        earlier=first.cause,
    )


def _fell(alarm: Alarm, state: State) -> bool:
    """Say whether an alarm of quality is open about the same version."""
    version = alarm.raised.alarm.split("/")[1]
    return any(
        a.raised.signal == QUALITY and a.raised.alarm.split("/")[1] == version
        for a in state.open_alarms.values()
    )


def _quality(alarm: Alarm, state: State) -> str:
    _, seen = realised_in(alarm, state)
    facts: list[Measured] = [seen[p] for p in alarm.raised.periods if p in seen]
    named = ", ".join(f"{f.value:.3f} in {f.period}" for f in facts[-3:])
    return f"the labels gave {named}"
