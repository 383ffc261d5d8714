"""From the form in which a CSV file is written to the one form that contracts read.

Only what plainly has the declared form is rewritten; anything else stays as it stands, so that the
check of the contract sets it aside and names it.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping

import polars as pl

from tamid.core.contract.csvform import CsvForm
from tamid.core.errors import DataError
from tamid.core.written import (
    CENTURY_FROM,
    NumberForm,
    group_pattern,
    moment_pattern,
    number_pattern,
)

_NUMBERS = ("number", "integer")
_WORDS = ("category", "text")


def decoded(name: str, content: bytes, form: CsvForm) -> bytes:
    """Return the file's text as UTF-8.

    Raises:
        DataError: bytes that the declared encoding does not have; the message names the line.
    """
    if form.encoding == "utf-8" or content.startswith(codecs.BOM_UTF8):
        return content
    try:
        return content.decode(form.encoding).encode()
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} line {line} is not {form.encoding} text",
            why="names and values in another encoding would be read as other names and values",
            fix="Correct `csv.encoding` of the source in the contract, or mend the file.",
        ) from error


def separator_of(form: CsvForm) -> str:
    """Return what stands between fields, "" if the header tells."""
    return {"auto": "", "tab": "\t"}.get(form.separator, form.separator)


def in_one_form(frame: pl.DataFrame, form: CsvForm, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Return texts with blanks missing, and numbers and moments in the form of contracts.

    `kinds`: the type of each column in the contract; what is in none stays as it stands. Lines of
    nothing but separators, as spreadsheets leave them, are no rows.
    """
    if frame.width > 1:
        blank = pl.all().is_null() | (pl.all().str.strip_chars() == "")
        frame = frame.filter(~pl.all_horizontal(blank))
    return frame.with_columns(_column(name, form, kinds.get(name, "")) for name in frame.columns)


def _column(name: str, form: CsvForm, kind: str) -> pl.Expr:
    value = pl.col(name)
    bare = value.str.strip_chars()
    gone = bare == ""
    if form.missing and kind and kind not in _WORDS:
        gone = gone | bare.is_in(form.missing)
    numbers = NumberForm(decimal=form.decimal, thousands=form.thousands)
    if kind in _NUMBERS and numbers != NumberForm():
        value = _number(bare, numbers)
    elif kind == "datetime" and form.dates != "iso":
        value = _moment(bare, form)
    return pl.when(gone).then(None).otherwise(value).alias(name)


def _number(bare: pl.Expr, form: NumberForm) -> pl.Expr:
    group = group_pattern(form)
    plain = bare.str.replace_all(group, "") if group else bare
    plain = plain.str.replace(form.decimal, ".", literal=True)
    # It would be read as a number that it does not mean in this file.
    other = bare.str.contains(number_pattern(NumberForm()))
    said = pl.concat_str(bare, pl.lit(f" (fractions are written with {form.decimal!r})"))
    fits = bare.str.contains(number_pattern(form))
    return pl.when(fits).then(plain).when(other).then(said).otherwise(bare)


def _moment(bare: pl.Expr, form: CsvForm) -> pl.Expr:
    groups = bare.str.extract_groups(moment_pattern(form.dates)).struct
    parts = [groups.field(str(n)) for n in range(1, 9)]
    a, b, c, hour, minute, second, micros, half = parts
    day, month, year = {"dmy": (a, b, c), "mdy": (b, a, c), "ymd": (c, b, a)}[form.dates]
    short = year.str.len_chars() == 2
    century = pl.when(year.cast(pl.Int64, strict=False) < CENTURY_FROM).then(pl.lit("20"))
    full = pl.when(short).then(pl.concat_str(century.otherwise(pl.lit("19")), year)).otherwise(year)
    time = pl.concat_str(
        pl.lit("T"), _hour(hour, half), pl.lit(":"), minute, pl.lit(":"),
        second.fill_null("00"), pl.lit("."), micros.fill_null("0"),
    ).fill_null("")  # fmt: skip
    written = pl.concat_str(
        full, pl.lit("-"), month.str.zfill(2), pl.lit("-"), day.str.zfill(2), time
    )
    return written.fill_null(bare)


def _hour(hour: pl.Expr, half: pl.Expr) -> pl.Expr:
    number = hour.cast(pl.Int64, strict=False)
    twelve = number % 12 + pl.when(half.str.to_lowercase() == "p").then(12).otherwise(0)
    whole = pl.when(half.is_null()).then(number).otherwise(
        # 13 PM is no hour: it stays one that cannot be read.
        pl.when(number.is_between(1, 12)).then(twelve).otherwise(99)
    )  # fmt: skip
    return whole.cast(pl.String).str.zfill(2)
