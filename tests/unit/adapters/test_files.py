"""Files are read when they are whole, and never as something that they are not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import polars as pl
import pytest

from tamid.adapters.files import FileSource, unfinished
from tamid.core.errors import BatchNotReady, DataError, UsageError

LONG_AGO = 1_700_000_000.0


def source(folder: Path, path: str = "*.csv", hidden: tuple[str, ...] = ()) -> FileSource:
    """Return a source of the files in a folder."""
    return FileSource(folder, path, hidden=hidden)


def put(path: Path, content: str | bytes, *, quiet: bool = False) -> Path:
    """Write a file, just now or long ago."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if quiet:
        os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def read(folder: Path, path: str = "*.csv", hidden: tuple[str, ...] = ()) -> pl.DataFrame:
    """Read the only file there is."""
    found = source(folder, path, hidden)
    (batch,) = found.batches()
    return found.read(batch)


@pytest.mark.parametrize(
    "name", [".a.csv", "_a.csv", "a.csv.tmp", "a.csv.crdownload", "a.csv.part"]
)
def test_unfinished_names_are_passed_over(tmp_path: Path, name: str) -> None:
    """Hidden and temporary names are not there yet."""
    put(tmp_path / name, "x\n1\n")
    assert list(source(tmp_path, "*").batches()) == []


def test_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    """A file in a folder that is being written is not there yet."""
    for folder in ("_tmp", ".git", "done"):
        (tmp_path / folder).mkdir()
        put(tmp_path / folder / "a.csv", "x\n1\n")
    assert [b.name for b in source(tmp_path, "**/*.csv").batches()] == ["done/a.csv"]


def test_a_missing_file_or_folder_is_no_batch(tmp_path: Path) -> None:
    """Where nothing was put down yet, nothing is listed."""
    assert list(source(tmp_path, "not/there.csv").batches()) == []
    assert list(source(tmp_path, "not/*.csv").batches()) == []


def test_one_file_is_one_batch(tmp_path: Path) -> None:
    """A plain path is the file itself."""
    put(tmp_path / "a.csv", "x\n1\n")
    put(tmp_path / "b.csv", "x\n2\n")
    assert [b.name for b in source(tmp_path, "a.csv").batches()] == ["a.csv"]


def test_a_file_that_is_only_touched_has_not_changed(tmp_path: Path) -> None:
    """A fingerprint is of content, not of time."""
    path, found = put(tmp_path / "a.csv", "x\n1\n"), source(tmp_path)
    (first,) = found.batches()
    os.utime(path, (LONG_AGO, LONG_AGO))
    (second,) = found.batches()
    assert (first.fingerprint, first.modified > second.modified) == (second.fingerprint, True)
    assert found.read(first).height == 1


def test_texts_stay_texts(tmp_path: Path) -> None:
    """Nothing is converted while reading: 007 is not 7, an empty field is a missing value."""
    put(tmp_path / "a.csv", 'מזהה,x,y\n007,,NA\n"8,5",1e3,"a\nb"\n')
    assert read(tmp_path).rows() == [("007", None, "NA"), ("8,5", "1e3", "a\nb")]


def test_empty_lines_at_the_end_are_no_rows(tmp_path: Path) -> None:
    """What an editor leaves behind is not read as missing values."""
    put(tmp_path / "a.csv", "x,y\r\n1,2\r\n\r\n\r\n")
    assert read(tmp_path).rows() == [("1", "2")]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_header_tells_the_separator(tmp_path: Path, mark: str) -> None:
    """Files of other spreadsheets are read too; a decimal comma stays what it is."""
    put(tmp_path / "a.csv", f"x{mark}y\n1.5{mark}2\n")
    assert read(tmp_path).rows() == [("1.5", "2")]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    """What Excel writes first is not read as data."""
    put(tmp_path / "a.csv", b"\xef\xbb\xbfx\n1\n")
    assert read(tmp_path).columns == ["x"]


@pytest.mark.parametrize("content", ["", "x,y\n"], ids=["nothing", "only a header"])
def test_an_empty_file_is_not_ready(tmp_path: Path, content: str) -> None:
    """Nothing, or nothing but a header, is never read as truth."""
    put(tmp_path / "a.csv", content, quiet=True)
    with pytest.raises(BatchNotReady):
        read(tmp_path)


def test_a_file_that_ends_within_a_line_is_half_written(tmp_path: Path) -> None:
    """While it may still grow it is not ready; once it was quiet for a minute it is whole."""
    path = put(tmp_path / "a.csv", "x,y\n1,2\n3,4")
    with pytest.raises(BatchNotReady, match="middle of a line"):
        read(tmp_path)
    os.utime(path, (time.time() - 61, time.time() - 61))
    assert read(tmp_path).height == 2


@pytest.mark.parametrize(
    ("name", "content", "age", "left"),
    [
        ("a.csv", b"x\n1", 20.0, 40.0),
        ("a.csv", b"x\n1", 60.0, 0.0),
        ("a.csv", b"x\n1", -30.0, 90.0),
        ("a.csv", b"x\n1\n", 0.0, 0.0),
        ("a.csv", b"x\r1\r", 0.0, 0.0),
        ("a.csv", "x\n1\n".encode("utf-16"), 0.0, 0.0),
        ("a.csv", "x\n1".encode("utf-16"), 0.0, 60.0),
        ("a.csv", b"", 0.0, 0.0),
        ("a.parquet", b"PAR1", 0.0, 0.0),
    ],
)
def test_how_long_a_file_is_still_waited_for_is_told(
    tmp_path: Path, name: str, content: bytes, age: float, left: float
) -> None:
    """A minute after its last change if it ends within a line; else it is whole now."""
    path, now = put(tmp_path / name, content), 1_800_000_000.0
    os.utime(path, (now - age, now - age))
    assert unfinished(path, now) == left


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x,y\n1,2\n3\n4,5,6\n", "not a CSV table"),
        (b"x,x\n1,2\n", "names a column twice: x"),
        (b"x,\n1,2\n", "a column without a name"),
        ("שם\nדנה\n".encode("cp1255"), "line 1 is not UTF-8"),
        ("x\n1\nדנה\n".encode("cp1255"), "line 3 is not UTF-8"),
        (b"x\n1\n\x00\x00\n", "line 3 holds a zero byte"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, content: bytes, reason: str) -> None:
    """A file that is whole and wrong is the producer's to repair."""
    put(tmp_path / "a.csv", content, quiet=True)
    with pytest.raises(DataError, match=reason):
        read(tmp_path)


def parquet(path: Path) -> bytes:
    """Return the bytes of a Parquet file, written to a path."""
    pl.DataFrame({"x": [1, 2], "secret": ["a", "b"]}).write_parquet(path)
    return path.read_bytes()


@pytest.mark.parametrize("kept", [4, 20, -1, -8])
def test_a_parquet_file_without_its_footer_is_half_written(tmp_path: Path, kept: int) -> None:
    """The footer is written last: before, nothing of it is read."""
    path = tmp_path / "a.parquet"
    put(path, parquet(path)[:kept])
    with pytest.raises(BatchNotReady, match="half-written"):
        read(tmp_path, "*.parquet")


def test_a_parquet_file_that_is_spoilt_is_refused(tmp_path: Path) -> None:
    """Both ends are right and what is between is not; or it is no Parquet file at all."""
    path = tmp_path / "a.parquet"
    whole = parquet(path)
    put(path, whole[:4] + b"\xff" * (len(whole) - 8) + whole[-4:])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read(tmp_path, "*.parquet")
    put(path, "x,y\n1,2\n")
    with pytest.raises(DataError, match="is not a Parquet file"):
        read(tmp_path, "*.parquet")


@pytest.mark.parametrize("ending", ["csv", "parquet", "delta"])
def test_hidden_columns_are_not_read(tmp_path: Path, ending: str) -> None:
    """A forbidden column never reaches memory as data, whatever the format."""
    frame = pl.DataFrame({"x": ["1"], "secret": ["a"], "y": ["2"]})
    if ending == "csv":
        frame.write_csv(tmp_path / "a.csv")
    elif ending == "parquet":
        frame.write_parquet(tmp_path / "a.parquet")
    else:
        frame.write_delta(str(tmp_path / "a.delta"))
    found = read(tmp_path, f"a.{ending}", hidden=("secret",))
    assert found.to_dicts() == [{"x": "1", "y": "2"}]


def test_a_delta_table_is_a_batch_per_version(tmp_path: Path) -> None:
    """A new version has a new fingerprint; the version that was listed is what is read."""
    table, found = tmp_path / "t", source(tmp_path, "t")
    pl.DataFrame({"x": [1]}).write_delta(str(table))
    (first,) = found.batches()
    pl.DataFrame({"x": [2]}).write_delta(str(table), mode="append")
    (second,) = found.batches()
    assert first.fingerprint != second.fingerprint
    assert (found.read(first).height, found.read(second).height) == (1, 2)


def test_a_name_without_a_known_format_is_asked_about(tmp_path: Path) -> None:
    """The format is never guessed from content; the contract may name it."""
    put(tmp_path / "a.dat", "x\n1\n")
    with pytest.raises(UsageError, match=r"a\.dat"):
        read(tmp_path, "*.dat")
    named = FileSource(tmp_path, "*.dat", "csv")
    (batch,) = named.batches()
    assert named.read(batch).height == 1


@pytest.mark.parametrize("name", ["README.md", "book.xlsx", "a.csv.gz"])
def test_a_stray_file_waits_and_stops_nothing(tmp_path: Path, name: str) -> None:
    """A file of no known format among others is passed over, with its name."""
    put(tmp_path / name, b"PK\x03\x04")
    with pytest.raises(BatchNotReady, match="passed over"):
        read(tmp_path, "*")


def test_lines_that_end_with_a_carriage_return_alone_are_lines(tmp_path: Path) -> None:
    """Old spreadsheets write such files."""
    put(tmp_path / "a.csv", "x,y\r1,2\r3,4\r", quiet=True)
    assert read(tmp_path).rows() == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("x,y\n1,2\n\n3,4\n", [("1", "2"), ("3", "4")]),
        ("\n\nx,y\r\n1,2\r\n \r\n\r\n3,4\r\n", [("1", "2"), ("3", "4")]),
        ('x,y\n1,"a\n\nb"\n\n3,4\n', [("1", "a\n\nb"), ("3", "4")]),
        ("x\n1\n\n2\n", [("1",), (None,), ("2",)]),
    ],
)
def test_an_empty_line_is_no_row(tmp_path: Path, content: str, rows: list[object]) -> None:
    """It is left out, but not within quotes, and of one column it is a missing value."""
    put(tmp_path / "a.csv", content)
    assert read(tmp_path).rows() == rows


def test_one_line_may_be_a_header_or_a_row(tmp_path: Path) -> None:
    """Nobody can say which: it waits, and both are named."""
    put(tmp_path / "a.csv", "a,2026-01-04,1\n", quiet=True)
    with pytest.raises(BatchNotReady, match="rows without a header"):
        read(tmp_path)


def test_a_delta_file_that_is_away_is_awaited(tmp_path: Path) -> None:
    """A read that fails for a moment refuses nothing: the same version is read when it is back."""
    pl.DataFrame({"x": [1, 2]}).write_delta(str(tmp_path / "d"))
    found = FileSource(tmp_path, "d", "delta")
    (batch,) = found.batches()
    (part,) = (tmp_path / "d").glob("*.parquet")
    part.rename(tmp_path / "away")
    with pytest.raises(BatchNotReady, match="cannot be read"):
        found.read(batch)
    (tmp_path / "away").rename(part)
    assert found.read(batch).height == 2


@pytest.mark.parametrize("place", ["before its bytes", "after its bytes"])
def test_a_file_that_vanishes_while_it_is_read_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Between the two looks at its stamp it goes away: the read says to wait, never what it saw."""
    put(tmp_path / "a.csv", "x,y\n1,2\n")
    found, whole = source(tmp_path), Path.read_bytes
    (batch,) = found.batches()

    def read_and_lose(path: Path) -> bytes:
        if place == "before its bytes":
            path.unlink()
        content = whole(path)
        path.unlink()
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_lose)
    with pytest.raises(BatchNotReady, match="cannot be read"):
        found.read(batch)
