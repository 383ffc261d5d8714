"""Answers by their ids: what a label is about that names an answer and no row.

Callers send such labels back, people give them in a review, and files may hold them: a label file
without the entity's column names answers in `prediction_id`, as deliveries call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import DataError, NotFound
from tamid.core.events import LabelsAccepted
from tamid.core.periods import period_of
from tamid.core.state import State
from tamid.core.values import (
    ARRIVED,
    BATCH,
    ENTITY,
    KNOWN_AT,
    TIME,
    TablePin,
    digest_of,
    instant,
)
from tamid.ports import Batch
from tamid.stages.answered import SERVED
from tamid.stages.feeds import ROWS, rule_of
from tamid.stages.hearing import EVENT, NOT_UNDERSTOOD, VALUE, known_at_of
from tamid.stages.inbox import Hearer, put
from tamid.stages.oddities import Rules
from tamid.stages.quarantine import moments
from tamid.stages.reading import MOMENT, name_of
from tamid.stages.rig import Rig
from tamid.stages.truth import truth

# What a batch of labels is called that a person gave for one answer.
REVIEW = "review/"
PREDICTION_ID = "prediction_id"
PREDICTIONS = "predictions"
# An id that was given out with an apostrophe, so that no spreadsheet took it for a formula.
_GUARDED = r"^'([\s\x00\p{Cf}]*[=+\-@\t\r\n\x00\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}])"


def by_key(contract: Contract, both: pl.DataFrame, name: str, now: datetime) -> pl.DataFrame:
    """Return labels as the inbox takes them, one per key and stamp.

    `both`: `_entity`, `_time`, `_value`, `at` (null: not said) and `heard`, when it came.
    """
    known = pl.max_horizontal(pl.coalesce("at", "heard"), TIME)
    event = pl.coalesce("at", TIME) if contract.data.label.event_time else pl.lit(None, MOMENT)
    untimed = contract.data.label.event_time is not None
    found = both.select(
        ENTITY,
        (pl.lit(None, MOMENT) if untimed else pl.col(TIME)).alias(TIME),
        event.alias(EVENT),
        VALUE,
        known.alias(KNOWN_AT),
        pl.lit(name).alias(BATCH),
        pl.lit(now).cast(MOMENT).alias(ARRIVED),
    )
    key = [ENTITY, TIME, EVENT, KNOWN_AT]
    return found.sort(KNOWN_AT, maintain_order=True).unique(key, keep="last", maintain_order=True)


def answers_of(
    rig: Rig,
    contract: Contract,
    state: State,
    pin: TablePin | None,
    fresh: Sequence[str],
    ids: set[str],
    now: datetime,
) -> pl.DataFrame:
    """Return entity and moment of the answers with these ids, newest periods first."""
    found = [pl.DataFrame(schema={"id": pl.String, ENTITY: pl.String, TIME: MOMENT})]
    rule = rule_of(contract)
    since = period_of(rule, now - contract.service.log.keep) if rule else ""
    places = [
        (pin or state.pins.get(rig.table(SERVED)), {*_since(state.answered, since), *fresh}),
        (state.pins.get(rig.table(PREDICTIONS)), _since(state.scored, since)),
    ]
    for table, periods in places:
        for period in sorted(periods, reverse=True):
            if table is None or not ids:
                break
            rows = rig.tables.read(table, periods=[period], columns=["id", ENTITY, TIME])
            rows = rows.filter(pl.col("id").is_in(sorted(ids))).unique("id", keep="last")
            ids = ids - set(rows.get_column("id"))
            found.append(rows.select("id", ENTITY, TIME))
    return pl.concat(found)


def decided(
    rig: Rig, contract: Contract, state: State, name: str, value: str, now: datetime, token: int
) -> tuple[LabelsAccepted, float]:
    """Put what a person decided about one answer into the inbox, as batch `review/NAME`.

    Returns the event, and what the value counts as: 0 or 1, the class's index, or the number.

    Raises:
        NotFound: no answer of this id is stored; DataError: the value is no label.
    """
    given = pl.DataFrame({"id": [name], contract.data.label.column: [value]})
    read = truth(given, contract)
    if read.invalid[0] or read.values[0] is None:
        raise DataError(
            f"{value!r} is no value of {contract.data.label.column}",
            why="the contract's data.label says what a label may be",
            fix="Give it as a label file would.",
        )
    about = answers_of(rig, contract, state, None, (), {name}, now)
    if about.is_empty():
        raise NotFound(
            f"there is no answer {name!r}",
            why="it is not in the tables, or older than service.log.keep",
            fix="See what waits: `tamid review`. The newest answers come with the next tick.",
        )
    # What a person decides is known from now on.
    moment, batch = pl.lit(None, MOMENT), f"{REVIEW}{name}"
    stamped = about.with_columns(read.values.alias(VALUE), moment.alias("at"))
    heard = by_key(contract, stamped.with_columns(pl.lit(now).alias("heard")), batch, now)
    said = digest_of({"value": value, "at": instant(now)})
    rows = state.pins.get(rig.table(ROWS))
    event = put(
        contract, heard, rig.tables, batch=batch, fingerprint=said, rows=rows, now=now, token=token
    )
    return event, float(read.values[0])


def by_id(rig: Rig, contract: Contract, state: Callable[[], State], now: datetime) -> Hearer:
    """Return what reads a label file whose rows name answers, and None for any other file."""

    def read(batch: Batch, raw: pl.DataFrame) -> tuple[pl.DataFrame, Rules] | None:
        entity = contract.data.entity
        if PREDICTION_ID not in raw.columns or (entity is not None and entity in raw.columns):
            return None
        return _of_file(rig, contract, state(), batch, raw, now)

    return read


def _of_file(
    rig: Rig, contract: Contract, state: State, batch: Batch, raw: pl.DataFrame, now: datetime
) -> tuple[pl.DataFrame, Rules]:
    label, zone = contract.data.label, contract.calendar.timezone
    stamp = label.event_time if label.event_time in raw.columns else known_at_of(contract)
    spoken = label.event_time is None or label.column in raw.columns
    read = truth(raw, contract) if spoken else None
    ones = pl.repeat(1.0, raw.height, eager=True)
    at = moments(raw, stamp, zone) if stamp in raw.columns and stamp else None
    given = pl.DataFrame(
        [
            name_of(raw.get_column(PREDICTION_ID)).values.str.replace(_GUARDED, "$1").alias("id"),
            (ones if read is None else read.values).cast(pl.Float64).alias(VALUE),
            pl.Series("at", [None] * raw.height if at is None else at, dtype=MOMENT),
            pl.repeat(now, raw.height, eager=True).cast(MOMENT).alias("heard"),
        ]
    )
    there = given.get_column(VALUE).is_not_null()
    ids = set(given.filter(there).get_column("id").drop_nulls())
    about = answers_of(rig, contract, state, None, (), ids, now)
    unknown = there & ~given.get_column("id").is_in(about.get_column("id").to_list()).fill_null(
        value=False
    )
    wrong = {f"{PREDICTION_ID}: no such answer": unknown}
    if read is not None:
        wrong[f"{label.column}: {NOT_UNDERSTOOD}"] = read.invalid
    both = given.filter(there).join(about, on="id", how="inner")
    heard = by_key(contract, both, batch.name, now)
    return heard, [(rule, mask) for rule, mask in wrong.items() if mask.any()]


def _since(periods: Iterable[str], first: str) -> set[str]:
    return {p for p in periods if p >= first}
