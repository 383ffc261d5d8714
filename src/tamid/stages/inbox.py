"""The inbox of labels: what was heard of each row or event, never altered, only revised.

The table `<model>.labels` holds `_entity`, `_time` (the row's moment; null for events), `_event`
(an event's moment), `_value` (null: taken back), `_known_at`, `_arrived`, `_batch`, `_period` and
`revision` (from 1). A correction is a further revision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import BatchNotReady, BatchRefused, DataError
from tamid.core.events import DataRefused, Event, LabelsAccepted
from tamid.core.periods import period_of, span
from tamid.core.values import (
    ARRIVED,
    BATCH,
    ENTITY,
    KNOWN_AT,
    PERIOD,
    RULE,
    TIME,
    Role,
    TablePin,
)
from tamid.ports import Batch, Source, Tables
from tamid.stages.changes import row_names
from tamid.stages.data import NotReady
from tamid.stages.feeds import LABELS, feeds, rule_of
from tamid.stages.filing import known_moments, with_periods
from tamid.stages.quarantine import check, moments, suggest
from tamid.stages.reading import MOMENT, name_of
from tamid.stages.truth import truth

EVENT = "_event"
VALUE = "_value"
REVISION = "revision"

_KEY = [ENTITY, TIME, EVENT]
_HEARD = "_heard"


def ingest(
    contract: Contract,
    source: Source,
    tables: Tables,
    *,
    rows: TablePin | None,
    known: Mapping[str, str],
    now: datetime,
    token: int,
    accepted: Mapping[str, str] | None = None,
    waiting: list[NotReady] | None = None,
) -> Iterator[Event]:
    """Put every new or changed batch of labels into the inbox; append each event before the next.

    `rows` pins the rows that labels are matched with. `accepted`: where labels stand in the rows'
    own files, the batches that were accepted; others are passed over.
    """
    for batch in source.batches():
        if known.get(batch.name) == batch.fingerprint:
            continue
        if accepted is not None and accepted.get(batch.name) != batch.fingerprint:
            continue
        try:
            raw = source.read(batch)
            if raw.is_empty():
                raise BatchNotReady(f"batch {batch.name} has no rows")
            yield _take(contract, batch, raw, tables, rows, batch.name in known, now, token)
        except BatchNotReady as error:
            if waiting is not None:
                waiting.append(NotReady(source=LABELS, batch=batch.name, reason=error.what))
        except DataError as error:
            yield _refusal(contract, batch, error.what)


def latest_revisions(inbox: pl.DataFrame) -> pl.DataFrame:
    """Return the last revision of each label."""
    return inbox.sort(REVISION, maintain_order=True).unique(_KEY, keep="last", maintain_order=True)


def _take(
    contract: Contract,
    batch: Batch,
    raw: pl.DataFrame,
    tables: Tables,
    rows: TablePin | None,
    replaces: bool,
    now: datetime,
    token: int,
) -> Event:
    heard, invalid = _read(contract, batch, raw, now)
    share = invalid / raw.height
    if share > contract.data.quarantine.max_share:
        raise BatchRefused(
            f"{invalid} of {raw.height} labels ({share:.1%}) cannot be understood, the contract "
            f"allows {contract.data.quarantine.max_share:.1%}"
        )
    table = f"{contract.name}.{LABELS}"
    key = f"{table}/{batch.name}/{batch.fingerprint}"
    pin = tables.find(table, key)
    if pin is not None:
        fresh = _written(tables.read(pin), batch.name)
    else:
        latest = tables.latest(table)
        heard = _filed(heard, contract, now)
        about = None if replaces else heard.get_column(PERIOD).unique().to_list()
        before = None if latest is None else latest_revisions(tables.read(latest, periods=about))
        fresh = _revised(before, heard, batch.name, now, replaces=replaces)
        pin = latest
        if pin is None or not fresh.is_empty():
            pin = tables.write(table, fresh, key=key, token=token, mode="append")
    matched = _matched(contract, fresh, tables, rows)
    return LabelsAccepted(
        key=key,
        source=LABELS,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        pin=pin,
        new=int((fresh.get_column(REVISION) == 1).sum()),
        repeated=heard.height - int(fresh.get_column(VALUE).is_not_null().sum()),
        corrected=int((fresh.get_column(REVISION) > 1).sum()),
        unmatched=fresh.height - matched.get_column(_HEARD).n_unique(),
        future=int((fresh.get_column(KNOWN_AT) > now).sum()),
        periods=tuple(matched.get_column(PERIOD).unique().sort()),
        invalid=invalid,
    )


def _read(
    contract: Contract, batch: Batch, raw: pl.DataFrame, now: datetime
) -> tuple[pl.DataFrame, int]:
    """Return the labels that a batch holds, one per key, and how many mean nothing."""
    label, zone = contract.data.label, contract.calendar.timezone
    spoken = label.event_time is None or label.column in raw.columns
    frame = pl.DataFrame(
        [
            _entities(contract, raw, now),
            _moment(raw, None if label.event_time else contract.data.time, zone).alias(TIME),
            _moment(raw, label.event_time, zone).alias(EVENT),
        ]
    )
    known_at = label.source.known_at if label.source else contract.data.source.known_at
    happened = pl.coalesce(EVENT, TIME)
    frame = frame.with_columns(
        truth(raw, contract).values.alias(VALUE) if spoken else pl.lit(1.0).alias(VALUE),
        known_moments(raw, known_at, zone, now),
        pl.lit(batch.name).alias(BATCH),
        pl.lit(now).cast(MOMENT).alias(ARRIVED),
    ).with_columns(
        # Nothing is known before it happened, whatever a column says.
        pl.max_horizontal(KNOWN_AT, happened).alias(KNOWN_AT)
    )
    unreadable = (
        truth(raw, contract).invalid
        if spoken
        else pl.repeat(False, raw.height, dtype=pl.Boolean, eager=True)
    )
    moment = EVENT if label.event_time else TIME
    timeless = frame.get_column(moment).is_null() & (contract.data.time is not None)
    lost = frame.get_column(ENTITY).is_null() | timeless
    there = frame.get_column(VALUE).is_not_null()
    invalid = unreadable | (there & lost)
    heard = frame.filter(there & ~invalid)
    single = pl.col(VALUE).n_unique().over([*_KEY, KNOWN_AT]) == 1
    agreed = heard.filter(single).sort(KNOWN_AT).unique(_KEY, keep="last", maintain_order=True)
    return agreed, int(invalid.sum()) + heard.filter(~single).height


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


def _written(inbox: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return what the last write of a batch put into the inbox."""
    own = inbox.filter(pl.col(BATCH) == name)
    return own.filter(pl.col(ARRIVED) == pl.col(ARRIVED).max())


def _revised(
    before: pl.DataFrame | None,
    heard: pl.DataFrame,
    name: str,
    now: datetime,
    *,
    replaces: bool,
) -> pl.DataFrame:
    """Return the labels to add: new ones, corrected ones, and those that were taken back."""
    if before is None:
        return heard.with_columns(pl.lit(1, pl.Int64).alias(REVISION))
    old = before.select(
        *_KEY,
        pl.col(VALUE).alias("_old"),
        pl.col(KNOWN_AT).alias("_old_known"),
        pl.col(REVISION).alias("_old_revision"),
    )
    both = heard.join(old, on=_KEY, how="left", nulls_equal=True, maintain_order="left")
    moment = pl.lit(now).cast(MOMENT)
    # A correction under an unchanged stamp became known when it arrived, or history would change.
    later = pl.when(pl.col(KNOWN_AT) <= pl.col("_old_known")).then(moment).otherwise(KNOWN_AT)
    first = pl.col("_old_revision").is_null()
    fresh = both.filter(first | pl.col(VALUE).ne_missing(pl.col("_old"))).with_columns(
        pl.when(first).then(KNOWN_AT).otherwise(later).alias(KNOWN_AT),
        (pl.col("_old_revision").fill_null(0) + 1).alias(REVISION),
    )
    fresh = fresh.select(*heard.columns, REVISION)
    if not replaces:
        return fresh
    gone = before.filter((pl.col(BATCH) == name) & pl.col(VALUE).is_not_null()).join(
        heard, on=_KEY, how="anti", nulls_equal=True
    )
    taken = gone.with_columns(
        pl.lit(None, pl.Float64).alias(VALUE),
        moment.alias(KNOWN_AT),
        moment.alias(ARRIVED),
        pl.col(REVISION) + 1,
    )
    return pl.concat([fresh, taken.select(fresh.columns)])


def _filed(fresh: pl.DataFrame, contract: Contract, now: datetime) -> pl.DataFrame:
    """Add the period of what each label is about."""
    about = fresh.select(pl.coalesce(EVENT, TIME).alias(TIME))
    period = with_periods(about, rule_of(contract), now).get_column(PERIOD)
    return fresh.with_columns(period)


def _matched(
    contract: Contract, fresh: pl.DataFrame, tables: Tables, rows: TablePin | None
) -> pl.DataFrame:
    """Return, for each label in `fresh`, the periods of the rows that it is about."""
    numbered = fresh.with_row_index(_HEARD).drop(PERIOD)
    if rows is None or fresh.is_empty():
        return numbered.clear().with_columns(pl.lit(None, pl.String).alias(PERIOD))
    if contract.data.label.event_time is None:
        wanted: list[str] | None = fresh.get_column(PERIOD).unique().to_list()
    else:
        wanted = _periods_before(contract, fresh)
    keys = tables.read(rows, periods=wanted, columns=[ENTITY, TIME, PERIOD])
    if contract.data.label.event_time is None:
        return numbered.join(keys, on=[ENTITY, TIME], nulls_equal=True)
    ends = pl.col("_at") + contract.data.label.horizon
    return (
        numbered.drop(TIME)
        .join(keys.rename({TIME: "_at"}), on=ENTITY)
        .filter((pl.col("_at") <= pl.col(EVENT)) & (pl.col(EVENT) < ends))
    )


def _periods_before(contract: Contract, fresh: pl.DataFrame) -> list[str] | None:
    """Return the periods whose rows the events may be about."""
    rule = rule_of(contract)
    if rule is None:
        return None
    first, last = fresh.select(
        pl.col(EVENT).min().alias("first"), pl.col(EVENT).max().alias("last")
    ).row(0)
    earliest = period_of(rule, first - contract.data.label.horizon)
    return list(span(rule, earliest, period_of(rule, last)))


def _refusal(contract: Contract, batch: Batch, reason: str) -> DataRefused:
    source = contract.data.label.source or contract.data.source
    return DataRefused(
        key=f"{contract.name}.{LABELS}/{batch.name}/{batch.fingerprint}",
        source=LABELS,
        batch=batch.name,
        fingerprint=batch.fingerprint,
        owner=Role(source.owner),
        reasons=(reason,),
    )
