"""What the ledger says should answer: champion, the one before it, the first rung, a trial."""

from __future__ import annotations

from dataclasses import dataclass

from tamid.core.state import State
from tamid.core.trial import CANARY, SHADOW
from tamid.core.values import VersionRef, instant


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTrial:
    """A version in shadow or canary; `expected`, `calls`: how its answers differed beforehand."""

    ref: VersionRef
    stage: str
    since: str
    expected: float = 0.0
    calls: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the ledger says should answer."""

    champion: VersionRef
    previous: VersionRef | None
    rung: str
    contract: str
    trial: OnTrial | None = None


def wanted_by(state: State) -> Wanted | None:
    """Return what a state asks for; None before the first release."""
    if not state.champion or not state.contract:
        return None
    older, tried = state.previous, state.versions.get(state.challenger)
    trial = None
    if tried is not None and tried.stage.startswith((SHADOW, CANARY)):
        trial = OnTrial(
            ref=tried.registered.ref,
            stage=tried.stage,
            since=instant(tried.stage_at) if tried.stage_at else "",
            expected=tried.evidence.get("shift", 0.0),
            calls=tried.evidence.get("calls", 1.0),
        )
    return Wanted(
        champion=state.versions[state.champion].registered.ref,
        previous=state.versions[older].registered.ref if older else None,
        rung=state.rung,
        contract=state.contract,
        trial=trial,
    )
