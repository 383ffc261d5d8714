"""A model that a person hands over, as the ledger names it: a blob that names its parts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from tamid.core.contract.model import Contract
from tamid.core.errors import UsageError
from tamid.core.learning.given import NOTHING
from tamid.core.periods import period_of
from tamid.core.values import canonical_json
from tamid.ports import Blobs, GivenModel
from tamid.stages.feeds import rule_of

_MOMENT = timedelta(microseconds=1)


def keep(given: GivenModel, blobs: Blobs) -> str:
    """Store a model with its papers; return the address of what names them."""
    about = {
        "name": given.name,
        "kind": given.kind,
        "content": blobs.put(given.content),
        "inputs": given.inputs,
        "through": given.through,
        "papers": {path: blobs.put(text) for path, text in sorted(given.papers.items())},
    }
    return blobs.put(canonical_json(about).encode())


def kept(digest: str, blobs: Blobs) -> GivenModel:
    """Return what :func:`keep` stored. Raises NotFound, IntegrityError."""
    about = json.loads(blobs.get(digest))
    return GivenModel(
        name=about["name"],
        kind=about["kind"],
        content=blobs.get(about["content"]),
        inputs=tuple(about["inputs"]),
        through=about["through"],
        papers={path: blobs.get(part) for path, part in about["papers"].items()},
    )


def trained_through(digest: str, blobs: Blobs) -> str:
    """Return the last period that a model was said to have learnt from, "" where nobody said."""
    return str(json.loads(blobs.get(digest))["through"])


def last_period(contract: Contract, until: datetime | None, kind: str, *, nothing: bool) -> str:
    """Return the last period that a model knows something of: its rows' outcomes count, too.

    `until`: the end of what it has learnt from, None where nobody said; `nothing`: it has learnt
    from none of the rows.

    Raises:
        UsageError: nobody said, and the model cannot be fitted anew to find out; or the rows have
            no time that could be after it.
    """
    if nothing:
        return NOTHING
    if until is None:
        if kind == "skops":
            return ""
        raise UsageError(
            "what has the model learnt from?",
            why="a model is judged on rows that it has not seen; its file does not say which",
            fix="Add --trained-through DATE, or --trained-through none if it knows none of them.",
        )
    rule = rule_of(contract)
    if rule is None:
        raise UsageError(
            "the rows have no time, so none of them lies after what the model has learnt from",
            why="the contract names no data.time",
            fix="Bring rows that it does not know with --data, and say --trained-through none.",
        )
    return period_of(rule, until + contract.data.label.horizon - _MOMENT)
