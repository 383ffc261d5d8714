"""The inbox of labels: what was heard of each row or event, never altered, only revised.

The table `<model>.labels` holds `_entity`, `_time` (the row's moment; null for events), `_event`
(an event's moment), `_value` (null: taken back), `_known_at`, `_arrived`, `_batch`, `_period` and
`revision` (from 1). A correction is a further revision. A label whose source says that it was known
earlier than the one that stands is history: it has revision 0 and overrides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import BatchNotReady, DataError
from tamid.core.events import DataRefused, Event, LabelsAccepted
from tamid.core.periods import period_of, span
from tamid.core.values import ARRIVED, BATCH, ENTITY, KNOWN_AT, PERIOD, TIME, TablePin
from tamid.ports import Batch, Source, Tables
from tamid.stages.feeds import LABELS, NotReady, listed, refused, rule_of, write_key
from tamid.stages.filing import with_periods
from tamid.stages.hearing import EVENT, LABEL_KEY, VALUE, count_of, hear, why_not
from tamid.stages.oddities import Rules
from tamid.stages.reading import MOMENT

REVISION = "revision"
# What understands batches of another form: labels and broken rules, or None for any other batch.
Hearer = Callable[[Batch, pl.DataFrame], "tuple[pl.DataFrame, Rules] | None"]

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
    hearer: Hearer | None = None,
) -> Iterator[Event]:
    """Put every new or changed batch of labels into the inbox; append each event before the next.

    `rows` pins the rows that labels are matched with. `accepted`: where labels stand in the rows'
    own files, the batches that were accepted; others are passed over. `hearer`: reads files whose
    labels name answers.
    """
    apart = contract.data.label.source
    missing = None if apart is None else waiting
    for batch in listed(source, LABELS, apart.path if apart else "", missing):
        if known.get(batch.name) == batch.fingerprint:
            continue
        if accepted is not None and accepted.get(batch.name) != batch.fingerprint:
            continue
        try:
            raw = source.read(batch)
            if raw.is_empty():
                raise BatchNotReady(f"batch {batch.name} has no rows")
            heard = None if hearer is None else hearer(batch, raw)
            heard = heard or hear(contract, batch, raw, now)
            replaces = batch.name in known
            yield _take(contract, batch, raw, heard, tables, rows, replaces, now, token)
        except BatchNotReady as error:
            if waiting is not None:
                waiting.append(NotReady(source=LABELS, batch=batch.name, reason=error.what))
        except DataError as error:
            yield _refusal(contract, batch, (error.what,))


def latest_revisions(inbox: pl.DataFrame) -> pl.DataFrame:
    """Return of each label what was known last."""
    ordered = inbox.sort(KNOWN_AT, REVISION, maintain_order=True)
    return ordered.unique(LABEL_KEY, keep="last", maintain_order=True)


def put(
    contract: Contract,
    heard: pl.DataFrame,
    tables: Tables,
    *,
    batch: str,
    fingerprint: str,
    rows: TablePin | None,
    now: datetime,
    token: int,
    replaces: bool = False,
    invalid: int = 0,
) -> LabelsAccepted:
    """Put labels that were heard into the inbox, once per batch and fingerprint; tell of them."""
    table = f"{contract.name}.{LABELS}"
    key = write_key(table, batch, fingerprint)
    pin = tables.find(table, key)
    if pin is not None:
        fresh = _written(tables.read(pin), batch)
    else:
        latest = tables.latest(table)
        heard = _filed(heard, contract, now)
        about = None if replaces else heard.get_column(PERIOD).unique().to_list()
        before = None if latest is None else tables.read(latest, periods=about)
        fresh = _revised(before, heard, batch, now, replaces=replaces)
        pin = latest
        if pin is None or not fresh.is_empty():
            pin = tables.write(table, fresh, key=key, token=token, mode="append")
    matched = _matched(contract, fresh, tables, rows)
    return LabelsAccepted(
        key=key,
        source=LABELS,
        batch=batch,
        fingerprint=fingerprint,
        pin=pin,
        new=int((fresh.get_column(REVISION) == 1).sum()),
        repeated=heard.height - int(fresh.get_column(VALUE).is_not_null().sum()),
        corrected=int((fresh.get_column(REVISION) > 1).sum()),
        unmatched=fresh.height - matched.get_column(_HEARD).n_unique(),
        future=int((fresh.get_column(KNOWN_AT) > now).sum()),
        periods=tuple(matched.get_column(PERIOD).unique().sort()),
        invalid=invalid,
        stale=int((fresh.get_column(REVISION) == 0).sum()),
    )


def _take(
    contract: Contract,
    batch: Batch,
    raw: pl.DataFrame,
    understood: tuple[pl.DataFrame, Rules],
    tables: Tables,
    rows: TablePin | None,
    replaces: bool,
    now: datetime,
    token: int,
) -> Event:
    heard, wrong = understood
    invalid = count_of(wrong, raw.height)
    if invalid / raw.height > contract.data.quarantine.max_share:
        return _refusal(contract, batch, why_not(contract, raw, wrong, invalid), wrong, raw.height)
    return put(
        contract, heard, tables, batch=batch.name, fingerprint=batch.fingerprint, rows=rows,
        now=now, token=token, replaces=replaces, invalid=invalid,
    )  # fmt: skip


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
    """Return the labels to add: new ones, corrections, history, and those that were taken back."""
    last = heard.unique(LABEL_KEY, keep="last", maintain_order=True)
    older = heard.join(last, on=[*LABEL_KEY, KNOWN_AT], how="anti", nulls_equal=True)
    if before is None:
        first = last.with_columns(pl.lit(1, pl.Int64).alias(REVISION))
        return pl.concat([first, _history(older, first, None)])
    latest = latest_revisions(before)
    old = latest.select(
        *LABEL_KEY,
        pl.col(VALUE).alias("_old"),
        pl.col(KNOWN_AT).alias("_old_known"),
        pl.col(REVISION).alias("_old_revision"),
    )
    both = last.join(old, on=LABEL_KEY, how="left", nulls_equal=True, maintain_order="left")
    moment = pl.lit(now).cast(MOMENT)
    # A correction under an unchanged stamp became known when it arrived, or history would change.
    unchanged = pl.col(KNOWN_AT) <= pl.col("_old_known")
    later = pl.when(unchanged).then(pl.max_horizontal(moment, "_old_known")).otherwise(KNOWN_AT)
    first_time = pl.col("_old_revision").is_null()
    # What arrived before it and was known after it stands; this one was overtaken on its way.
    overtaken = pl.col(KNOWN_AT) < pl.col("_old_known")
    overtaken = (overtaken & pl.col("_old").is_not_null() & (pl.col(KNOWN_AT) < moment)).fill_null(
        value=False
    )
    older = pl.concat([older, both.filter(overtaken).select(heard.columns)])
    differs = pl.col(VALUE).ne_missing(pl.col("_old"))
    fresh = both.filter(first_time | (differs & ~overtaken)).with_columns(
        pl.when(first_time).then(KNOWN_AT).otherwise(later).alias(KNOWN_AT),
        (pl.col("_old_revision").fill_null(0) + 1).alias(REVISION),
    )
    fresh = fresh.select(*heard.columns, REVISION)
    if not older.is_empty():
        standing = latest_revisions(pl.concat([latest.select(fresh.columns), fresh]))
        fresh = pl.concat([fresh, _history(older, standing, before)])
    if not replaces:
        return fresh
    gone = latest.filter((pl.col(BATCH) == name) & pl.col(VALUE).is_not_null()).join(
        heard, on=LABEL_KEY, how="anti", nulls_equal=True
    )
    taken = gone.with_columns(
        pl.lit(None, pl.Float64).alias(VALUE),
        pl.max_horizontal(moment, KNOWN_AT).alias(KNOWN_AT),
        moment.alias(ARRIVED),
        pl.col(REVISION) + 1,
    )
    return pl.concat([fresh, taken.select(fresh.columns)])


def _history(
    older: pl.DataFrame, standing: pl.DataFrame, before: pl.DataFrame | None
) -> pl.DataFrame:
    """Return labels that were overtaken and say otherwise than what stands, each stored once."""
    now_said = standing.select(*LABEL_KEY, VALUE)
    other = older.join(now_said, on=[*LABEL_KEY, VALUE], how="anti", nulls_equal=True)
    if before is not None:
        other = other.join(before, on=[*LABEL_KEY, KNOWN_AT, VALUE], how="anti", nulls_equal=True)
    return other.with_columns(pl.lit(0, pl.Int64).alias(REVISION)).select(*older.columns, REVISION)


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


def _refusal(
    contract: Contract, batch: Batch, reasons: tuple[str, ...], wrong: Rules = (), rows: int = 0
) -> DataRefused:
    source = contract.data.label.source or contract.data.source
    return refused(
        batch,
        reasons,
        table=f"{contract.name}.{LABELS}",
        source=LABELS,
        owner=source.owner,
        rows=rows,
        broken={rule: int(mask.sum()) for rule, mask in wrong},
    )
