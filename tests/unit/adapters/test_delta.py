"""Delta tables: quick however many writes, safe among several writers and with a full disk."""

from __future__ import annotations

import stat
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from deltalake import DeltaTable

from tamid.adapters._frames import SliceCache
from tamid.adapters.blobs import FileBlobs
from tamid.adapters.delta import DeltaTables
from tamid.core.errors import IntegrityError, SystemFailure, UsageError
from tamid.core.values import PERIOD, TablePin
from tamid.testing.tables_suite import ONE, TWO, frame


def put(tables: DeltaTables, part: pl.DataFrame, key: str) -> TablePin:
    """Append to the table of these tests."""
    return tables.write("churn.rows", part, key=key, token=1, mode="append")


def test_other_tools_read_the_table(tmp_path: Path) -> None:
    """It is a plain Delta table: Polars reads the newest version and any older one."""
    tables = DeltaTables(tmp_path)
    put(tables, frame(ONE, x=[1]), "k1")
    pin = put(tables, frame(ONE, x=[2]), "k2")
    path = str(tmp_path / "churn.rows")
    assert sorted(pl.read_delta(path).get_column("x")) == [1, 2]
    assert pl.read_delta(path, version=pin.version - 1).get_column("x").to_list() == [1]


def test_a_slice_is_one_file_in_each_version(tmp_path: Path) -> None:
    """Many small appends leave one file to read for each slice."""
    tables = DeltaTables(tmp_path)
    for n in range(12):
        put(tables, frame(ONE if n % 2 else TWO, x=[n]), f"k{n}")
    assert pl.read_delta(str(tmp_path / "churn.rows")).height == 12
    assert len(DeltaTable(str(tmp_path / "churn.rows")).file_uris()) == 2


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    """Two stores over one folder, taking turns: each sees what the other wrote."""
    one, two = DeltaTables(tmp_path), DeltaTables(tmp_path)
    for n in range(30):
        put(one if n % 2 else two, frame(ONE, x=[n]), f"k{n}")
    pin = one.latest("churn.rows")
    assert pin == two.latest("churn.rows")
    assert pin is not None
    assert sorted(one.read(pin).get_column("x")) == list(range(30))
    two.verify(pin)


def test_an_altered_file_is_noticed(tmp_path: Path) -> None:
    """Content that was exchanged behind the store's back is named by its slice."""
    pin = put(DeltaTables(tmp_path), pl.concat([frame(ONE, x=[1]), frame(TWO, x=[2])]), "k")
    (file,) = tmp_path.glob(f"churn.rows/{PERIOD}={TWO}/*.parquet")
    pl.DataFrame({"x": [3]}).write_parquet(file)
    with pytest.raises(IntegrityError) as error:
        DeltaTables(tmp_path).verify(pin)
    assert TWO in error.value.why
    assert ONE not in error.value.why


@pytest.mark.parametrize("spoil", [Path.unlink, lambda p: p.write_bytes(b"PAR1")])
def test_a_lost_or_spoilt_file_is_an_integrity_error(tmp_path: Path, spoil: object) -> None:
    """A version that cannot be read whole is never read in part."""
    pin = put(DeltaTables(tmp_path), frame(ONE, x=[1]), "k")
    (file,) = tmp_path.glob(f"churn.rows/{PERIOD}={ONE}/*.parquet")
    assert callable(spoil)
    spoil(file)
    with pytest.raises(IntegrityError):
        DeltaTables(tmp_path).read(pin)


def test_a_pin_of_another_digest_is_not_read(tmp_path: Path) -> None:
    """What the ledger pinned is what is read, or nothing."""
    tables = DeltaTables(tmp_path)
    pin = put(tables, frame(ONE, x=[1]), "k")
    with pytest.raises(IntegrityError, match="not the pinned one"):
        tables.read(TablePin(table=pin.table, version=pin.version, digest="sha256:00"))


def test_a_write_that_the_disk_refuses_changes_nothing(tmp_path: Path) -> None:
    """The table stands at the version before, and goes on when the disk is well again."""
    tables = DeltaTables(tmp_path)
    pin = put(tables, frame(ONE, x=[1]), "k1")
    blocked = tmp_path / "churn.rows" / f"{PERIOD}={TWO}"
    blocked.write_bytes(b"a file where a folder has to be")
    with pytest.raises(SystemFailure, match=r"churn\.rows"):
        put(tables, frame(TWO, x=[2]), "k2")
    assert tables.latest("churn.rows") == pin
    blocked.unlink()
    assert sorted(tables.read(put(tables, frame(TWO, x=[2]), "k2")).get_column("x")) == [1, 2]


def test_an_empty_table_left_by_a_crash_is_no_version(tmp_path: Path) -> None:
    """A process that died between making the table and its first rows has written nothing."""
    tables = DeltaTables(tmp_path)
    blocked = tmp_path / "churn.rows" / f"{PERIOD}={ONE}"
    blocked.parent.mkdir()
    blocked.write_bytes(b"")
    with pytest.raises(SystemFailure):
        put(tables, frame(ONE, x=[1]), "k")
    blocked.unlink()
    again = DeltaTables(tmp_path)
    assert again.latest("churn.rows") is None
    pin = put(again, frame(ONE, x=[1], y=["more"]), "k")
    assert again.read(pin).height == 1


def test_the_cache_keeps_to_its_size() -> None:
    """What was not used for longest is let go first."""
    part = pl.DataFrame({"x": list(range(100))})
    cache = SliceCache(int(part.estimated_size()) * 2)
    cache.put("a", part)
    cache.put("b", part)
    assert cache.get("a") is not None
    cache.put("c", part)
    held = {name for name in "abc" if cache.get(name) is not None}
    assert held == {"a", "c"}


def test_contents_are_private_and_leave_no_rest(tmp_path: Path) -> None:
    """Files are readable by their owner only, and nothing but whole files is left."""
    blobs = FileBlobs(tmp_path)
    blobs.put(b"model")
    blobs.put(b"model")
    (file,) = (f for f in tmp_path.rglob("*") if f.is_file())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="not a digest"):
        blobs.get("../../etc/passwd")


def test_contents_the_disk_refuses_are_a_system_failure(tmp_path: Path) -> None:
    """What was not stored durably is never named."""
    (tmp_path / "blobs").write_bytes(b"a file where a folder has to be")
    with pytest.raises(SystemFailure, match="cannot store 5 bytes"):
        FileBlobs(tmp_path / "blobs").put(b"model")


@pytest.mark.bench
def test_four_hundred_appends_stay_quick(tmp_path: Path) -> None:
    """A small write costs about the same after hundreds as at the start."""
    tables, spent = DeltaTables(tmp_path), []
    for n in range(400):
        part = frame(f"p{n // 7:03}", x=[float(k) for k in range(600)], at=[_MOMENT] * 600)
        start = time.process_time()
        put(tables, part, f"k{n}")
        spent.append(time.process_time() - start)
    first, last = median(spent[:50]), median(spent[-50:])
    sys.stdout.write(
        f"\nappends: {first * 1e3:.1f} ms of processor time at first, {last * 1e3:.1f} ms after 400"
    )
    assert last < 4 * first


_MOMENT = datetime(2026, 1, 4, tzinfo=UTC)
