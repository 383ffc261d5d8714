"""The user's functions that a contract names, and the files they stand in."""

from __future__ import annotations

from dataclasses import dataclass

from tamid.core.contract.kinds import BUILT_IN_MODELS
from tamid.core.contract.model import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReference:
    """One function of the user: which key names it, in which file (from the contract's folder)."""

    path: str
    file: str
    function: str


def code_references(contract: Contract) -> tuple[CodeReference, ...]:
    """Return every function that the contract names, in the grammar's order."""
    named = [("features.code", contract.features.code)]
    if contract.training.model not in BUILT_IN_MODELS:
        named.append(("training.model", contract.training.model))
    named += [
        (f"service.fallback[{i}].code", rung.code)
        for i, rung in enumerate(contract.service.fallback)
    ]
    return tuple(_reference(path, text) for path, text in named if text)


def _reference(path: str, text: str) -> CodeReference:
    file, _, function = text.rpartition(":")
    return CodeReference(path=path, file=file, function=function)
