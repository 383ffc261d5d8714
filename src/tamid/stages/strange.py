"""Rows that a contract lets through and a sample does not hold: nulls, new words, extremes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import polars as pl

from tamid.core.contract.inputs import Column

Change = Callable[[pl.DataFrame, Mapping[str, Column]], Iterator[tuple[str, pl.DataFrame]]]
_ROWS = 25
# A word that no source ever sent.
_UNSEEN = "tamid-unseen-level"
# Where the contract sets no limit: far outside of what anything measures, and still a number.
_FAR = 1e12


def nulls(rows: pl.DataFrame, schema: Mapping[str, Column]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows with each column null that may be, and with all of them null at once."""
    names = [n for n in rows.columns if n in schema and schema[n].nullable]
    for name in names:
        yield f"no value in {name!r}", _with(rows, {name: None})
    if len(names) > 1:
        yield "no value in any column that may be null", _with(rows, dict.fromkeys(names))


def unseen(rows: pl.DataFrame, schema: Mapping[str, Column]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows with a new word in each column whose words the contract does not list."""
    for name, kind in rows.schema.items():
        column = schema.get(name)
        closed = column is not None and column.allowed is not None
        if kind == pl.String and not closed:
            yield f"a word in {name!r} that was never seen", _with(rows, {name: _UNSEEN})


def extremes(
    rows: pl.DataFrame, schema: Mapping[str, Column]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield the rows with each number at its limits, and with all at their limits at once."""
    lows: dict[str, object] = {}
    highs: dict[str, object] = {}
    for name, kind in rows.schema.items():
        column = schema.get(name)
        if column is None or not kind.is_numeric():
            continue
        low = -_FAR if column.min is None else column.min
        high = _FAR if column.max is None else column.max
        lows[name], highs[name] = low, high
        yield f"{name} = {low:g}", _with(rows, {name: low})
        yield f"{name} = {high:g}", _with(rows, {name: high})
    if len(lows) > 1:
        yield "every number at its lowest", _with(rows, lows)
        yield "every number at its highest", _with(rows, highs)


def _with(rows: pl.DataFrame, values: Mapping[str, object]) -> pl.DataFrame:
    return rows.head(_ROWS).with_columns(
        pl.lit(value).cast(rows.schema[name], strict=False).alias(name)
        for name, value in values.items()
    )
