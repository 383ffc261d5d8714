"""How a version goes on under another reference: a new normal, another threshold, or online."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.state import Alarm, State, Version


def accepted_normal(s: State, e: ev.NormalAccepted, r: Recorded) -> State:
    """Return the state in which a person's new normal is the reference and the alarm is over."""
    version = s.versions[e.number]
    reference = {**version.registered.reference, **e.reference}
    new = _under(version, e.overlay, reference)
    if e.asked:
        new = replace(new, asked=e.asked, asked_seq=r.seq)
    else:
        new = replace(new, usual=e.usual, usual_seq=r.seq)
    said = f"accepted as the new normal by {r.role.value} {r.actor}: {r.reason}"
    return _settled(s, e.number, new, e.alarm, said, r)


def online_usual(s: State, e: ev.OnlineUsual, r: Recorded) -> State:
    """Return the state in which alarms about served traffic go by what was frozen."""
    version = s.versions[e.number]
    known = replace(version.registered, reference={**version.registered.reference, **e.reference})
    new = replace(version, registered=known, asked=e.usual, asked_on=e.on, asked_seq=r.seq)
    return replace(s, versions={**s.versions, e.number: new})


def threshold_moved(s: State, e: ev.ThresholdMoved, r: Recorded) -> State:
    """Return the state in which another threshold holds from here on and the alarm is over."""
    version = s.versions[e.number]
    held = (*version.earlier, (r.seq, version.registered.ref.overlay))
    new = replace(_under(version, e.overlay, e.reference), earlier=held)
    said = f"the threshold {e.threshold:.3f} in place of {e.before:.3f} repairs it"
    return _settled(s, e.number, new, e.alarm, said, r)


def _under(version: Version, overlay: str, reference: Mapping[str, tuple[float, ...]]) -> Version:
    known = version.registered
    ref = replace(known.ref, overlay=overlay)
    return replace(version, registered=replace(known, reference=reference, ref=ref))


def _settled(s: State, number: int, version: Version, name: str, said: str, r: Recorded) -> State:
    alarm: Alarm = s.alarms[name]
    over = replace(alarm, cleared=said, cleared_at=r.at, cleared_seq=r.seq)
    return replace(s, versions={**s.versions, number: version}, alarms={**s.alarms, name: over})
