"""Segments as a server writes them, for tests of whoever reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tamid.core.spool import BEGIN, LABELS, MAGIC, ROWS, TOLD, block, end, run_on


def segment(
    blocks: Iterable[tuple[int, Mapping[str, Any]]],
    *,
    began: float = 0.0,
    process: str = "p1",
    sealed: bool = True,
    torn: bytes = b"",
) -> bytes:
    """Return a segment; one that is not `sealed` was left by a killed process."""
    content, checks = MAGIC, 0
    begin = (BEGIN, {"model": "m", "process": process, "began": began})
    for kind, body in (begin, *blocks):
        content += (written := block(kind, json.dumps(body).encode()))
        checks = run_on(checks, written)
    return content + (end(checks) if sealed else torn)


def rows_block(
    at: datetime, rows: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], **about: Any
) -> tuple[int, Mapping[str, Any]]:
    """Return a block of answers given at a moment: what was asked, and what was said."""
    told = [
        [
            n,
            asked,
            {"score": 0.5, "version": 1, "rung": "champion", "reason": "", **answer},
        ]
        for n, (asked, answer) in enumerate(rows)
    ]
    body = {"bundle": "b", "overlay": "o", "at": at.timestamp(), "chance": 1.0, **about}
    return ROWS, {**body, "rows": told}


def labels_block(
    heard: datetime, labels: Mapping[str, Any], at: datetime | None = None
) -> tuple[int, Mapping[str, Any]]:
    """Return a block of labels by the id of their answer."""
    when = None if at is None else at.timestamp()
    sent = [[name, value, when, heard.timestamp()] for name, value in labels.items()]
    return LABELS, {"labels": sent}


def told_block(*notices: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Return a block of notices."""
    return TOLD, {"notices": list(notices)}
