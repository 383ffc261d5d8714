"""What every store of tables does to a frame: one map of types, one digest, one cache.

Type map (stored columns keep their type for ever):

=====================================  ===========================================================
as it comes                            as it is stored
=====================================  ===========================================================
integers, signed and unsigned          Int64 (above 2**63-1: refused)
Float32, Float64, Decimal              Float64
Boolean, String, Binary                themselves
Categorical, Enum                      String
Date                                   itself
Datetime with any zone, any unit       Datetime in UTC, microseconds (finer parts are cut off)
Datetime without a zone                Datetime without a zone, microseconds
Duration                               Int64, microseconds
Null (nothing but missing values)      the stored column's type, or String
List, Array, Struct, Object, Time      refused
=====================================  ===========================================================

A column that is stored as Float64 takes integers too; any other change of type is refused.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from tamid.core.errors import DataError, NotFound
from tamid.core.values import PERIOD, digest_of

_LARGEST = 2**63 - 1
_AS_THEY_ARE: tuple[pl.DataType, ...] = (
    pl.Int64(),
    pl.Float64(),
    pl.Boolean(),
    pl.String(),
    pl.Binary(),
    pl.Date(),
    pl.Datetime("us"),
    pl.Datetime("us", "UTC"),
    pl.Null(),
)


class SliceCache:
    """The slices used last, up to a number of bytes.

    What stands under a digest never changes, so that nothing here can be out of date.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held: OrderedDict[str, tuple[pl.DataFrame, float]] = OrderedDict()
        self._bytes = 0.0

    def get(self, digest: str) -> pl.DataFrame | None:
        """Return the slice with this content, if it is held."""
        held = self._held.get(digest)
        if held is None:
            return None
        self._held.move_to_end(digest)
        return held[0]

    def put(self, digest: str, part: pl.DataFrame) -> None:
        """Hold a slice and let go of those not used for longest."""
        if digest not in self._held:
            size = float(part.estimated_size())
            self._held[digest] = (part, size)
            self._bytes += size
        while self._bytes > self._most:
            self._bytes -= self._held.popitem(last=False)[1][1]


def storable(frame: pl.DataFrame, stored: Mapping[str, pl.DataType] | None = None) -> pl.DataFrame:
    """Return the frame in stored types, fitted to the columns that are stored already.

    Raises:
        DataError: a column cannot be stored or changes its type; all such columns are named.
    """
    problems: list[str] = []
    columns: list[pl.Series] = []
    for series in frame.get_columns():
        try:
            columns.append(_fit(_stored(series), (stored or {}).get(series.name)))
        except DataError as error:
            problems.append(error.what)
    if problems:
        raise DataError(
            "; ".join(problems),
            why="a stored column keeps one type for ever, so that every version reads the same",
            fix="Give the column one of the contract's types, or leave it out.",
        )
    if PERIOD not in frame.columns or frame.get_column(PERIOD).null_count():
        raise DataError(
            f"every stored row needs a {PERIOD}", why="tables are cut into slices by it"
        )
    return pl.DataFrame(columns)


def slices_of(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Cut a frame into its slices, by period, without the column of the period."""
    parts = frame.partition_by(PERIOD, as_dict=True, include_key=False, maintain_order=True)
    return {str(key[0]): part for key, part in sorted(parts.items())}


def joined(old: pl.DataFrame | None, new: pl.DataFrame) -> pl.DataFrame:
    """Return old and new rows; columns that either lacks are missing values there."""
    return new if old is None else pl.concat([old, new], how="diagonal_relaxed")


def stacked(
    slices: Mapping[str, pl.DataFrame],
    schema: Mapping[str, pl.DataType],
    columns: Sequence[str] | None,
) -> pl.DataFrame:
    """Return slices as one frame with all columns of the schema, or some.

    Raises:
        NotFound: the table has no such column.
    """
    if columns is not None:
        missing = [name for name in columns if name not in schema]
        if missing:
            raise NotFound(f"the table has no column {', '.join(missing)}")
        schema = {name: schema[name] for name in columns}
    wanted = {name: kind for name, kind in schema.items() if name != PERIOD}
    if not slices:
        return pl.DataFrame(schema=dict(schema))
    parts = [_widened(part, wanted) for part in slices.values()]
    names = pl.Series(PERIOD, list(slices))
    if len(parts) == 1:
        periods = names.new_from_index(0, next(iter(slices.values())).height)
    else:
        lengths = [part.height for part in slices.values()]
        periods = names.gather(np.repeat(np.arange(len(parts)), lengths))
    if not wanted:
        return periods.to_frame().select(list(schema))
    whole = parts[0] if len(parts) == 1 else pl.concat(parts)
    return pl.DataFrame([periods if n == PERIOD else whole.get_column(n) for n in schema])


def slice_digest(frame: pl.DataFrame) -> str:
    """Return the digest of a slice's content, whatever the order of its rows and columns.

    Columns without any value do not count, so that a column added later changes no older slice.
    -0.0 counts as 0.0, and every NaN as the same NaN.
    """
    names = [n for n in sorted(frame.columns) if frame.get_column(n).null_count() < frame.height]
    whole = hashlib.sha256(f"{frame.height}".encode())
    if not names:
        return whole.hexdigest()
    canonical = frame.select(_plain(n, frame.schema[n]) for n in names).sort(names)
    for series in canonical.get_columns():
        whole.update(f"\x00{series.name}\x00{frame.schema[series.name]}\x00".encode())
        if series.null_count():
            whole.update(np.packbits(series.is_null().to_numpy()).tobytes())
        for content in _bytes(series):
            whole.update(content)
    return whole.hexdigest()


def root_digest(slices: Mapping[str, str]) -> str:
    """Return the digest over all slices of a table."""
    return digest_of({"slices": dict(slices)})


def _stored(series: pl.Series) -> pl.Series:
    kind = series.dtype
    if kind in _AS_THEY_ARE:
        return series
    if kind.is_integer():
        if kind in (pl.UInt64, pl.Int128, pl.UInt128) and series.len() and _beyond(series):
            raise DataError(f"column {series.name!r} holds integers above {_LARGEST}")
        return series.cast(pl.Int64)
    if kind.is_float() or kind.is_decimal():
        return series.cast(pl.Float64)
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        return series.cast(pl.String)
    if isinstance(kind, pl.Datetime):
        exact = series.dt.cast_time_unit("us")
        return exact.dt.convert_time_zone("UTC") if kind.time_zone else exact
    if isinstance(kind, pl.Duration):
        return series.dt.total_microseconds()
    raise DataError(f"column {series.name!r} is of type {kind}, which cannot be stored")


def _beyond(series: pl.Series) -> bool:
    largest = series.max()
    return isinstance(largest, int) and largest > _LARGEST


def _fit(series: pl.Series, stored: pl.DataType | None) -> pl.Series:
    if series.dtype == pl.Null:
        return series.cast(stored or pl.String())
    if stored is None or series.dtype == stored:
        return series
    if stored == pl.Float64 and series.dtype == pl.Int64:
        return series.cast(pl.Float64)
    if series.null_count() == series.len():
        return pl.Series(series.name, [None] * series.len(), dtype=stored)
    raise DataError(f"column {series.name!r} was {stored} and now comes as {series.dtype}")


def _widened(part: pl.DataFrame, wanted: Mapping[str, pl.DataType]) -> pl.DataFrame:
    there = part.schema
    if dict(there) == dict(wanted):
        return part if part.columns == list(wanted) else part[list(wanted)]
    # Column by column: a query for every slice of a table takes several times as long.
    return pl.DataFrame(
        [
            # A column without any value may be of any type: a digest does not see it.
            part.get_column(n).cast(kind)
            if n in there
            else pl.repeat(None, part.height, dtype=kind, eager=True).alias(n)
            for n, kind in wanted.items()
        ]
    )


def _plain(name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column as integers, booleans, bytes or texts: exact, sortable, without a zone."""
    column = pl.col(name)
    if kind == pl.Float64:
        return pl.when(column.is_nan()).then(float("nan")).otherwise(column + 0.0).alias(name)
    return column.to_physical() if kind.is_temporal() else column


def _bytes(series: pl.Series) -> tuple[bytes, ...]:
    if series.dtype == pl.String:
        series = series.cast(pl.Binary)
    if series.dtype == pl.Binary:
        values = [v or b"" for v in series.to_list()] if series.null_count() else series.to_list()
        lengths = np.fromiter(map(len, values), dtype="<u4", count=len(values))
        return lengths.tobytes(), b"".join(values)
    if series.null_count():
        series = series.fill_null(False if series.dtype == pl.Boolean else 0)
    values_ = series.to_numpy()
    return (values_.astype(values_.dtype.newbyteorder("<"), copy=False).tobytes(),)
