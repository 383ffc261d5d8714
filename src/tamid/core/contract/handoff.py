"""The contract's block `handoff`: what each side owes when a model changes hands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tamid.core.contract.fields import key

Owed = Literal["model", "schema", "lock", "golden", "card", "metrics", "profile", "code"]
Supplied = Literal["data", "labels", "targets", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Handoff:
    """What must be there before a candidate becomes a version, and who accepts it."""

    ml_developer: tuple[Owed, ...] = key(
        "what the bundle must hold",
        ("model", "schema", "lock", "golden", "card", "metrics", "profile", "code"),
    )
    mlops_engineer: tuple[Supplied, ...] = key(
        "what must stand: accepted data, labels, a target of deliveries, a rung without a model",
        ("data", "labels"),
    )
    accept: Literal["mlops_engineer", "nobody"] = key(
        "who accepts or rejects a recipe that is new, before its release begins", "mlops_engineer"
    )
