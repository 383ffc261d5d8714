"""A view's features as steps: for each entity the moments at which one changes, and to what.

Computed once, they answer for any row by one as-of join: the last step up to the row's moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core.contract.model import Aggregate
from tamid.core.values import ENTITY, KNOWN_AT, TIME
from tamid.stages import features
from tamid.stages.data import entity_codes

_TICK = timedelta(microseconds=1)
_NEVER = np.iinfo(np.int64).min
_TABLE = "view"


def delayed(events: pl.DataFrame, delay: timedelta) -> pl.DataFrame:
    """Return events at the last moment at which they do not count yet."""
    return events.with_columns(pl.col(TIME) + (delay - _TICK)) if delay else events


def shortened(aggregates: Mapping[str, Aggregate], delay: timedelta) -> dict[str, Aggregate]:
    """Return aggregates over :func:`delayed` events that say what they said over the events."""
    if not delay:
        return dict(aggregates)
    return {
        name: replace(a, window=None if a.window is None else a.window - (delay - _TICK))
        for name, a in aggregates.items()
    }


def steps(
    events: pl.DataFrame, aggregates: Mapping[str, Aggregate], delay: timedelta
) -> pl.DataFrame:
    """Return the steps of good events, by moment: `_entity`, `_time` and one column a feature.

    An event at time s counts for rows at t if s < t, s + delay <= t and t - window <= s. Rows with
    `_known_at` are no steps: they mark an event that was known later than that, from `_time` on.
    """
    known = events.filter(pl.col(TIME).is_not_null() & pl.col(ENTITY).is_not_null())
    known = delayed(known, delay)
    short = shortened({n: replace(a, table=_TABLE) for n, a in aggregates.items()}, delay)
    spans = sorted({a.window for a in short.values() if a.window is not None})
    begins = known.select(ENTITY, pl.col(TIME) + _TICK)
    ends = [known.select(ENTITY, pl.col(TIME) + span + _TICK) for span in spans]
    moments = pl.concat([begins, *ends]).unique().sort(TIME, ENTITY)
    found = features.assemble(moments, {_TABLE: known}, short)
    late = known.filter(pl.col(KNOWN_AT) > pl.col(TIME) + _TICK)
    marks = late.select(ENTITY, TIME, KNOWN_AT).unique().sort(TIME, ENTITY, KNOWN_AT)
    return pl.concat([found, marks], how="diagonal_relaxed").sort(TIME, maintain_order=True)


def seen(
    rows: pl.DataFrame, found: pl.DataFrame, aggregates: Mapping[str, Aggregate]
) -> pl.DataFrame:
    """Add to each row what its entity's last step up to its moment says, in the order of rows.

    Of an entity without steps, and for a row without a moment, counts are 0 and the rest missing.
    """
    place = _last_steps(rows, found)
    taken = found.select(list(aggregates))[np.maximum(place, 0)] if found.height else None
    there = pl.Series(place >= 0)
    answers = []
    for name, aggregate in aggregates.items():
        none = 0.0 if aggregate.function in ("count", "distinct") else None
        kind = found.schema.get(name, pl.Float64())
        value = pl.lit(None, kind) if taken is None else taken.get_column(name)
        answer = pl.select(pl.when(there).then(value)).to_series()
        answers.append((answer if none is None else answer.fill_null(none)).alias(name))
    return rows.with_columns(answers)


def parted(found: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the steps, and the marks of events that were known late."""
    if found.get_column(KNOWN_AT).null_count() == found.height:
        return found, found.clear()
    marked = pl.col(KNOWN_AT).is_not_null()
    return found.filter(~marked), found.filter(marked)


def _last_steps(rows: pl.DataFrame, found: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Return the place of each row's step, -1 where there is none; steps are sorted by moment.

    A number of entity and place orders all steps at once, which takes a fraction of the time of a
    join that groups them by name. Of the entity it holds some bits of a hash: where two entities
    share them, the step that is found may be another's, and those rows are looked up by name.
    """
    moments = rows.get_column(TIME).to_physical().fill_null(_NEVER).to_numpy()
    bits = found.height.bit_length()
    owners = _hashes(rows, bits)
    place = _searched(found, _hashes(found, bits), owners, moments, bits)
    names = found.get_column(ENTITY).gather(np.maximum(place, 0)) if found.height else None
    if names is None:
        return place
    other = (place >= 0) & names.ne_missing(rows.get_column(ENTITY)).to_numpy()
    if other.any():
        some = rows.filter(pl.Series(other))
        theirs, codes = entity_codes(some, found)
        place[other] = _searched(found, codes, theirs, moments[other], bits)
    return place


def _hashes(frame: pl.DataFrame, bits: int) -> npt.NDArray[np.int64]:
    """Return as many bits of each entity's hash as leave `bits` of a positive number free."""
    hashed = frame.get_column(ENTITY).hash(seed=0).to_numpy()
    return np.asarray(hashed >> np.uint64(bits + 1), dtype=np.int64)


def _searched(
    found: pl.DataFrame,
    codes: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int64],
    moments: npt.NDArray[np.int64],
    bits: int,
) -> npt.NDArray[np.int64]:
    """Return the last place up to each moment that has the owner's code, -1 without one."""
    times = found.get_column(TIME).to_physical().to_numpy()
    keys = np.sort((codes << bits) + np.arange(len(codes)))
    order = np.argsort(moments)
    wanted = owners << bits
    wanted[order] += np.searchsorted(times, moments[order], side="right")
    order = np.argsort(wanted)
    last = np.full(len(wanted), -1, dtype=np.int64)
    at = np.searchsorted(keys, wanted[order]) - 1
    mine = np.flatnonzero(at >= 0)
    mine = mine[keys[at[mine]] >> bits == owners[order[mine]]]
    last[order[mine]] = keys[at[mine]] & ((1 << bits) - 1)
    return last
