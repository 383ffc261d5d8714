"""Rows that name their entity alone: their features as the controller wrote them, if fresh."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from tamid.serving.seams import LookUp
from tamid.serving.values import Answer, Row, Served

NOBODY, TOO_OLD, OTHERS = "entity is not known", "stale features", "features of another version"


def filled(
    rows: Sequence[Row], found: LookUp, served: Served, wall: Callable[[], float] = time.time
) -> Sequence[Row]:
    """Return the rows with what was looked up; a row without fresh features says why.

    Such a row keeps the contract no more than one with a forbidden value: no model is asked.
    """
    if not any(row.sought for row in rows):
        return rows
    return list(map(looked_up(found, served, wall), rows))


def looked_up(
    found: LookUp, served: Served, wall: Callable[[], float] = time.time
) -> Callable[[Row], Row]:
    """Return what does so row by row."""
    now = wall()
    return lambda row: _filled(row, found, served, now) if row.sought else row


def aged(
    answers: Sequence[Answer], rows: Sequence[Row], wall: Callable[[], float] = time.time
) -> Sequence[Answer]:
    """Return the answers with the age of the features that were looked up for them."""
    if not any(row.sought for row in rows):
        return answers
    now = wall()
    return [
        answer if row.as_of is None else replace(answer, features_age=max(0.0, now - row.as_of))
        for answer, row in zip(answers, rows, strict=True)
    ]


def _filled(row: Row, found: LookUp, served: Served, now: float) -> Row:
    known = None if row.entity is None else found.get(row.entity)
    if known is None or known.inputs is None:
        return replace(row, broken=NOBODY)
    values = json.loads(known.inputs)
    if any(name not in values for name in served.names):
        # It was written for a version that reads other columns; the controller writes it anew.
        return replace(row, broken=OTHERS)
    moment = row.moment
    if known.as_of is not None:
        moment = datetime.fromtimestamp(known.as_of, UTC).isoformat()
    old = served.stale_after is not None and (
        known.as_of is None or now - known.as_of > served.stale_after
    )
    return replace(
        row,
        values={name: values[name] for name in served.names},
        broken=TOO_OLD if old else "",
        moment=moment,
        as_of=known.as_of,
    )
