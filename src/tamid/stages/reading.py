"""How raw columns become the contract's types: strictly, row by row, nothing guessed.

A value that does not fit is a missing value with a broken rule, never a conversion. Texts count as
numbers only in the form `-12.5` or `1e3` (no decimal comma, no thousands), as moments only in ISO
8601. A moment without a zone is local time of the contract's calendar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from tamid.core.errors import BatchRefused
from tamid.core.written import NumberForm, group_pattern, number_pattern

MOMENT = pl.Datetime("us", "UTC")

WRONG_TYPE = "wrong type"
NOT_FINITE = "not finite"

_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
_INTEGER = r"^[+-]?\d+(\.0*)?$"
_UNBOUNDED = r"(?i)^[+-]?(nan|inf|infinity)$"
_MOMENT = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,6})\d*)?)?)?"
    r" ?(?:(Z)|([+-])(\d{2}):?(\d{2}))?$"
)
_TRUE = ("true", "1", "yes")
_FALSE = ("false", "0", "no")
# Whole numbers above this lose their last digit as a float.
_EXACT = 2.0**53

TYPES: Mapping[str, pl.DataType] = {
    "number": pl.Float64(),
    "integer": pl.Int64(),
    "category": pl.String(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "datetime": MOMENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A column in its type, and per rule a mask (n,) of the rows that broke it."""

    values: pl.Series
    broken: Mapping[str, pl.Series] = field(default_factory=dict)


def typed(series: pl.Series, kind: str, timezone: str) -> Typed:
    """Return a raw column as one of the contract's types.

    Raises:
        BatchRefused: some moments carry a zone and others do not; the message counts both.
    """
    if series.dtype == pl.Null:
        return Typed(values=series.cast(TYPES[kind]))
    if isinstance(series.dtype, (pl.Categorical, pl.Enum)):
        series = series.cast(pl.String)
    if kind == "number":
        return _number(series)
    if kind == "integer":
        return _integer(series)
    if kind == "boolean":
        return _boolean(series)
    if kind == "datetime":
        return _moment(series, timezone)
    return _text(series)


def name_of(series: pl.Series) -> Typed:
    """Return a column of entities as texts: the same text for 7, 7.0 and "7"."""
    return _text(series)


def numbers_of(text: pl.Expr, form: NumberForm) -> pl.Expr:
    """Return the numbers that texts stand for, as `written.read_number` does one by one."""
    bare, group = text.str.strip_chars(), group_pattern(form)
    fits = bare.str.contains(number_pattern(form))
    plain = bare.str.replace_all(group, "") if group else bare
    number = plain.str.replace(form.decimal, ".", literal=True).cast(pl.Float64, strict=False)
    return pl.when(fits & number.is_finite()).then(number)


def _number(series: pl.Series) -> Typed:
    if series.dtype == pl.String:
        text = series.str.strip_chars()
        values = text.cast(pl.Float64, strict=False)
        fits = text.str.contains(_NUMBER)
        unbounded = text.str.contains(_UNBOUNDED) | (fits & values.is_infinite())
    elif series.dtype.is_numeric():
        values = series.cast(pl.Float64)
        unbounded = ~values.is_finite()
        fits = values.is_not_null()
    else:
        return _nothing_fits(series, pl.Float64())
    unbounded = unbounded.fill_null(value=False)
    return _kept(series, values, fits & ~unbounded, unbounded)


def _integer(series: pl.Series) -> Typed:
    if series.dtype.is_integer():
        values = series.cast(pl.Int64, strict=False)
        return _kept(series, values, values.is_not_null())
    if series.dtype == pl.String:
        text = series.str.strip_chars()
        fits = text.str.contains(_INTEGER)
        values = text.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
        unbounded = text.str.contains(_UNBOUNDED).fill_null(value=False)
        return _kept(series, values, fits & values.is_not_null() & ~unbounded, unbounded)
    if series.dtype.is_numeric():
        floats = series.cast(pl.Float64)
        unbounded = (~floats.is_finite()).fill_null(value=False)
        fits = (floats == floats.floor()) & (floats.abs() <= _EXACT) & ~unbounded
        return _kept(series, floats.cast(pl.Int64, strict=False), fits, unbounded)
    return _nothing_fits(series, pl.Int64())


def _boolean(series: pl.Series) -> Typed:
    if series.dtype == pl.Boolean:
        return Typed(values=series)
    if not (series.dtype == pl.String or series.dtype.is_numeric()):
        return _nothing_fits(series, pl.Boolean())
    text = _text(series).values.str.strip_chars().str.to_lowercase()
    values = text.is_in(_TRUE)
    return _kept(series, values, values | text.is_in(_FALSE))


def _text(series: pl.Series) -> Typed:
    if series.dtype == pl.String:
        return Typed(values=series)
    if series.dtype == pl.Boolean or series.dtype.is_integer():
        return Typed(values=series.cast(pl.String))
    if series.dtype.is_numeric():
        floats = series.cast(pl.Float64)
        whole = (floats == floats.floor()) & (floats.abs() <= _EXACT)
        text = pl.select(
            pl.when(whole)
            .then(floats.cast(pl.Int64, strict=False).cast(pl.String))
            .otherwise(floats.cast(pl.String))
            .alias(series.name)
        ).to_series()
        unbounded = (~floats.is_finite()).fill_null(value=False)
        return _kept(series, text, ~unbounded, unbounded)
    return _nothing_fits(series, pl.String())


def _moment(series: pl.Series, timezone: str) -> Typed:
    if isinstance(series.dtype, pl.Datetime):
        values = series.dt.cast_time_unit("us")
        if series.dtype.time_zone:
            return Typed(values=values.dt.convert_time_zone("UTC"))
        return _kept(series, _from_local(values, timezone), None)
    if series.dtype == pl.Date:
        return _kept(series, _from_local(series.cast(pl.Datetime("us")), timezone), None)
    if series.dtype != pl.String:
        return _nothing_fits(series, MOMENT)
    parts = series.str.strip_chars().str.extract_groups(_MOMENT).struct.unnest()
    day, minute, second, micros, zulu, sign, hours, minutes = parts.get_columns()
    whole = pl.concat_str(
        day, pl.lit("T"), minute.fill_null("00:00"), pl.lit(":"), second.fill_null("00"),
        pl.lit("."), micros.fill_null("0"),
    )  # fmt: skip
    naive = (
        pl.select(whole)
        .to_series()
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    )
    zoned = zulu.is_not_null() | sign.is_not_null()
    _refuse_mixture(series, zoned, naive.is_not_null() & ~zoned)
    if not zoned.any():
        return _kept(series, _from_local(naive, timezone), None)
    turned = pl.select(pl.when(sign == "-").then(-1).otherwise(1)).to_series()
    ahead = turned * (hours.cast(pl.Int64).fill_null(0) * 60 + minutes.cast(pl.Int64).fill_null(0))
    shift = (ahead * 60_000_000).cast(pl.Duration("us"))
    return _kept(series, (naive - shift).dt.replace_time_zone("UTC"), None)


def _from_local(naive: pl.Series, timezone: str) -> pl.Series:
    """Return local moments as UTC; of an hour that comes twice the first, of a skipped one none."""
    local = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _refuse_mixture(series: pl.Series, zoned: pl.Series, plain: pl.Series) -> None:
    if zoned.any() and plain.any():
        raise BatchRefused(
            f"column {series.name!r} mixes moments: {zoned.sum()} carry a time zone, "
            f"{plain.sum()} do not",
            why="a moment without a zone cannot be ordered among those that have one",
        )


def _kept(
    series: pl.Series, values: pl.Series, fits: pl.Series | None, unbounded: pl.Series | None = None
) -> Typed:
    """Keep the values that fit; a value that was there and does not fit broke a rule.

    An empty text is a missing value.
    """
    there = series.is_not_null()
    if series.dtype == pl.String:
        there &= series.str.strip_chars() != ""
    good = (values.is_not_null() if fits is None else fits).fill_null(value=False) & there
    broken = {}
    wrong = there & ~good
    if unbounded is not None:
        wrong &= ~unbounded
        broken[NOT_FINITE] = unbounded & there
    broken[WRONG_TYPE] = wrong
    kept = pl.select(pl.when(good).then(values).alias(series.name)).to_series()
    return Typed(values=kept, broken={rule: mask for rule, mask in broken.items() if mask.any()})


def _nothing_fits(series: pl.Series, kind: pl.DataType) -> Typed:
    nothing = pl.Series(series.name, [None] * series.len(), dtype=kind)
    wrong = series.is_not_null()
    return Typed(values=nothing, broken={WRONG_TYPE: wrong} if wrong.any() else {})
