"""From a set's Parquet file to a world: what the model may see, in weeks, oldest first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tamid.core.errors import DataError
from tamid.core.learning.model import Feature, Floats, Ints
from tamid.core.values import Task
from tamid.loopbench.descriptions import Description
from tamid.loopbench.world import (
    DELAY_CHUNKS,
    DELAY_TIME,
    SHORT_HISTORY,
    WARM_UP,
    WARM_UP_SHORT,
    World,
)

# Periods of real time, coarsest first; the first that gives enough full ones is "a week".
_UNITS = ("1w", "1d", "1h")
_FEWEST_PERIODS = 40
# A period must hold so many rows (median), else the set is cut into chunks in order of time.
_FEWEST_ROWS = 100
# Without weeks: two years of equal chunks, but none smaller than this many rows.
_CHUNKS, _SMALLEST_CHUNK = 104, 60
# Fewer than this cannot hold a warm-up, an event and the weeks after it.
_FEWEST_WEEKS = 32
# More words than this share one: a model splits on no rarer ones, and an id is no feature.
_MOST_WORDS = 200
# More columns than this are not read (the widest first by order of the file).
_MOST_COLUMNS = 500


def load(described: Description) -> World:
    """Read one set.

    Raises:
        DataError: a file that is no Parquet, a missing column, too few rows, a target of one value.
    """
    try:
        frame = pl.read_parquet(described.path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{described.path.name} cannot be read: {error}") from error
    if described.target not in frame.columns:
        raise DataError(f"{described.path.name} has no column {described.target!r} (the target)")
    # A gap comes as null or, from a column of numbers, as NaN.
    told = frame.get_column(described.target)
    frame = frame.filter(
        told.is_not_null() & (told.is_not_nan() if told.dtype.is_float() else True)
    )
    frame, start, timed = _in_weeks(frame, described.time)
    y, classes = _target(frame.get_column(described.target), described)
    hidden = described.dropped | {described.target, described.time or ""}
    shown = [c for c in frame.columns if c not in hidden][:_MOST_COLUMNS]
    features, columns = _features(frame, shown)
    if not features:
        raise DataError(f"{described.path.name} leaves no column that a model could see")
    weeks = len(start) - 1
    delay = DELAY_TIME if timed else DELAY_CHUNKS
    warm = WARM_UP if weeks >= SHORT_HISTORY else WARM_UP_SHORT
    return World(
        name=described.name, task=described.task, classes=classes, features=features,
        values=np.column_stack(columns), y=y, told=y, start=start,
        lag=np.full(weeks, delay, dtype=np.int64), delay=delay, warm_up=warm,
        scale=_scale(described.task, y[: start[warm]]),
    )  # fmt: skip


def _in_weeks(frame: pl.DataFrame, time: str | None) -> tuple[pl.DataFrame, Ints, bool]:
    """Return the rows in order of time, the offsets of their weeks, and whether time is real."""
    moments = _moments(frame, time)
    if moments is None:
        if time is not None and time in frame.columns:
            frame = frame.sort(time, nulls_last=True, maintain_order=True)
        return frame, _chunks(frame.height), False
    order = moments.arg_sort(nulls_last=True)
    frame, moments = frame[order], moments[order]
    for unit in _UNITS:
        start = _cuts(moments.dt.truncate(unit).to_physical().to_numpy())
        sizes = np.diff(start)
        if len(sizes) >= _FEWEST_PERIODS and np.median(sizes) >= _FEWEST_ROWS:
            return frame, _without_stubs(start), True
    return frame, _chunks(frame.height), True


def _moments(frame: pl.DataFrame, time: str | None) -> pl.Series | None:
    if time is None or time not in frame.columns:
        return None
    column = frame.get_column(time)
    if column.dtype == pl.String:
        column = column.str.to_datetime(strict=False)
    if not column.dtype.is_temporal() or column.null_count() > frame.height // 100:
        return None
    return column.cast(pl.Datetime("us"))


def _cuts(codes: Ints) -> Ints:
    changed = np.flatnonzero(np.diff(codes) != 0) + 1
    return np.concatenate([[0], changed, [len(codes)]]).astype(np.int64)


def _without_stubs(start: Ints) -> Ints:
    """Join weeks of too few rows to the week before: holes at both ends are no weeks."""
    least = float(np.median(np.diff(start))) / 10
    kept = [int(start[0])]
    for cut in start[1:-1]:
        if cut - kept[-1] >= least:
            kept.append(int(cut))
    if len(kept) > 1 and start[-1] - kept[-1] < least:
        kept.pop()
    return np.asarray([*kept, int(start[-1])], dtype=np.int64)


def _chunks(rows: int) -> Ints:
    count = min(_CHUNKS, rows // _SMALLEST_CHUNK)
    if count < _FEWEST_WEEKS:
        raise DataError(
            f"{rows} rows are too few for a history of {_FEWEST_WEEKS} weeks",
            fix=f"Give at least {_FEWEST_WEEKS * _SMALLEST_CHUNK} rows, or take the set out.",
        )
    return np.linspace(0, rows, count + 1).round().astype(np.int64)


def _target(column: pl.Series, described: Description) -> tuple[Floats, int]:
    if described.task is Task.REGRESSION:
        return _numbers(column.cast(pl.Float64, strict=False), described), 0
    words = column.cast(pl.String)
    names = words.unique().sort().to_list()
    if len(names) < 2:
        raise DataError(f"{described.path.name}: the target has only one value")
    if described.task is Task.BINARY:
        positive = names[-1] if described.positive is None else _as_word(described.positive, column)
        if positive not in names:
            raise DataError(f"{described.path.name}: no row has the positive value {positive!r}")
        return (words == positive).cast(pl.Float64).to_numpy(), 2
    code = {name: float(i) for i, name in enumerate(names)}
    return np.asarray([code[w] for w in words], dtype=np.float64), len(names)


def _as_word(positive: object, column: pl.Series) -> str:
    """Write the positive value as the column's own type is written: 1 in a float column is 1.0."""
    return str(pl.Series([positive]).cast(column.dtype, strict=False).cast(pl.String)[0])


def _numbers(column: pl.Series, described: Description) -> Floats:
    values = column.to_numpy()
    if not np.isfinite(values).all() or np.ptp(values) == 0:
        raise DataError(f"{described.path.name}: the target is not all numbers, or all one number")
    return np.asarray(values, dtype=np.float64)


def _features(
    frame: pl.DataFrame, names: Sequence[str]
) -> tuple[tuple[Feature, ...], list[Floats]]:
    features: list[Feature] = []
    columns: list[Floats] = []
    for name in names:
        column = frame.get_column(name)
        if column.dtype.is_nested() or column.n_unique() < 2:
            continue
        if column.dtype.is_numeric() or column.dtype == pl.Boolean:
            columns.append(column.cast(pl.Float64).to_numpy().astype(np.float64))
            features.append(Feature(name=name))
        elif column.dtype.is_temporal():
            columns.append(column.to_physical().cast(pl.Float64).to_numpy().astype(np.float64))
            features.append(Feature(name=name))
        else:
            words, codes = _words(column.cast(pl.String))
            columns.append(codes)
            features.append(Feature(name=name, kind="category", categories=words))
    return tuple(features), columns


def _words(column: pl.Series) -> tuple[tuple[str, ...], Floats]:
    counted = column.drop_nulls().value_counts(sort=True)
    frequent = counted.get_column(column.name).head(_MOST_WORDS).to_list()
    words = tuple(sorted(str(w) for w in frequent))
    code = {word: float(i) for i, word in enumerate(words)}
    if counted.height > _MOST_WORDS:
        words = (*words, "(another)")
    other = float(len(words) - 1)
    return words, np.asarray([np.nan if w is None else code.get(w, other) for w in column])


def _scale(task: Task, y: Floats) -> float:
    if task is not Task.REGRESSION:
        return 1.0
    return float(np.abs(y - np.median(y)).mean()) or 1.0
