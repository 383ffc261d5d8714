"""What the columns of a file hold, as counts: first as texts, then in their types.

Nothing is decided here but what can be counted; `core/adoption` decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core.adoption.columns import MOST_LEVELS, Facts, Kind
from tamid.core.adoption.forms import TextColumn
from tamid.core.written import ISO, moment_pattern
from tamid.stages.reading import typed

Floats = npt.NDArray[np.float64]

# A sign, digits and the marks that stand among them.
_DIGITS = r"^[+-]?[.,]?[0-9](?:[0-9.,'\x{2019} \x{00a0}\x{202f}]*[0-9.,])?(?:[eE][+-]?[0-9]+)?$"
# Words told of a column; a text that means a missing value is among its most frequent ones.
_WORDS = 50
_QUARTERS = 4
# A run of digits stands for all of its length (to four) and of whether it begins with a zero.
_SHAPES = (
    (r"[1-9]", "1"),
    (r"(^|[^01])0[01]{3,}", "${1}0111"),
    (r"(^|[^01])1[01]{3,}", "${1}1111"),
    (r"(^|[^01])0[01]{2}($|[^01])", "${1}011${2}"),
    (r"(^|[^01])1[01]{2}($|[^01])", "${1}111${2}"),
    (r"(^|[^01])0[01]($|[^01])", "${1}01${2}"),
    (r"(^|[^01])1[01]($|[^01])", "${1}11${2}"),
)


def texts(frame: pl.DataFrame) -> tuple[TextColumn, ...]:
    """Count, for each column of texts, what its texts look like; other columns are left out."""
    return tuple(_text(c) for c in frame.get_columns() if c.dtype == pl.String)


def facts(
    frame: pl.DataFrame, kinds: Mapping[str, Kind], timezone: str, by: str | None
) -> tuple[Facts, ...]:
    """Count what each column holds in its type; `by`: the column of moments, if there is one.

    Raises:
        BatchRefused: a column of moments mixes such with a time zone and such without.
    """
    order = None
    if by is not None:
        moments = typed(frame.get_column(by), "datetime", timezone).values
        order = moments.rank("ordinal").cast(pl.Int64)
    return tuple(
        _facts(typed(frame.get_column(n), k, timezone).values, k, order) for n, k in kinds.items()
    )


def numbers(frame: pl.DataFrame, name: str, kind: Kind, timezone: str) -> Floats:
    """Return a column (n,) as numbers, words by their code, NaN where a value is missing."""
    values = typed(frame.get_column(name), kind, timezone).values
    if values.dtype == pl.String:
        values = values.rank("dense")
    elif values.dtype.is_temporal():
        values = values.to_physical()
    return np.asarray(values.cast(pl.Float64).fill_null(float("nan")).to_numpy(), dtype=np.float64)


def later(frame: pl.DataFrame, name: str, time: str, timezone: str) -> float:
    """Return the share of rows in which a moment lies behind the row's own."""
    own, other = (typed(frame.get_column(n), "datetime", timezone).values for n in (time, name))
    return int((other > own).sum()) / max(frame.height, 1)


def spacing(frame: pl.DataFrame, time: str, timezone: str) -> tuple[int, timedelta, timedelta]:
    """Return how many moments rows have, the usual distance between them, and their whole span."""
    moments = typed(frame.get_column(time), "datetime", timezone).values.drop_nulls()
    distinct = moments.unique().sort()
    if distinct.len() < 2:
        return distinct.len(), timedelta(0), timedelta(0)
    usual = distinct.diff().drop_nulls().median()
    low, high = distinct.min(), distinct.max()
    assert isinstance(usual, timedelta)
    assert isinstance(low, datetime)
    assert isinstance(high, datetime)
    return distinct.len(), usual, high - low


def repeated(frame: pl.DataFrame, keys: list[str]) -> float:
    """Return the share of rows that say something about a key that another row is about, too."""
    return 1 - frame.select(keys).n_unique() / max(frame.height, 1)


def _text(column: pl.Series) -> TextColumn:
    bare = column.str.strip_chars()
    counted = bare.filter(bare.is_not_null() & (bare != "")).rename("text").value_counts(name="n")
    value, n = pl.col("text"), pl.col("n")
    slashed = moment_pattern("dmy")
    parts = value.str.extract_groups(slashed).struct
    is_number = value.str.contains(_DIGITS)
    iso, either = value.str.contains(ISO), value.str.contains(slashed)
    words = counted.filter(~is_number)
    top = words.sort("n", "text", descending=[True, False]).head(_WORDS)
    shaped = counted.filter(is_number).select(_shape(value).alias("shape"), "n")
    shapes = shaped.group_by("shape").agg(n.sum()).sort("shape")
    told = counted.select(
        values=n.sum(),
        iso=n.filter(iso).sum(),
        slashed=n.filter(either).sum(),
        year_first=n.filter(value.str.contains(moment_pattern("ymd")) & ~iso).sum(),
        first=parts.field("1").cast(pl.Int64).max().fill_null(0),
        second=parts.field("2").cast(pl.Int64).max().fill_null(0),
        example=value.filter(either).min().fill_null(""),
    ).row(0, named=True)
    return TextColumn(
        name=column.name,
        shapes=dict(shapes.iter_rows()),
        words=dict(top.iter_rows()),
        other=int(words.get_column("n").sum()),
        **told,
    )


def _shape(value: pl.Expr) -> pl.Expr:
    for pattern, shape in _SHAPES:
        # Twice, since the mark behind one run is the mark before the next.
        value = value.str.replace_all(pattern, shape).str.replace_all(pattern, shape)
    return value


def _facts(values: pl.Series, kind: Kind, order: pl.Series | None) -> Facts:
    known = values.drop_nulls()
    low = high = None
    levels: tuple[tuple[str, int], ...] = ()
    if kind in ("number", "integer") and known.len():
        low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
    distinct = known.n_unique()
    if kind == "category" and distinct <= MOST_LEVELS:
        counts = known.rename("word").value_counts(name="n").sort("word")
        levels = tuple(counts.iter_rows())
    return Facts(
        name=values.name,
        kind=kind,
        rows=values.len(),
        missing=values.null_count(),
        distinct=distinct,
        low=low,
        high=high,
        levels=levels,
        steady=order is None or not levels or _steady(values, order),
    )


def _steady(values: pl.Series, order: pl.Series) -> bool:
    """Say whether every word stands in each quarter of the rows by time."""
    quarter = (order - 1) * _QUARTERS // max(values.len(), 1)
    both = pl.DataFrame({"word": values, "quarter": quarter}).drop_nulls()
    spread = both.group_by("word").agg(pl.col("quarter").n_unique())
    return bool((spread.get_column("quarter") == _QUARTERS).all())
