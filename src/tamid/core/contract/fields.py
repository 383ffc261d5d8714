"""How one key of the contract is declared: meaning, default, owner, and what its value may be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

ML = "ml_developer"
OPS = "mlops_engineer"
BOTH = "both"

Kind = Literal[
    "",
    "name",
    "column",
    "code",
    "model",
    "path",
    "target",
    "secret",
    "size",
    "rate",
    "moment",
    "stage",
    "special",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the type alone does not say about a value.

    `kind` names a grammar of :mod:`tamid.core.contract.kinds` for texts (of each item, in a list),
    `keys` the grammar of a mapping's keys. `share` lets a number be written as "15%". Numbers lie
    in `low` <= x <= `high`; with `above` the lower bound itself is refused. For durations the
    bounds are in seconds.
    """

    kind: Kind = ""
    keys: Kind = ""
    share: bool = False
    low: float | None = None
    high: float | None = None
    above: bool = False


def key(
    doc: str, default: Any = dataclasses.MISSING, owner: str = "", limits: Limits | None = None
) -> Any:
    """Declare one key: its meaning, default, limits and (on blocks) its owner."""
    meta = {"doc": doc, "owner": owner, "limits": limits or Limits()}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=meta)
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def doc_of(declared: dataclasses.Field[Any]) -> str:
    """Return what the key means."""
    return str(declared.metadata["doc"])


def owner_of(declared: dataclasses.Field[Any]) -> str:
    """Return the role that owns the block, or an empty text."""
    return str(declared.metadata["owner"])


def limits_of(declared: dataclasses.Field[Any]) -> Limits:
    """Return what the value may be beyond its type."""
    limits = declared.metadata["limits"]
    assert isinstance(limits, Limits)
    return limits


def default_of(declared: dataclasses.Field[Any]) -> Any:
    """Return the default, or `dataclasses.MISSING` for a key that must be given."""
    if declared.default_factory is not dataclasses.MISSING:
        return declared.default_factory()
    return declared.default


# Limits that several blocks use.
SHARE = Limits(share=True, low=0.0, high=1.0)
SHARE_ABOVE_0 = Limits(share=True, low=0.0, high=1.0, above=True)
NUMBER_OR_SHARE = Limits(share=True)
NOT_NEGATIVE = Limits(low=0.0)
POSITIVE = Limits(low=0.0, above=True)
COLUMN = Limits(kind="column")
CODE = Limits(kind="code")
PATH = Limits(kind="path")
