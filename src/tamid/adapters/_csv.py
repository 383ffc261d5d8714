"""CSV files as frames of texts: refused with the line, never guessed at."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence

import polars as pl

from tamid.adapters._csv_form import decoded, in_one_form, separator_of
from tamid.core.contract.csvform import CsvForm
from tamid.core.errors import BatchNotReady, DataError

# What files begin with that are put down under names of texts, what they are, and what to do.
_FORMATS = {
    b"PAR1": (
        "a Parquet file",
        "Name it .parquet; the pattern in the contract must match that name.",
    ),
    b"PK\x03\x04": (
        "a spreadsheet (.xlsx, .ods) or another ZIP archive",
        "Save the sheet as CSV UTF-8, or unpack the archive.",
    ),
    b"\x1f\x8b": ("a gzip archive", "Unpack it: `gunzip`."),
    b"\x28\xb5\x2f\xfd": ("a Zstandard archive", "Unpack it: `unzstd`."),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet (.xls)", "Save the sheet as CSV UTF-8."),
    b"SQLite format 3\x00": ("an SQLite database", "Export the table as CSV or Parquet."),
}
_EMPTY_LINES = re.compile(rb"\n(?:[ \t]*\r?\n)+")


def read_csv(
    name: str,
    content: bytes,
    hidden: frozenset[str],
    *,
    whole: bool,
    form: CsvForm | None = None,
    kinds: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return CSV rows as texts; the separator is the one of , ; tab and | that the header has.

    `whole` False: a file without a last line end counts as cut off. `form`: how the file is
    written; numbers and moments of the columns in `kinds` are turned into the contract's form.

    Raises:
        BatchNotReady: nothing but a header, or cut off.
        DataError: another format or encoding, a column named twice, or a line with too many or few
            fields.
    """
    _refuse_other_formats(name, content)
    text = content if form is None else decoded(name, content, form)
    text = text.removeprefix(b"\xef\xbb\xbf")
    _refuse_other_encodings(name, text)
    if not whole and not text.endswith((b"\n", b"\r")):
        raise BatchNotReady(
            f"{name} ends in the middle of a line",
            why="it looks as if its producer were still writing",
            fix="End the last line, or leave the file alone for a minute.",
        )
    if b"\n" not in text:  # line ends of old spreadsheets
        text = text.replace(b"\r", b"\n")
    # Empty lines are no rows of missing values.
    text = text.strip(b"\r\n") + b"\n"
    separator = (separator_of(form) if form else "") or _separator(text)
    try:
        head = pl.read_csv(
            io.BytesIO(text), separator=separator, has_header=False, n_rows=1, infer_schema=False
        )
        names = [str(n) for n in head.row(0)] if head.height else []
        _refuse_bad_names(name, names)
        if len(names) > 1:
            text = _without_empty_lines(text, separator)
        _refuse_uneven_lines(name, text, separator, len(names))
        kept = [i for i, column in enumerate(names) if column not in hidden]
        frame = pl.read_csv(
            io.BytesIO(text),
            separator=separator,
            infer_schema=False,
            columns=kept,
        )
    except pl.exceptions.NoDataError:
        raise BatchNotReady(f"{name} is empty") from None
    except (pl.exceptions.PolarsError, csv.Error) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"{name} is not a CSV table: {reason}",
            why="a line has another number of fields than the header, or a quote is not closed",
            fix="Quote fields that hold the separator, quotes or line ends.",
        ) from error
    if frame.is_empty():
        raise BatchNotReady(
            f"{name} has one line only: a header and no rows, or rows without a header"
        )
    return frame if form is None else in_one_form(frame, form, kinds or {})


def _refuse_other_formats(name: str, content: bytes) -> None:
    """Find a file of another kind under a name of texts: by its first bytes."""
    for mark, (what, fix) in _FORMATS.items():
        if content.startswith(mark):
            raise DataError(
                f"{name} is no CSV text: it holds {what}",
                why="the name of a file says how it is read, and its first bytes say otherwise",
                fix=fix,
            )


def _refuse_other_encodings(name: str, text: bytes) -> None:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} line {line} is not UTF-8 text",
            why="names and values in another encoding would be read as other names and values",
            fix="Save it as UTF-8 (in a spreadsheet: CSV UTF-8), or name its encoding in the "
            "contract: `csv: {encoding: cp1255}` of the source.",
        ) from error
    if b"\x00" in text:
        line = text.count(b"\n", 0, text.index(b"\x00")) + 1
        raise DataError(f"{name} line {line} holds a zero byte: this is no text")


def _refuse_bad_names(name: str, names: Sequence[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DataError(f"{name} names a column twice: {', '.join(twice)}")
    if any(n == "None" or not n.strip() for n in names):
        raise DataError(f"{name} has a column without a name")


def _refuse_uneven_lines(name: str, text: bytes, separator: str, fields: int) -> None:
    """Find a line with too few or too many fields; a short one would be read as missing values."""
    lines = text.rstrip(b"\r\n").count(b"\n") + 1
    if b'"' not in text and text.count(separator.encode()) == lines * (fields - 1):
        return
    reader = csv.reader(io.StringIO(text.decode()), delimiter=separator)
    for row in reader:
        if len(row) != fields and not (fields == 1 and not row):
            raise DataError(
                f"{name} line {reader.line_num} has {len(row)} fields, its header {fields}",
                why="it would be read as missing values, or as values of other columns",
                fix="Quote fields that hold the separator, quotes or line ends.",
            )


def _separator(text: bytes) -> str:
    header = text.split(b"\n", 1)[0].decode(errors="replace")
    return next((mark for mark in ",;\t|" if mark in header), ",")


def _without_empty_lines(text: bytes, separator: str) -> bytes:
    """Leave out lines in which nothing stands; a quoted value may hold empty lines of its own."""
    if not _EMPTY_LINES.search(text):
        return text
    if b'"' not in text:
        return _EMPTY_LINES.sub(b"\n", text)
    whole = io.StringIO(newline="")
    rows = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=separator)
    csv.writer(whole, delimiter=separator, lineterminator="\n").writerows(r for r in rows if r)
    return whole.getvalue().encode()
