"""What a batch of labels says: values under entity and moment, and which of them mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import BatchRefused
from tamid.core.values import ARRIVED, BATCH, ENTITY, KNOWN_AT, RULE, TIME, Task
from tamid.ports import Batch
from tamid.stages.changes import row_names
from tamid.stages.feeds import feeds
from tamid.stages.filing import known_moments
from tamid.stages.oddities import Rules, examples
from tamid.stages.quarantine import MISSING, check, moments, suggest
from tamid.stages.reading import MOMENT, WRONG_TYPE, name_of, typed
from tamid.stages.truth import truth

EVENT = "_event"
VALUE = "_value"
NOT_UNDERSTOOD = "not understood"
CONTRADICTING = "contradicting labels"

LABEL_KEY = [ENTITY, TIME, EVENT]
_ROW = "_row"


def hear(
    contract: Contract, batch: Batch, raw: pl.DataFrame, now: datetime
) -> tuple[pl.DataFrame, Rules]:
    """Return the labels that a batch holds, one per key and stamp, and which rows mean nothing."""
    label, zone = contract.data.label, contract.calendar.timezone
    spoken = label.event_time is None or label.column in raw.columns
    heard = truth(raw, contract) if spoken else None
    value = pl.repeat(1.0, raw.height, eager=True) if heard is None else heard.values
    known_at = known_at_of(contract)
    frame = pl.DataFrame(
        [
            _entities(contract, raw, now),
            _moment(raw, None if label.event_time else contract.data.time, zone).alias(TIME),
            _moment(raw, label.event_time, zone).alias(EVENT),
            value.cast(pl.Float64).alias(VALUE),
            known_moments(raw, known_at, zone, now),
        ]
    ).with_columns(
        pl.lit(batch.name).alias(BATCH),
        pl.lit(now).cast(MOMENT).alias(ARRIVED),
        # Nothing is known before it happened, whatever a column says.
        pl.max_horizontal(KNOWN_AT, pl.coalesce(EVENT, TIME)).alias(KNOWN_AT),
    )
    there = frame.get_column(VALUE).is_not_null()
    timed = EVENT if label.event_time else TIME
    moment = label.event_time or contract.data.time
    wrong = {} if heard is None else {f"{label.column}: {NOT_UNDERSTOOD}": heard.invalid}
    wrong[f"{contract.data.entity}: {MISSING}"] = there & frame.get_column(ENTITY).is_null()
    if moment is not None:
        wrong[f"{moment}: {WRONG_TYPE}"] = there & frame.get_column(timed).is_null()
    if known_at is not None:
        stamps = typed(raw.get_column(known_at), "datetime", zone).broken
        wrong |= {f"{known_at}: {rule}": there & mask for rule, mask in stamps.items()}
    sound = there & ~_union(list(wrong.values()), raw.height)
    numbered = frame.with_row_index(_ROW).filter(sound)
    single = pl.col(VALUE).n_unique().over([*LABEL_KEY, KNOWN_AT]) == 1
    against = numbered.filter(~single).get_column(_ROW).to_numpy()
    wrong[CONTRADICTING] = pl.Series(np.isin(np.arange(raw.height), against))
    agreed = numbered.filter(single).drop(_ROW).sort(KNOWN_AT, maintain_order=True)
    agreed = agreed.unique([*LABEL_KEY, KNOWN_AT], keep="last", maintain_order=True)
    return agreed, [(rule, mask) for rule, mask in wrong.items() if mask.any()]


def known_at_of(contract: Contract) -> str | None:
    """Return the column that says when a label became known, if the contract names one."""
    label = contract.data.label
    return label.source.known_at if label.source else contract.data.source.known_at


def why_not(contract: Contract, raw: pl.DataFrame, wrong: Rules, invalid: int) -> tuple[str, ...]:
    """Say how many labels mean nothing, then why, with examples."""
    first = (
        f"{invalid} of {raw.height} labels ({invalid / raw.height:.1%}) cannot be understood, the "
        f"contract allows {contract.data.quarantine.max_share:.1%}"
    )
    seen = examples(raw, wrong, (*contract.data.pii, *contract.data.forbidden))
    often = sorted(wrong, key=lambda rule: -int(rule[1].sum()))
    name, column = contract.data.label.column, contract.data.schema.get(contract.data.label.column)
    unnamed = contract.task is Task.MULTICLASS and not (column and column.allowed)
    named = f"classes are numbers from 0 on, or texts that data.schema.{name}.allowed must name"
    return (
        first,
        *((named,) if unnamed else ()),
        *(
            f"{rule}: {mask.sum()}" + (f", such as {seen[rule]}" if rule in seen else "")
            for rule, mask in often
        ),
    )


def count_of(wrong: Rules, height: int) -> int:
    """Return how many rows broke any of the rules."""
    return int(_union([mask for _, mask in wrong], height).sum())


def _entities(contract: Contract, raw: pl.DataFrame, now: datetime) -> pl.Series:
    entity = contract.data.entity
    if entity is None:
        return row_names(check(raw, feeds(contract)[0].shape, now).frame.drop(RULE))
    return name_of(_column(raw, entity)).values.alias(ENTITY)


def _moment(raw: pl.DataFrame, column: str | None, timezone: str) -> pl.Series:
    if column is None:
        return pl.repeat(None, raw.height, dtype=MOMENT, eager=True)
    _column(raw, column)
    return moments(raw, column, timezone)


def _column(raw: pl.DataFrame, name: str) -> pl.Series:
    if name not in raw.columns:
        raise BatchRefused(
            f"column {name!r} is missing{suggest(name, raw.columns)}",
            why="labels are joined to rows by it",
        )
    return raw.get_column(name)


def _union(masks: Sequence[pl.Series], height: int) -> pl.Series:
    found = np.zeros(height, dtype=np.bool_)
    for mask in masks:
        found |= mask.to_numpy()
    return pl.Series(found)
