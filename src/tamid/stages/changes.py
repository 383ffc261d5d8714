"""What a batch changes in a stored table: rows to add, and rows that a new version took back.

A stored row is never altered. A row that comes again unchanged is not stored again; a changed one
is stored beside the old one and wins because it arrived later, also of two that came in one tick;
one that a new version of its batch no longer holds is taken back by a copy whose rule is `REMOVED`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from tamid.core.values import ARRIVED, BATCH, ENTITY, KNOWN_AT, PERIOD, RULE, TIME

REMOVED = "removed"

KEY = [ENTITY, TIME]
_COPY = "_copy"
_HELD = "_held"
_RIVAL = "_rival"
_NEXT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What to append for a batch, and how many of its rows are `new` or `changed`.

    `removed`: rows that it took back. `rivals`: batches of the same tick whose rows it changed.
    `volume`: new rows of each period.
    """

    frame: pl.DataFrame
    new: int
    changed: int = 0
    removed: int = 0
    rivals: tuple[str, ...] = ()
    volume: Mapping[str, int] = field(default_factory=dict)


def all_new(batch: pl.DataFrame) -> Change:
    """Return the change of a batch before which nothing was stored."""
    return Change(frame=batch, new=batch.height, volume=_volume(batch))


def changed_rows(
    current: pl.DataFrame, batch: pl.DataFrame, name: str, now: datetime, *, replaces: bool
) -> Change:
    """Return what to append for rows of which an entity has one per moment."""
    if current.is_empty():
        return all_new(batch)
    latest = newest(current)
    content = [c for c in batch.columns if c not in (BATCH, KNOWN_AT, ARRIVED)]
    fresh = batch.join(_like(latest, batch), on=content, how="anti", nulls_equal=True)
    held = latest.select(*KEY, pl.col(ARRIVED).alias(_HELD), pl.col(BATCH).alias(_RIVAL))
    fresh = fresh.join(held, on=KEY, how="left", nulls_equal=True, maintain_order="left")
    rivals = fresh.filter(pl.col(_HELD) >= pl.col(ARRIVED)).get_column(_RIVAL).unique().sort()
    unheard = fresh.filter(pl.col(_HELD).is_null())
    # Of two versions that came in one tick the later file's counts: it arrives a moment later.
    fresh = fresh.with_columns(
        pl.max_horizontal(ARRIVED, pl.col(_HELD) + _NEXT).alias(ARRIVED)
    ).drop(_HELD, _RIVAL)
    gone = latest.clear()
    if replaces:
        own = (pl.col(BATCH) == name) & pl.col(RULE).ne_missing(REMOVED)
        gone = latest.filter(own).join(batch, on=KEY, how="anti", nulls_equal=True)
        fresh = pl.concat([fresh, _taken_back(gone, now)], how="diagonal_relaxed")
    return Change(
        frame=fresh,
        new=unheard.height,
        changed=fresh.height - unheard.height - gone.height,
        removed=gone.height,
        rivals=tuple(rivals),
        volume=_volume(unheard),
    )


def changed_events(
    current: pl.DataFrame, batch: pl.DataFrame, name: str, now: datetime, *, replaces: bool
) -> Change:
    """Return what to append for events, of which equal ones may stand side by side.

    An event that another batch brought already is the same event, told twice.
    """
    if current.is_empty():
        return all_new(batch)
    live = standing(_like(current, batch))
    content = [c for c in batch.columns if c not in (BATCH, KNOWN_AT, ARRIVED)]
    numbered, held = _numbered(batch, content), _numbered(live, content)
    new = numbered.join(held, on=[*content, _COPY], how="anti", nulls_equal=True).drop(_COPY)
    if not replaces:
        return Change(frame=new, new=new.height)
    own = _numbered(live.filter(pl.col(BATCH) == name), content)
    gone = own.join(numbered, on=[*content, _COPY], how="anti", nulls_equal=True).drop(_COPY)
    both = pl.concat([new, _taken_back(gone, now)], how="diagonal_relaxed")
    return Change(frame=both, new=new.height, removed=gone.height)


def newest(frame: pl.DataFrame) -> pl.DataFrame:
    """Return, of each entity and moment, the row that arrived last: one, whatever is stored."""
    if frame.get_column(ARRIVED).n_unique() > 1:
        frame = frame.sort(ARRIVED, maintain_order=True)
    return frame.unique(KEY, keep="last", maintain_order=True)


def standing(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the events that were not taken back."""
    removed = frame.filter(pl.col(RULE) == REMOVED)
    kept = frame.filter(pl.col(RULE).ne_missing(REMOVED))
    if removed.is_empty():
        return kept
    content = [c for c in frame.columns if c not in (KNOWN_AT, ARRIVED, RULE)]
    left = _numbered(kept.sort(ARRIVED), content).join(
        _numbered(removed, content), on=[*content, _COPY], how="anti", nulls_equal=True
    )
    return left.drop(_COPY)


def row_names(frame: pl.DataFrame) -> pl.Series:
    """Name each row by its content, equal rows by their number among equals."""
    texts = [
        pl.concat_str(pl.lit(n + "="), pl.col(n).cast(pl.String).fill_null("\x00"))
        for n in sorted(frame.columns)
    ]
    lines = frame.select(pl.concat_str(texts, separator="\x1f")).to_series().to_list()
    seen: dict[str, int] = {}
    names = []
    for line in lines:
        digest = hashlib.sha256(line.encode()).hexdigest()[:20]
        again = seen[digest] = seen.get(digest, -1) + 1
        names.append(f"{digest}-{again}" if again else digest)
    return pl.Series(ENTITY, names, dtype=pl.String)


def _volume(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.get_column(PERIOD).value_counts().sort(PERIOD).iter_rows())


def _taken_back(gone: pl.DataFrame, now: datetime) -> pl.DataFrame:
    moment = pl.lit(now).cast(pl.Datetime("us", "UTC"))
    return gone.with_columns(
        pl.lit(REMOVED).alias(RULE), moment.alias(KNOWN_AT), moment.alias(ARRIVED)
    )


def _numbered(frame: pl.DataFrame, content: Sequence[str]) -> pl.DataFrame:
    return frame.with_columns(pl.int_range(pl.len()).over(content).alias(_COPY))


def _like(stored: pl.DataFrame, batch: pl.DataFrame) -> pl.DataFrame:
    """Give stored rows the columns and types of a batch, so that both can be compared."""
    columns = [
        (pl.col(n).cast(kind, strict=False) if n in stored.columns else pl.lit(None, kind)).alias(n)
        for n, kind in batch.schema.items()
    ]
    return stored.select(columns)
