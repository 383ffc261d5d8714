"""The words of a request of V2, as types for the parser."""

from __future__ import annotations

from typing import Any

import msgspec

from tamid.serving.strict import UNSET


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
