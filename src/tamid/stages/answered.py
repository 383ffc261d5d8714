"""What servers wrote down, as rows: answers one by one, labels sent back, times, and notices.

The table `<model>.served` holds one row an answer that was kept: `id`, `_entity`, `_time` (the
row's moment), `_period`, `_arrived`, `asked_at`, `score`, `decision`, `band`, `class`, `classes`,
`version`, `rung`, `reason`, `age` (seconds), `chance` (of being kept), `bundle`, `overlay`,
`inputs` (JSON) and `sought` (its features were looked up).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.spool import ROWS, TIMES, Segment
from tamid.core.values import ARRIVED, ENTITY, PERIOD, TIME, canonical_json
from tamid.stages.feeds import rule_of
from tamid.stages.filing import with_periods
from tamid.stages.quarantine import AHEAD
from tamid.stages.reading import MOMENT

SERVED, TIMINGS = "served", "timings"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a logged row holds besides inputs.
_SOUGHT = "_sought"
_COLUMNS: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "id": pl.String, ENTITY: pl.String, TIME: MOMENT, "asked_at": MOMENT, "score": pl.Float64,
    "decision": pl.Int64, "band": pl.String, "class": pl.String, "classes": pl.String,
    "version": pl.Int64, "rung": pl.String, "reason": pl.String, "age": pl.Float64,
    "chance": pl.Float64, "bundle": pl.String, "overlay": pl.String, "inputs": pl.String,
    "sought": pl.Boolean,
}  # fmt: skip
_TIMES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    TIME: MOMENT, "until": MOMENT, "version": pl.Int64, "requests": pl.Int64, "rows": pl.Int64,
    "bytes": pl.Int64, "seconds": pl.String, "counts": pl.String,
}  # fmt: skip


def answers(contract: Contract, segments: Iterable[Segment], now: datetime) -> pl.DataFrame:
    """Return the logged answers as they are stored; only what the contract declares."""
    data = contract.data
    declared = set(data.schema) | set(contract.features.aggregates)
    kept = declared - set(data.pii) - set(data.forbidden)
    found = [
        _answer(contract, kept, block, row)
        for segment in segments
        for block in segment.of(ROWS)
        for row in block["rows"]
    ]
    return _filed(contract, pl.DataFrame(found, schema=dict(_COLUMNS), orient="row"), now)


def times(contract: Contract, segments: Iterable[Segment], now: datetime) -> pl.DataFrame:
    """Return how long requests took: a row for each window and version."""
    found = [
        (
            _moment(window["began"]), _moment(window["ended"]), cell["version"], cell["requests"],
            cell["rows"], cell["bytes"], canonical_json(cell["seconds"]),
            canonical_json(cell["counts"]),
        )
        for segment in segments
        for window in segment.of(TIMES)
        for cell in window["cells"]
    ]  # fmt: skip
    return _filed(contract, pl.DataFrame(found, schema=dict(_TIMES), orient="row"), now)


def totals(segments: Iterable[Segment]) -> tuple[dict[str, int], int]:
    """Return all that was answered, by "version/rung", and how many answers no log had room for."""
    answered: dict[str, int] = {}
    lost = 0
    for segment in segments:
        for window in segment.of(TIMES):
            lost += window.get("lost", 0)
            for who, n in window.get("answered", {}).items():
                answered[who] = answered.get(who, 0) + n
    return dict(sorted(answered.items())), lost


def inputs_of(served: pl.DataFrame, names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the inputs of each stored answer by name; None where one was missing."""
    for text in served.get_column("inputs"):
        given = json.loads(text)
        yield {name: given.get(name) for name in names}


def _answer(
    contract: Contract, kept: set[str], block: Mapping[str, Any], row: Sequence[Any]
) -> tuple[Any, ...]:
    later, asked, answer = row
    at = _moment(block["at"]) + timedelta(microseconds=later)
    entity = asked.get(ENTITY)
    if entity is None and contract.data.entity is not None:
        entity = asked.get(contract.data.entity)
    told = _read(asked.get(TIME) or (asked.get(contract.data.time) if contract.data.time else None))
    # A moment that cannot be, which any caller may send, would be a period that never ends.
    about = told if told is not None and _EPOCH <= told <= at + AHEAD else at
    classes = answer.get("classes")
    return (
        answer["id"], str(answer["id"] if entity is None else entity), about, at,
        answer["score"], answer.get("decision"), answer.get("band"), answer.get("class"),
        None if classes is None else canonical_json(classes), answer["version"], answer["rung"],
        answer["reason"], answer.get("age"), block["chance"], block["bundle"], block["overlay"],
        canonical_json({k: v for k, v in asked.items() if k in kept}), asked.get(_SOUGHT) is True,
    )  # fmt: skip


def _filed(contract: Contract, frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    frame = frame.with_columns(pl.lit(now).cast(MOMENT).alias(ARRIVED))
    if frame.is_empty():
        return frame.with_columns(pl.lit(None, pl.String).alias(PERIOD))
    return with_periods(frame, rule_of(contract), now)


def _read(text: Any) -> datetime | None:
    """Return a moment that has a zone; whatever else it is, None."""
    try:
        found = datetime.fromisoformat(text)
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _moment(seconds: float) -> datetime:
    return _EPOCH + timedelta(microseconds=round(seconds * 1e6))
