"""Files of scores: safe in a spreadsheet, whole or absent, and never written through a link."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tamid.adapters.file_sinks import CsvSink, ParquetSink
from tamid.core.errors import SinkDown, UsageError
from tamid.ports import Parcel
from tamid.testing.sink_suite import ONE, parcel

FORMULAS = [
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\x00=1", " =1", "\u200b=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", '="a,b"', "=שלום", "\u202e=1",
]  # fmt: skip
HARMLESS = [
    "-12.5",
    "+972501234567",
    "7",
    "שלום",
    "a=b",
    "x,=1",
    'say "hi"',
    "two\nlines",
    "",
    "0x1",
]


def of_texts(texts: list[str], header: str = "entity") -> Parcel:
    """Return a parcel with one column of texts and one of numbers."""
    frame = pl.DataFrame({header: texts, "score": [-0.5] * len(texts)})
    return Parcel(key="m/p/1/s", model="m", period="p", revision=1, frame=frame)


def cells(path: Path, column: int = 0) -> list[str]:
    """Read a column as a spreadsheet would, without its header."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [line[column] for line in csv.reader(file)][1:]


def test_no_text_becomes_a_formula(tmp_path: Path) -> None:
    """Texts that a spreadsheet would run get an apostrophe, behind any disguise."""
    CsvSink(str(tmp_path / "s.csv")).deliver(of_texts(FORMULAS))
    content = (tmp_path / "s_p.csv").read_bytes()
    again = pl.read_csv(tmp_path / "s_p.csv", infer_schema=False)["entity"].to_list()
    assert again == [f"'{text}" for text in FORMULAS]
    assert content.count(b"\"'") == len(FORMULAS)


def test_harmless_texts_and_numbers_stay_as_they_are(tmp_path: Path) -> None:
    """Numbers (also negative ones and phone numbers) and plain texts are not touched."""
    CsvSink(str(tmp_path / "s.csv")).deliver(of_texts(HARMLESS))
    assert cells(tmp_path / "s_p.csv") == HARMLESS
    assert set(cells(tmp_path / "s_p.csv", 1)) == {"-0.5"}
    assert b'"-0.5"' not in (tmp_path / "s_p.csv").read_bytes()


def test_a_header_cannot_be_a_formula_either(tmp_path: Path) -> None:
    """A column's name is a cell too."""
    CsvSink(str(tmp_path / "s.csv")).deliver(of_texts(["a"], header="=HYPERLINK()"))
    assert (tmp_path / "s_p.csv").read_text(encoding="utf-8").startswith('"\'=HYPERLINK()"')


@pytest.mark.parametrize("bom", [True, False])
def test_the_mark_for_excel_is_optional(tmp_path: Path, bom: bool) -> None:
    """With `bom` the file begins with the mark of UTF-8, else with the first column's name."""
    CsvSink(str(tmp_path / "s.csv"), bom=bom).deliver(of_texts(["שלום"]))
    assert (tmp_path / "s_p.csv").read_bytes().startswith(b"\xef\xbb\xbf") is bom
    assert cells(tmp_path / "s_p.csv") == ["שלום"]


def test_moments_and_missing_values_are_readable(tmp_path: Path) -> None:
    """Moments are ISO texts in UTC; a missing value is an empty cell."""
    CsvSink(str(tmp_path / "s.csv")).deliver(parcel({"a": None}))
    with (tmp_path / f"s_{ONE}.csv").open(newline="", encoding="utf-8") as file:
        (line,) = csv.DictReader(file)
    assert line["as_of"] == "2026-01-04T06:00:00Z"
    assert (line["score"], line["decision"], line["treat"]) == ("", "", "false")


def test_a_file_that_the_consumer_took_is_not_put_back(tmp_path: Path) -> None:
    """A repeated parcel changes nothing, even when the file has been moved away meanwhile."""
    sink = CsvSink(str(tmp_path / "s.csv"))
    first = sink.deliver(parcel({"a": 0.5}))
    (tmp_path / f"s_{ONE}.csv").unlink()
    assert sink.deliver(parcel({"a": 0.5})) == first
    assert not (tmp_path / f"s_{ONE}.csv").exists()


def test_only_hidden_files_lie_beside_the_scores(tmp_path: Path) -> None:
    """Consumers who watch the folder see the file of the period and nothing else."""
    ParquetSink(str(tmp_path / "s.parquet")).deliver(parcel({"a": 0.5}))
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == [
        f"s_{ONE}.parquet"
    ]


@pytest.mark.parametrize("period", ["../x", "a/b", "", ".", "a\x00b", "א", "x" * 65, "a\n"])
def test_a_period_that_is_no_name_is_refused(tmp_path: Path, period: str) -> None:
    """Nothing outside the declared folder is ever named by a period."""
    with pytest.raises(UsageError, match="cannot be part of a file name"):
        CsvSink(str(tmp_path / "s.csv")).deliver(parcel({"a": 0.5}, period=period))
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A symbolic link in the place of the file is refused and its target untouched."""
    (tmp_path / "other").write_text("keep")
    (tmp_path / f"s_{ONE}.csv").symlink_to(tmp_path / "other")
    with pytest.raises(UsageError):
        CsvSink(str(tmp_path / "s.csv")).deliver(parcel({"a": 0.5}))
    assert (tmp_path / "other").read_text() == "keep"


def test_a_folder_that_cannot_be_written_is_a_target_that_is_down(tmp_path: Path) -> None:
    """A file in the folder's place: the parcel is not taken, and the message names the path."""
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SinkDown, match=r"out/s_2026-01-04\.csv could not be written"):
        CsvSink(str(tmp_path / "out" / "s.csv")).deliver(parcel({"a": 0.5}))


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """When the new file does not fit, the old one stays whole and no rubbish is left."""
    CsvSink(str(tmp_path / "s.csv")).deliver(parcel({"a": 0.5}))
    code = (
        "import resource, sys\n"
        "from tamid.adapters.file_sinks import CsvSink\n"
        "from tamid.core.errors import SinkDown\n"
        "from tamid.testing.sink_suite import parcel\n"
        "big = parcel({f'e{n}': 0.5 for n in range(20000)}, revision=2)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "try: CsvSink(sys.argv[1]).deliver(big)\n"
        "except SinkDown as error: print(error.what)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "could not be written" in answer.stdout
    assert cells(tmp_path / f"s_{ONE}.csv") == ["a"]
    names = {f"s_{ONE}.csv", f".s_{ONE}.csv.receipt"}
    assert {p.name for p in tmp_path.iterdir()} == names
    CsvSink(str(tmp_path / "s.csv")).deliver(parcel({"b": 0.5}, revision=2))
    assert cells(tmp_path / f"s_{ONE}.csv") == ["b"]


def test_a_damaged_receipt_means_deliver_again(tmp_path: Path) -> None:
    """Half a receipt is as good as none: the file is written once more."""
    sink = CsvSink(str(tmp_path / "s.csv"))
    first = sink.deliver(parcel({"a": 0.5}))
    (tmp_path / f".s_{ONE}.csv.receipt").write_text('{"model": "chu')
    (tmp_path / f"s_{ONE}.csv").unlink()
    assert sink.deliver(parcel({"a": 0.5})) == first
    assert cells(tmp_path / f"s_{ONE}.csv") == ["a"]


def test_files_are_flushed_before_they_appear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order on the way to the disk is: flush the file, rename it, flush the folder."""
    steps: list[str] = []
    flush, rename = os.fsync, os.replace

    def flushed(handle: int) -> None:
        steps.append("flush")
        flush(handle)

    def renamed(old: str, new: str) -> None:
        steps.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    ParquetSink(str(tmp_path / "s.parquet")).deliver(parcel({"a": 0.5}))
    assert steps == ["flush", "rename", "flush"] * 2
