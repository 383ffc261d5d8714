"""Every source keeps the laws of its port."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tamid.adapters.dvc import DvcSource
from tamid.adapters.files import FileSource
from tamid.adapters.memory_source import MemorySource
from tamid.testing.source_suite import Put, Remove, SourceSuite

START = datetime(2026, 1, 4, tzinfo=UTC)
COLUMNS = {"customer": pl.String, "x": pl.String}


class _Stamps:
    """Hands out moments, each a second after the one before."""

    def __init__(self) -> None:
        self._now = START

    def next(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


class TestMemorySource(SourceSuite):
    """Batches in memory."""

    @pytest.fixture
    def source(self) -> MemorySource:
        return MemorySource()

    @pytest.fixture
    def put(self, source: MemorySource) -> Put:
        stamps = _Stamps()

        def down(name: str, rows: Sequence[Mapping[str, str]]) -> None:
            source.put(name, pl.DataFrame(list(rows), schema=COLUMNS), stamps.next())

        return down

    @pytest.fixture
    def remove(self, source: MemorySource) -> Remove:
        return source.remove


class _Files:
    """Files of one kind in a folder."""

    ending = ""

    @pytest.fixture
    def source(self, tmp_path: Path) -> FileSource:
        return FileSource(tmp_path, f"in/*{self.ending}")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        stamps = _Stamps()
        (tmp_path / "in").mkdir()

        def down(name: str, rows: Sequence[Mapping[str, str]]) -> None:
            path = tmp_path / "in" / f"{name}{self.ending}"
            frame = pl.DataFrame(list(rows), schema=COLUMNS)
            if self.ending == ".csv":
                frame.write_csv(path)
            else:
                frame.write_parquet(path)
            moment = stamps.next().timestamp()
            os.utime(path, (moment, moment))

        return down

    @pytest.fixture
    def remove(self, tmp_path: Path) -> Remove:
        return lambda name: (tmp_path / "in" / f"{name}{self.ending}").unlink()


class TestCsvSource(_Files, SourceSuite):
    """CSV files of a glob."""

    ending = ".csv"


class TestParquetSource(_Files, SourceSuite):
    """Parquet files of a glob."""

    ending = ".parquet"


class TestDvcSource(SourceSuite):
    """Pointers in a repository, content in its cache, with no DVC installed."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> DvcSource:
        (tmp_path / ".dvc").mkdir()
        (tmp_path / ".dvc" / "config").write_text("", "utf-8")
        return DvcSource(tmp_path, "in/*.csv.dvc")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        stamps = _Stamps()

        def down(name: str, rows: Sequence[Mapping[str, str]]) -> None:
            content = pl.DataFrame(list(rows), schema=COLUMNS).write_csv().encode()
            pointer = track(tmp_path, f"in/{name}.csv", content)
            stamp = stamps.next().timestamp()
            os.utime(pointer, (stamp, stamp))

        return down

    @pytest.fixture
    def remove(self, tmp_path: Path) -> Remove:
        return lambda name: (tmp_path / "in" / f"{name}.csv.dvc").unlink()


def track(root: Path, name: str, content: bytes) -> Path:
    """Put content into a cache and a pointer to it beside where it would lie, as DVC 3 does."""
    md5 = hashlib.md5(content).hexdigest()
    cached = root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(content)
    pointer = root / f"{name}.dvc"
    pointer.parent.mkdir(parents=True, exist_ok=True)
    out = f"outs:\n- md5: {md5}\n  size: {len(content)}\n  hash: md5\n  path: {Path(name).name}\n"
    pointer.write_text(out, "utf-8")
    return pointer
