"""From stored rows to what the user's feature code sees: declared cleaning, point-in-time numbers.

The same two functions run in training, batch scoring and serving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core import rolling
from tamid.core.contract.cleaning import blanked, blanks
from tamid.core.contract.model import Aggregate, CleanStep
from tamid.core.errors import DataError
from tamid.core.values import ENTITY, KNOWN_AT, RULE, TIME
from tamid.core.written import form_of
from tamid.stages.data import entity_codes
from tamid.stages.reading import numbers_of

_ABSENT = -1
_LATEST = np.iinfo(np.int64).max
_PLACE, _CUT = "_place", "_cut"
# Rows whose events are copied at once: bounds the memory.
_AT_ONCE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """What one cleaning step did: rows before and after, and values it changed."""

    step: str
    before: int
    after: int
    changed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """A frame after all steps, and what each did."""

    frame: pl.DataFrame
    counts: tuple[StepCount, ...]


def clean(frame: pl.DataFrame, steps: Sequence[CleanStep]) -> Cleaned:
    """Apply the contract's cleaning steps in their order.

    Columns not named: all that fit the step. Tamid's own columns are never changed.

    Raises:
        DataError: a step names a column that is not there or does not fit it.
    """
    counts = []
    for step in steps:
        before = frame
        frame, changed = _step(frame, step)
        counts.append(
            StepCount(step=step.step, before=before.height, after=frame.height, changed=changed)
        )
    return Cleaned(frame=frame, counts=tuple(counts))


def assemble(
    rows: pl.DataFrame,
    events: Mapping[str, pl.DataFrame],
    aggregates: Mapping[str, Aggregate],
    cuts: Mapping[str, pl.Series] | None = None,
) -> pl.DataFrame:
    """Add one column per aggregate: a number over the events strictly before each row's moment.

    `events`: by name of the table, with `_entity` and `_time`; bad ones (`_rule`) do not count. A
    table that never brought anything counts as empty. An event at the row's own moment or later
    changes nothing. Counts (also of distinct values) of nothing are 0; other numbers are missing.
    `cuts`: by table the moment (n,) of each row by which an event had to be known (`_known_at`) to
    count; what came later is not seen, as it was not when the row was scored.

    Raises:
        DataError: an aggregate names a column that its table does not have or cannot compute on.
    """
    for table in dict.fromkeys(a.table for a in aggregates.values()):
        wanted = {n: a for n, a in aggregates.items() if a.table == table}
        found, cut = _good(events.get(table)), (cuts or {}).get(table)
        whole = _joined(rows, found, wanted)
        rows = whole if found is None or cut is None else as_known(whole, found, wanted, cut)
    return rows.select(*[c for c in rows.columns if c not in aggregates], *aggregates)


def as_known(
    rows: pl.DataFrame, events: pl.DataFrame, wanted: Mapping[str, Aggregate], cut: pl.Series
) -> pl.DataFrame:
    """Compute anew the numbers of those rows that an event was known too late for.

    `cut`: the moment (n,) of each row by which an event had to be known to count.
    """
    late = touched(rows, events, cut)
    for begin in range(0, late.height, _AT_ONCE):
        some = late[begin : begin + _AT_ONCE]
        alone = pl.col(_PLACE).cast(pl.String).alias(ENTITY)
        seen = some.select(_PLACE, ENTITY, _CUT).join(events, on=ENTITY)
        seen = seen.filter(pl.col(KNOWN_AT) <= pl.col(_CUT)).with_columns(alone)
        anew = _joined(some.with_columns(alone), seen.drop(_PLACE, _CUT), wanted)
        places = some.get_column(_PLACE)
        rows = rows.with_columns(
            rows.get_column(name).scatter(places, anew.get_column(name)) for name in wanted
        )
    return rows


def touched(rows: pl.DataFrame, events: pl.DataFrame, cut: pl.Series) -> pl.DataFrame:
    """Return the rows before which an event happened that was known only after their cut."""
    moments = rows.select(ENTITY, TIME, cut.alias(_CUT)).with_row_index(_PLACE)
    if events.is_empty() or moments.is_empty():
        return moments.clear()
    ordered = moments.drop_nulls().sort(TIME)
    cuts = ordered.get_column(_CUT).to_physical().to_numpy()
    earliest = np.append(np.minimum.accumulate(cuts[::-1])[::-1], np.iinfo(np.int64).max)
    happened = events.get_column(TIME).to_physical().fill_null(_LATEST).to_numpy()
    later = np.searchsorted(ordered.get_column(TIME).to_physical().to_numpy(), happened, "right")
    known = events.get_column(KNOWN_AT).to_physical().to_numpy()
    late = events.filter(pl.Series(known > earliest[later]))
    late = late.select(ENTITY, pl.col(TIME).alias("_at"), KNOWN_AT).unique()
    pairs = moments.join(late, on=ENTITY).filter(
        (pl.col("_at") < pl.col(TIME)) & (pl.col(KNOWN_AT) > pl.col(_CUT))
    )
    return moments.join(pairs.select(_PLACE).unique(), on=_PLACE, how="semi")


def _joined(
    rows: pl.DataFrame, events: pl.DataFrame | None, wanted: Mapping[str, Aggregate]
) -> pl.DataFrame:
    if events is None or events.is_empty() or rows.is_empty():
        return rows.with_columns(
            pl.lit(0.0 if a.function in ("count", "distinct") else None, pl.Float64).alias(n)
            for n, a in wanted.items()
        )
    events = events.filter(pl.col(TIME).is_not_null())
    theirs, codes = entity_codes(rows, events)
    times = events.get_column(TIME).to_physical().to_numpy()
    moments = rows.get_column(TIME)
    at = moments.to_physical().fill_null(np.iinfo(np.int64).min // 2).to_numpy()
    values = {name: _values(events, aggregate) for name, aggregate in wanted.items()}
    order = rolling.ordered(codes, times, _ties(wanted, values))
    found = {
        window: rolling.windows(order, theirs, at, _micros(window))
        for window in {a.window for a in wanted.values()}
    }
    return rows.with_columns(
        _computed(aggregate, values[name], order, found[aggregate.window]).alias(name)
        for name, aggregate in wanted.items()
    )


def _computed(
    aggregate: Aggregate,
    values: pl.Series | None,
    order: rolling.Ordered,
    found: rolling.Windows,
) -> pl.Series:
    if values is None:
        return pl.Series(rolling.count(found))
    sorted_values = values.gather(order.order)
    if aggregate.function == "last":
        place = rolling.last_place(found, sorted_values.is_not_null().to_numpy())
        last = pl.Series(place).replace(_ABSENT, None)
        return sorted_values.gather(last)
    if aggregate.function == "distinct":
        codes = sorted_values.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1
        owners = order.keys // order.width
        both = np.where(codes >= 0, owners * (codes.max(initial=0) + 1) + codes, _ABSENT)
        return pl.Series(rolling.distinct(found, both))
    if aggregate.function == "count":
        numbers = np.where(sorted_values.is_null().to_numpy(), np.nan, 1.0)
        return pl.Series(rolling.total(found, numbers)).fill_nan(0.0)
    numbers = sorted_values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    compute = {
        "sum": rolling.total,
        "mean": rolling.mean,
        "min": rolling.smallest,
        "max": rolling.largest,
    }[aggregate.function]
    return pl.Series(compute(found, numbers)).fill_nan(None)


def _values(events: pl.DataFrame, aggregate: Aggregate) -> pl.Series | None:
    if aggregate.column is None:
        return None
    if aggregate.column not in events.columns:
        raise DataError(
            f"table {aggregate.table!r} has no column {aggregate.column!r}",
            why="an aggregate is computed on it",
            fix="Add the column to the table's schema, or correct features.aggregates.",
        )
    values = events.get_column(aggregate.column)
    numeric = values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)
    if aggregate.function not in ("count", "last", "distinct") and not numeric:
        raise DataError(
            f"{aggregate.function} of {aggregate.table}.{aggregate.column} cannot be computed: "
            f"the column is {values.dtype}",
            fix="Give the column the type number in the table's schema, or use count or distinct.",
        )
    return values


def _ties(
    wanted: Mapping[str, Aggregate], values: Mapping[str, pl.Series | None]
) -> list[npt.NDArray[np.float64]]:
    """Rank the values of which the last is asked, so that events of one moment have one order."""
    asked = {a.column: values[name] for name, a in wanted.items() if a.function == "last"}
    return [
        column.rank("dense").cast(pl.Float64).fill_null(-1.0).to_numpy()
        for _, column in sorted(asked.items(), key=lambda item: item[0] or "")
        if column is not None
    ]


def _good(events: pl.DataFrame | None) -> pl.DataFrame | None:
    if events is None or RULE not in events.columns:
        return events
    return events.filter(pl.col(RULE).is_null())


def _micros(window: timedelta | None) -> int | None:
    return None if window is None else window // timedelta(microseconds=1)


def _step(frame: pl.DataFrame, step: CleanStep) -> tuple[pl.DataFrame, int]:
    if step.step == "drop_duplicates":
        keys = list(step.columns) or [c for c in (ENTITY, TIME) if c in frame.columns]
        _refuse_unknown(frame, step, keys)
        return frame.unique(keys, keep="first", maintain_order=True), 0
    columns = list(step.columns) or [
        c for c, kind in frame.schema.items() if not c.startswith("_") and _fits(step, kind)
    ]
    _refuse_unknown(frame, step, columns)
    after = frame.with_columns(_change(step, c, frame.schema[c]).alias(c) for c in columns)
    if step.step == "number":  # another type: every text that was there is another value now
        return after, sum(frame.height - frame.get_column(c).null_count() for c in columns)
    pairs = ((frame.get_column(c), after.get_column(c)) for c in columns)
    return after, sum(int(old.ne_missing(new).sum()) for old, new in pairs)


def _change(step: CleanStep, column: str, kind: pl.DataType) -> pl.Expr:
    value = pl.col(column)
    if step.step == "blank":
        return pl.when(_meaningless(step, value, kind)).then(None).otherwise(value)
    if step.step == "fill":
        return value.fill_null(pl.lit(step.value))
    if step.step == "number":
        return numbers_of(value, form_of(step))
    if step.step == "clip":
        return value.clip(step.low, step.high)
    return value.str.to_lowercase() if step.step == "lower" else value.str.strip_chars()


def _meaningless(step: CleanStep, value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    found = [value == pl.lit(v) for v in blanks(step, _word_of(kind))]
    found += [] if step.low is None else [value < step.low]
    found += [] if step.high is None else [value > step.high]
    return pl.any_horizontal(found) if found else pl.lit(value=False)


def _word_of(kind: pl.DataType) -> str:
    return "boolean" if kind == pl.Boolean else "text" if kind == pl.String else "number"


def _fits(step: CleanStep, kind: pl.DataType) -> bool:
    if step.step == "blank":
        known = kind.is_numeric() or kind in (pl.Boolean, pl.String)
        return known and blanked(step, _word_of(kind))
    if step.step == "fill":
        if isinstance(step.value, bool):
            return kind == pl.Boolean
        return kind == pl.String if isinstance(step.value, str) else kind.is_numeric()
    return kind.is_numeric() if step.step == "clip" else kind == pl.String


def _refuse_unknown(frame: pl.DataFrame, step: CleanStep, columns: Sequence[str]) -> None:
    problems = [f"there is no column {c!r}" for c in columns if c not in frame.columns]
    if step.step != "drop_duplicates":
        problems += [
            f"column {c!r} is {frame.schema[c]}"
            for c in columns
            if c in frame.columns and not _fits(step, frame.schema[c])
        ]
    if problems:
        raise DataError(
            f"cleaning step {step.step!r}: {'; '.join(problems)}",
            why="a step must fit every column that it names",
            fix="Correct the columns of the step in the contract's block `clean`.",
        )
