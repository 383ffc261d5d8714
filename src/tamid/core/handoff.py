"""What is missing when a model changes hands: held against what each side owes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tamid.core.contract.model import Contract
from tamid.core.state import Run, State

# Where papers lie that come with a model from elsewhere.
PAPERS = "handoff"
METRICS = "metrics.json"
# What the maker of a model from elsewhere must bring: here nobody knows how it was made.
_BROUGHT: Mapping[str, str] = {
    "lock": "the versions of what it was made with (--lock FILE)",
    "card": "what its maker says of it (--card FILE)",
    "code": "the code that made it (--code FILE)",
}
_HELD: Mapping[str, tuple[str, str]] = {
    "model": ("model/", "a model in a safe format"),
    "schema": ("schema.json", "its schema"),
    "lock": ("environment.json", "the versions of what it was made with"),
    "golden": ("golden.json", "golden rows with their scores"),
    "card": ("card.md", "its model card"),
    "metrics": (METRICS, "metrics with their intervals"),
    "profile": ("profile.json", "the profile of its data"),
}
_SUPPLIES: Mapping[str, str] = {
    "data": "rows that keep the contract: none were accepted, or the last ones were refused",
    "labels": "labels: none have come",
    "targets": "a target of deliveries: `delivery.to` names none",
    "fallback": "a rung that needs no model: `service.fallback` has neither rule nor default",
}


def unbrought(contract: Contract, papers: Collection[str]) -> tuple[str, ...]:
    """Return what its maker owes of a model from elsewhere and did not bring, in words."""
    if contract.handoff is None:
        return ()
    owed = [item for item in contract.handoff.ml_developer if item in _BROUGHT]
    return tuple(
        f"the ml_developer owes {_BROUGHT[item]}"
        for item in owed
        if not any(path.startswith(f"{PAPERS}/{item}/") for path in papers)
    )


def unheld(contract: Contract, files: Collection[str], *, given: bool) -> tuple[str, ...]:
    """Return what the ml_developer owes and the bundle of these files lacks, in words."""
    if contract.handoff is None:
        return ()
    missing = [
        f"the ml_developer owes {_HELD[item][1]} (no {_HELD[item][0]})"
        for item in contract.handoff.ml_developer
        if item in _HELD and not any(path.startswith(_HELD[item][0]) for path in files)
    ]
    named = contract.features.code is not None or ".py:" in contract.training.model
    owes_code = "code" in contract.handoff.ml_developer and not given and named
    if owes_code and not any(path.startswith("code/") for path in files):
        missing.append("the ml_developer owes the code that the contract names (no code/)")
    return (*(unbrought(contract, files) if given else ()), *missing)


def unsupplied(contract: Contract, state: State, *, labelled: bool) -> tuple[str, ...]:
    """Return what the mlops_engineer owes and does not stand, in words."""
    if contract.handoff is None:
        return ()
    kinds = {rung.kind for rung in contract.service.fallback}
    stands = {
        "data": bool(state.batches.get("rows")) and not state.refused,
        "labels": labelled,
        "targets": bool(contract.delivery.to),
        "fallback": bool(kinds & {"rule", "default"}),
    }
    owed = contract.handoff.mlops_engineer
    return tuple(f"the mlops_engineer owes {_SUPPLIES[i]}" for i in owed if not stands[i])


def awaits_acceptance(state: State, number: int, acceptor: str) -> bool:
    """Say whether a version waits until its hand-over is accepted by a role.

    What was accepted once need not be accepted again where only the data are newer: the recipe is
    contract, code and, of a model from elsewhere, its file.
    """
    version = state.versions.get(number)
    if version is None or not acceptor or acceptor in version.approvals:
        return False
    mine = _recipe(state.runs[version.registered.run])
    return all(_recipe(run) != mine for run in _accepted(state, acceptor))


def _accepted(state: State, acceptor: str) -> Iterator[Run]:
    for version in state.versions.values():
        if acceptor in version.approvals:
            yield state.runs[version.registered.run]


def _recipe(run: Run) -> tuple[str, dict[str, str], str]:
    return run.started.contract, dict(run.started.code), run.started.given
