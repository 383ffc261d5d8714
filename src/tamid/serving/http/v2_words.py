"""The words of V2: of a request, as types for the parser; and the outputs of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tamid.serving.http.wire import Refused
from tamid.serving.strict import UNSET
from tamid.serving.values import Answer


class Tensor(msgspec.Struct, gc=False):
    """A tensor of V2, as it came."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Any] | msgspec.UnsetType = UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = UNSET


class Asked(msgspec.Struct, gc=False):
    """A request of V2; outputs by name are not among its plain words."""

    inputs: list[Tensor]
    id: str | msgspec.UnsetType = UNSET
    parameters: dict[str, Any] | msgspec.UnsetType = UNSET


def top_keys(asked: Asked) -> int:
    """Count the keys that came beside the tensors', if all are known."""
    found = 1 + (asked.id is not UNSET)
    return found if asked.parameters is UNSET else found + 1 + len(asked.parameters)


def all_keys(asked: Asked) -> int:
    """Count the keys that came, if all are known."""
    found = top_keys(asked)
    for tensor in asked.inputs:
        found += 3 + (tensor.data is not UNSET)
        if tensor.parameters is not UNSET:
            found += 1 + len(tensor.parameters)
    return found


def columns_of(answers: Sequence[Answer], wanted: Any) -> dict[str, tuple[str, list[Any]]]:
    """Return datatype and values of each wanted output (None: of all). Raises Refused."""
    columns: dict[str, tuple[str, list[Any]]] = {
        "score": ("FP64", [math.nan if a.score is None else a.score for a in answers]),
        "decision": ("INT64", [-1 if a.decision is None else a.decision for a in answers]),
        "version": ("INT64", [a.version for a in answers]),
        "rung": ("BYTES", [a.rung for a in answers]),
        "reason": ("BYTES", [a.reason for a in answers]),
    }
    if not wanted:
        return columns
    found = {}
    for output in wanted if isinstance(wanted, list) else [None]:
        name = output.get("name") if isinstance(output, dict) else None
        if not isinstance(name, str) or name not in columns:
            raise Refused(400, "no_output", f"outputs are {', '.join(columns)}")
        found[name] = columns[name]
    return found
