"""From events to state, about versions: registered, on trial, champion, withdrawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tamid.core import events as ev
from tamid.core.chain import Recorded
from tamid.core.state import Reign, Run, State, Version


def put(mapping: Mapping[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    """Return a mapping with one more or another value; the given one stays as it is."""
    return {**mapping, key: value}


def how_ended(state: State, run: Run) -> str:
    """Return how a run ended, in words: by its gates, or in a release that was stopped."""
    if stopped := stopped_of(state, run):
        return f"{run.started.run} passed its gates, and {stopped}"
    return f"{run.started.run} ended {run.judged.outcome if run.judged else 'without a candidate'}"


def stopped_of(state: State, run: Run) -> str:
    """Return why the version that came of a run was withdrawn, "" if none was."""
    for number, version in state.versions.items():
        if version.registered.run == run.started.run and version.stopped:
            return f"version {number} was stopped: {version.stopped}"
    return ""


def _registered(s: State, e: ev.VersionRegistered, r: Recorded) -> State:
    version = Version(registered=e, at=r.at, usual=e.usual)
    return replace(s, versions=put(s.versions, e.ref.number, version))


def _stage(s: State, e: ev.StageEntered, r: Recorded) -> State:
    version = replace(
        s.versions[e.number], stage=e.stage, stage_at=r.at, evidence=e.evidence, online=e.online,
        trial=None,
    )  # fmt: skip
    return replace(s, versions=put(s.versions, e.number, version))


def _server(s: State, e: ev.ServerReported, r: Recorded) -> State:
    return replace(s, servers=put(s.servers, e.process, e), served_at=r.at)


def _trial(s: State, e: ev.TrialMeasured, r: Recorded) -> State:
    version = replace(s.versions[e.number], trial=e)
    return replace(s, versions=put(s.versions, e.number, version))


def _crown(s: State, number: int, r: Recorded, reason: str, evidence: str) -> State:
    reign = Reign(
        number=number, since=r.at, seq=r.seq, actor=r.actor, role=r.role.value,
        reason=reason, evidence=evidence,
    )  # fmt: skip
    version = replace(s.versions[number], stage="live", stage_at=r.at)
    return replace(s, reigns=(*s.reigns, reign), versions=put(s.versions, number, version))


def _promoted(s: State, e: ev.Promoted, r: Recorded) -> State:
    return _crown(s, e.number, r, e.reason, e.evidence)


def _rolled_back(s: State, e: ev.RolledBack, r: Recorded) -> State:
    gone = replace(s.versions[e.number], stopped=e.reason)
    back = _crown(s, e.back_to, r, e.reason, "")
    return replace(back, versions=put(back.versions, e.number, gone))


def _stopped(s: State, e: ev.ReleaseStopped, r: Recorded) -> State:
    version = replace(s.versions[e.number], stopped=e.reason)
    return replace(s, versions=put(s.versions, e.number, version))


def _approved(s: State, e: ev.ApprovalGiven, r: Recorded) -> State:
    version = s.versions[e.number]
    version = replace(version, approvals=version.approvals | {r.role.value})
    return replace(s, versions=put(s.versions, e.number, version))


def _not_approved(s: State, e: ev.ApprovalRefused, r: Recorded) -> State:
    version = replace(s.versions[e.number], stopped=f"refused by {r.role.value}: {r.reason}")
    return replace(s, versions=put(s.versions, e.number, version))


RELEASES: Mapping[type[ev.Event], Any] = {
    ev.VersionRegistered: _registered,
    ev.StageEntered: _stage,
    ev.ServerReported: _server,
    ev.TrialMeasured: _trial,
    ev.Promoted: _promoted,
    ev.RolledBack: _rolled_back,
    ev.ReleaseStopped: _stopped,
    ev.ApprovalGiven: _approved,
    ev.ApprovalRefused: _not_approved,
}
