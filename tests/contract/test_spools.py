"""Every spool keeps the laws of its port; the one in a folder whatever dies, and whoever writes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tamid.adapters.memory_spool import MemorySpool
from tamid.adapters.spool import FileSpool
from tamid.core.errors import SystemFailure
from tamid.core.spool import ROWS, block, read_segment
from tamid.serving.log.segments import Segments
from tamid.testing.spool_suite import Put, SpoolSuite, numbered


class TestMemorySpool(SpoolSuite):
    """A spool in memory."""

    @pytest.fixture
    def spool(self) -> MemorySpool:
        return MemorySpool()

    @pytest.fixture
    def put(self, spool: MemorySpool) -> Put:
        return lambda name, content: spool.put(name, read_segment(content))


class TestFileSpool(SpoolSuite):
    """A spool in a folder."""

    @pytest.fixture
    def spool(self, tmp_path: Path) -> FileSpool:
        return FileSpool(tmp_path / "spool")

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        def down(name: str, content: bytes) -> None:
            (tmp_path / "spool").mkdir(exist_ok=True)
            (tmp_path / "spool" / f"{name}.seg").write_bytes(content)

        return down

    def test_a_claim_outlives_whoever_made_it(
        self, spool: FileSpool, put: Put, tmp_path: Path
    ) -> None:
        """Another process finds it, also one that died while it moved the segments."""
        put("001", numbered(1))
        put("002", numbered(2))
        moving = tmp_path / "spool" / "claiming"
        moving.mkdir()
        (tmp_path / "spool" / "001.seg").rename(moving / "001.seg")
        claim = FileSpool(tmp_path / "spool").claim()
        assert claim is not None
        assert list(claim.segments) == ["001.seg", "002.seg"]
        assert FileSpool(tmp_path / "spool").claim() == claim

    def test_so_much_is_taken_at_once(self, put: Put, tmp_path: Path) -> None:
        """The rest is the next claim; one that is larger comes alone."""
        for n in range(3):
            put(f"{n:03d}", numbered(n))
        spool = FileSpool(tmp_path / "spool", most_bytes=len(numbered(0)) + 5)
        names = []
        while (claim := spool.claim()) is not None:
            names.append(list(claim.segments))
            spool.discard(claim.name)
        assert names == [["000.seg"], ["001.seg"], ["002.seg"]]

    def test_what_is_being_written_is_left_alone(self, spool: FileSpool, tmp_path: Path) -> None:
        """Nor is taken what began after it; once sealed, all is."""
        now = [1000.0]
        folder = tmp_path / "spool"
        first = Segments(folder, "m", wall=lambda: now[0])
        first.write(block(ROWS, b'{"rows":[1]}'))
        now[0] = 1001.0
        second = Segments(folder, "m", wall=lambda: now[0])
        second.write(block(ROWS, b'{"rows":[2]}'))
        second.seal()
        assert spool.claim() is None
        first.seal()
        claim = spool.claim()
        assert claim is not None
        assert [s.sealed for s in claim.segments.values()] == [True, True]

    def test_what_a_killed_process_left_is_taken(self, spool: FileSpool, tmp_path: Path) -> None:
        """Its lock went with it."""
        folder = tmp_path / "spool"
        folder.mkdir()
        path = folder / "001.open"
        path.write_bytes(numbered(1)[:-2])
        fd = os.open(path, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        assert spool.claim() is None
        os.close(fd)
        claim = spool.claim()
        assert claim is not None
        assert [s.sealed for s in claim.segments.values()] == [False]
        assert not path.exists()

    def test_a_folder_that_cannot_be_written_is_a_failure_of_the_system(
        self, put: Put, tmp_path: Path
    ) -> None:
        """It says what is the matter and what to do."""
        put("001", numbered(1))
        (tmp_path / "spool" / "claiming").write_bytes(b"in the way")
        with pytest.raises(SystemFailure, match="cannot be taken in"):
            FileSpool(tmp_path / "spool").claim()
