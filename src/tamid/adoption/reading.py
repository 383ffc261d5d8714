"""A file that nobody described yet: its encoding, separator, numbers, moments and types."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import polars as pl

from tamid.adapters.files import format_of, read_whole
from tamid.core.adoption.columns import Kind
from tamid.core.adoption.encodings import LOOKED_AT, readings
from tamid.core.adoption.forms import TextColumn, date_form, number_form, numeric, whole
from tamid.core.adoption.questions import Choice, Question, few
from tamid.core.adoption.roles import Wishes
from tamid.core.adoption.separators import LINES, separators
from tamid.core.contract.csvform import CsvForm, Dates, Encoding
from tamid.core.contract.kinds import name_fault
from tamid.core.errors import BatchNotReady, DataError, UsageError
from tamid.core.written import NumberForm
from tamid.stages.counting import texts

_TRUTHS = {"true", "false"}
# A number with a sign of money, a unit or a share: for a contract it is a word.
_AMOUNT = re.compile(r"[^\w\s]?\s*[+-]?[0-9][0-9.,' ]*\s*(?:[^\w\s]|[A-Za-z]{1,3})?\Z")
# How the files of Excel and older Office begin, and UTF-16, the one text with zero bytes.
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_TWO_BYTES = (b"\xff\xfe", b"\xfe\xff")
_TYPED: tuple[tuple[Kind, tuple[type[pl.DataType], ...]], ...] = (
    ("boolean", (pl.Boolean,)),
    ("datetime", (pl.Date, pl.Datetime)),
    ("category", (pl.Categorical, pl.Enum)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A file as it was read.

    `frame`: its rows in the contract's form; `kinds`: the type of each column that a contract can
    name and that has a value. `notes`: what was seen on the way. `form` is None for files with
    types. Where a question is open, the first of its choices was taken.
    """

    frame: pl.DataFrame
    kinds: Mapping[str, Kind]
    form: CsvForm | None = None
    notes: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


def read(paths: Sequence[Path], wishes: Wishes) -> Read | Question:
    """Read files of one shape; a question comes back alone if not even the names can be read.

    Raises:
        DataError: no table can be made of a file; UsageError: a format that is not read.
    """
    if paths[0].name.lower().endswith((".parquet", ".pq")):
        return _with_types(_together([_rows(p) for p in paths]))
    refuse_unread(paths)
    content = paths[0].read_bytes()
    form = _outer_form(paths[0].name, content, wishes)
    if isinstance(form, Question):
        return form
    raw = _together([_rows(p, form) for p in paths])
    return _as_texts(paths, raw, form, wishes)


def refuse_unread(paths: Sequence[Path]) -> None:
    """Refuse what is neither CSV nor Parquet, by its name and the beginning of its content.

    Raises:
        UsageError: a format that is not read; DataError: no text in any encoding.
    """
    for path in paths:
        with path.open("rb") as file:
            begin = file.read(LOOKED_AT)
        if begin.startswith(_SPREADSHEETS):
            raise UsageError(
                f"{path.name} is a spreadsheet's own file",
                why="only CSV and Parquet are read",
                fix="Save it as CSV (UTF-8) in the spreadsheet, and adopt that.",
            )
        kind = format_of(path.name)
        if kind is None:
            raise UsageError(
                f"{path.name} has the name of neither a CSV nor a Parquet file",
                why="these two are read, and the ending tells the loop which one a file is",
                fix="Save it as Parquet or CSV; a table of texts may be called .csv, .tsv or .txt.",
            )
        if kind == "csv" and b"\x00" in begin and not begin.startswith(_TWO_BYTES):
            raise DataError(
                f"{path.name} is no text in any encoding that is known",
                why="it holds zero bytes",
                fix="Save it as CSV (UTF-8), or as Parquet under a name that ends so.",
            )


def _rows(
    path: Path, form: CsvForm | None = None, kinds: Mapping[str, Kind] | None = None
) -> pl.DataFrame:
    try:
        return read_whole(path, form, kinds)
    except BatchNotReady as error:  # no tick comes back to a file that is named by hand
        error.remedy = "Adopt a file that is whole and has rows."
        raise


def _outer_form(name: str, content: bytes, wishes: Wishes) -> CsvForm | Question:
    """Return encoding and separator, or the question that must be answered first."""
    found = readings(content)
    if not found and not wishes.encoding:
        raise DataError(
            f"{name} is no text in any encoding that is known",
            why="it holds zero bytes, or signs of no script",
            fix="Save it as UTF-8, or name its encoding with --encoding.",
        )
    if len(found) > 1 and not wishes.encoding:
        choices = tuple(
            Choice(value=r.encoding, meaning=" ".join(r.words)) for r in found
        )  # fmt: skip
        return Question(option="--encoding", what="which of these are words?", choices=choices)
    form = CsvForm(encoding=cast("Encoding", wishes.encoding or found[0].encoding))
    lines = content[:LOOKED_AT].decode(form.encoding, errors="replace").splitlines()
    lines = lines[: LINES if len(lines) > LINES else None]
    if len(content) > LOOKED_AT:
        lines = lines[:-1]
    if wishes.separator:
        return replace(form, separator=wishes.separator)  # type: ignore[arg-type]
    marks = separators(lines)
    if len(marks) > 1:
        choices = tuple(Choice(value=m, meaning=f"{n} columns") for m, n in marks)
        what = "more than one mark cuts all lines alike; which stands between fields?"
        return Question(option="--separator", what=what, choices=choices)
    return replace(form, separator=marks[0][0]) if marks else form


def _as_texts(paths: Sequence[Path], raw: pl.DataFrame, form: CsvForm, wishes: Wishes) -> Read:
    raw, notes = _nameable(raw)
    columns = texts(raw)
    numbers, first = number_form(columns, wishes.decimal, wishes.thousands)
    dates, second = date_form(columns, wishes.dates)
    kinds = {c.name: _kind(c, numbers, dates) for c in columns if c.values}
    tokens = sorted(
        {w for c in columns if kinds.get(c.name) in ("number", "integer", "datetime")
         for w in c.words if w in c.tokens() or (kinds[c.name] == "datetime" and _token(c, w))}
    )  # fmt: skip
    form = replace(
        form,
        decimal=numbers.decimal,
        thousands=numbers.thousands,
        dates=dates,
        missing=tuple(tokens),
    )
    frame = _together([_rows(p, form, kinds) for p in paths])
    frame = frame.select(raw.columns)
    empty = [c.name for c in columns if not c.values]
    if empty:
        notes += (f"left out, for nothing stands in it: {few(empty)}",)
    notes += tuple(_odd(columns, kinds))
    asked = tuple(q for q in (first, second) if q is not None)
    return Read(frame=frame, kinds=kinds, form=form, notes=notes, questions=asked)


def _kind(column: TextColumn, numbers: NumberForm, dates: Dates) -> Kind:
    if numeric(column, numbers):
        return "integer" if whole(column, numbers) else "number"
    written = {"dmy": column.slashed, "mdy": column.slashed, "ymd": column.year_first, "iso": 0}
    if column.moments(column.iso + written[dates]) and _in_order(column, dates):
        return "datetime"
    if {w.lower() for w in column.words} <= _TRUTHS and not column.shapes:
        return "boolean"
    return "category"


def _in_order(column: TextColumn, dates: Dates) -> bool:
    months = {"dmy": column.second, "mdy": column.first}.get(dates, 0)
    return not column.slashed or months <= 12


def _token(column: TextColumn, word: str) -> bool:
    from tamid.core.adoption.forms import MISSING

    return word in column.words and word.lower() in MISSING


def _odd(columns: Sequence[TextColumn], kinds: Mapping[str, Kind]) -> list[str]:
    """Return what one would take for numbers or moments and was read as words."""
    notes = []
    for c in columns:
        marked = [w for w in c.words if _AMOUNT.match(w)]
        digits = sum(c.shapes.values()) + (c.other if 2 * len(marked) > len(c.words) else 0)
        if kinds.get(c.name) == "category" and c.values and 2 * digits >= c.values:
            codes = any(s.lstrip("+-").startswith(("01", "00")) for s in c.shapes)
            others = few([repr(w) for w in c.words], 3)
            why = "codes with leading zeros" if codes else f"not only numbers: {others}"
            notes.append(f"{c.name} is read as words ({why})")
    return notes


def _with_types(frame: pl.DataFrame) -> Read:
    frame, notes = _nameable(frame)
    counted = {c.name: c for c in texts(frame)}
    kinds: dict[str, Kind] = {}
    for name, dtype in frame.schema.items():
        if frame.get_column(name).null_count() == frame.height:
            notes += (f"left out, for nothing stands in it: {name}",)
        elif name in counted:
            column = counted[name]
            kinds[name] = "datetime" if column.moments(column.iso) else "category"
        elif dtype.is_integer():
            kinds[name] = "integer"
        elif dtype.is_numeric():
            kinds[name] = "number"
        elif found := [k for k, types in _TYPED if dtype in types or type(dtype) in types]:
            kinds[name] = found[0]
        else:
            notes += (f"left out, for its type {dtype} is not read: {name}",)
    unbounded = [
        n for n, t in frame.schema.items()
        if t.is_float() and (~frame.get_column(n).is_finite()).any()
    ]  # fmt: skip
    if unbounded:
        notes += (
            f"NaN or infinity stands in {few(unbounded)}: such rows are set aside; write missing "
            "values as null",
        )
    return Read(frame=frame, kinds=kinds, notes=notes)


def _nameable(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Leave out columns that a contract cannot name, and say why."""
    normal = {n: unicodedata.normalize("NFC", n) for n in frame.columns}
    if len(set(normal.values())) == len(normal):
        frame = frame.rename(normal)
    faults = {n: fault for n in frame.columns if (fault := name_fault(n))}
    notes = tuple(f"left out, for its name {fault}: {name!r}" for name, fault in faults.items())
    return frame.drop(list(faults)), notes


def _together(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    names = {tuple(sorted(f.columns)) for f in frames}
    if len(names) > 1:
        odd = sorted(set(frames[0].columns) ^ set(next(f for f in frames if set(f.columns) != set(
            frames[0].columns)).columns))  # fmt: skip
        raise DataError(
            f"the files have not all the same columns: {few(odd)}",
            why="one source has one schema",
            fix="Name files of one kind, such as 'data/rows-*.csv'.",
        )
    return pl.concat(frames, how="diagonal_relaxed") if len(frames) > 1 else frames[0]
