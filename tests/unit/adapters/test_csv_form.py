"""CSV files in other forms: what the contract declares is read, nothing else is guessed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tamid.adapters._csv import read_csv
from tamid.adapters.files import FileSource
from tamid.core.contract.csvform import CsvForm
from tamid.core.errors import DataError

HEBREW = CsvForm(
    encoding="cp1255", separator=";", decimal=",", thousands=".", dates="dmy", missing=("NA",)
)
KINDS = {"סכום": "number", "תאריך": "datetime", "הערה": "category"}


def rows(
    folder: Path, content: str | bytes, form: CsvForm, kinds: dict[str, str] | None = None
) -> list[tuple[object, ...]]:
    """Return what a source reads of a file that was put down long ago."""
    data = content if isinstance(content, bytes) else content.encode(form.encoding)
    (folder / "a.csv").write_bytes(data)
    os.utime(folder / "a.csv", (1_700_000_000, 1_700_000_000))
    source = FileSource(folder, "a.csv", csv=form, kinds=KINDS if kinds is None else kinds)
    (batch,) = source.batches()
    frame = source.read(batch)
    return [tuple(frame.columns), *frame.rows()]


def test_a_hebrew_spreadsheet_is_read(tmp_path: Path) -> None:
    """Encoding, separator, decimal comma, thousands and day first, each as declared."""
    text = "סכום;תאריך;הערה\n1.234,50;31/12/2025 08:05;א,ב\n-3;1.2.26;x\n"
    assert rows(tmp_path, text, HEBREW) == [
        ("סכום", "תאריך", "הערה"),
        ("1234.50", "2025-12-31T08:05:00.0", "א,ב"),
        ("-3", "2026-02-01", "x"),
    ]


def test_blanks_are_missing_everywhere_and_tokens_only_where_no_word_stands(tmp_path: Path) -> None:
    """NA in a number is a missing value; in a category it may be a word like any other."""
    text = "סכום;תאריך;הערה\nNA; NA ;NA\n ;  ;x\n"
    assert rows(tmp_path, text, HEBREW)[1:] == [(None, None, "NA"), (None, None, "x")]


def test_a_number_of_another_form_is_no_number(tmp_path: Path) -> None:
    """12.5 in a file of decimal commas would be read as something that it may not mean."""
    text = "סכום;תאריך;הערה\n12.5;x;y\n1,5,5;x;y\n"
    first, second = rows(tmp_path, text, HEBREW)[1:]
    assert first[0] == "12.5 (fractions are written with ',')"
    assert second[0] == "1,5,5"


@pytest.mark.parametrize(
    ("order", "text", "read"),
    [
        ("dmy", "3/4/2026", "2026-04-03"),
        ("mdy", "3/4/2026", "2026-03-04"),
        ("ymd", "2026/3/4", "2026-03-04"),
        ("mdy", "3-4-71 12:05 AM", "1971-03-04T00:05:00.0"),
        ("mdy", "3/4/2026 1:05:09.25 pm", "2026-03-04T13:05:09.25"),
        ("dmy", "2026-04-03", "2026-04-03"),
        ("dmy", "3/4", "3/4"),
        ("dmy", "soon", "soon"),
    ],
)
def test_moments_are_turned_into_iso(tmp_path: Path, order: str, text: str, read: str) -> None:
    """The declared order decides; ISO stays, and what is no moment stays as it stands."""
    form = CsvForm(separator=";", dates=order)  # type: ignore[arg-type]
    assert rows(tmp_path, f"a;b\n{text};1\n", form, {"a": "datetime"})[1][0] == read


def test_thirteen_in_the_afternoon_is_no_hour(tmp_path: Path) -> None:
    """It is not read as one in the morning of some day."""
    text = "a;b\n3/4/2026 13:05 PM;1\n"
    (read, _) = rows(tmp_path, text, CsvForm(separator=";", dates="mdy"), {"a": "datetime"})[1]
    assert read == "2026-03-04T99:05:00.0"


def test_lines_of_separators_are_no_rows(tmp_path: Path) -> None:
    """What a spreadsheet leaves below its table is not read as missing values."""
    form = CsvForm(separator=";")
    assert rows(tmp_path, "a;b\n1;2\n;\n ; \n;3\n", form)[1:] == [("1", "2"), (None, "3")]


def test_utf_16_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Unicode text with its mark, separated by tabs."""
    form = CsvForm(encoding="utf-16", separator="tab")
    assert rows(tmp_path, "שם\tb\r\nא,ב\t2\r\n", form) == [("שם", "b"), ("א,ב", "2")]


def test_a_byte_that_the_encoding_lacks_is_named(tmp_path: Path) -> None:
    """The line stands in the message, and nothing is read."""
    with pytest.raises(DataError, match="line 2 is not cp1255"):
        rows(tmp_path, b"a;b\n\xff\xd9;1\n", CsvForm(encoding="cp1255", separator=";"))


@pytest.mark.parametrize("form", [None, HEBREW])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"PAR1\x15\x04\xc8PAR1", "a Parquet file"),
        (b"PK\x03\x04\x14\x00\x06\xf8", r"a spreadsheet \(.xlsx, .ods\)"),
        (b"\x1f\x8b\x08\x00\xff", "a gzip archive"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(
    form: CsvForm | None, content: bytes, told: str
) -> None:
    """Not "no UTF-8", and with what to do about it."""
    with pytest.raises(DataError, match=f"a.csv is no CSV text: it holds {told}") as caught:
        read_csv("a.csv", content, frozenset(), whole=True, form=form)
    assert caught.value.remedy != DataError.fix
