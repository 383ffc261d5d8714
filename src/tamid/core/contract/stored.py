"""The form in which a contract is kept and handed to workers: its canonical JSON."""

from __future__ import annotations

import json
from typing import Any

from tamid.core.contract.model import Contract
from tamid.core.contract.node import Entries, Entry, Items, Node, Scalar
from tamid.core.contract.parse import restore
from tamid.core.errors import ContractError
from tamid.core.values import canonical_json


def to_json(contract: Contract) -> str:
    """Return the one text of a contract, with every default written out.

    Law: `from_json(to_json(contract)) == contract`.
    """
    return canonical_json(contract)


def from_json(text: str) -> Contract:
    """Return the contract that :func:`to_json` wrote; it was accepted then and is not judged again.

    Raises:
        ContractError: the text is not JSON, or not a contract that this version understands.
    """
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ContractError("the stored contract is not JSON", why=str(error)) from None
    return restore(_node(content))


def _node(value: Any) -> Node:
    if isinstance(value, dict):
        pairs = (Entry(key=Scalar(text=k, plain=False), value=_node(v)) for k, v in value.items())
        return Entries(entries=tuple(pairs))
    if isinstance(value, list):
        return Items(items=tuple(_node(v) for v in value))
    if isinstance(value, str):
        return Scalar(text=value, plain=False)
    return Scalar(text=json.dumps(value))
