"""Every store of contents keeps the laws of its port."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.blobs import FileBlobs
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.testing.blobs_suite import BlobsSuite, Spoil


class TestMemoryBlobs(BlobsSuite):
    """Contents in memory."""

    @pytest.fixture
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()

    @pytest.fixture
    def spoil(self, blobs: MemoryBlobs) -> Spoil:
        return lambda digest: vars(blobs)["_held"].update({digest: b"lies"})


class TestFileBlobs(BlobsSuite):
    """Contents as files."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> FileBlobs:
        return FileBlobs(tmp_path / "blobs")

    @pytest.fixture
    def spoil(self, tmp_path: Path) -> Spoil:
        def write(digest: str) -> None:
            (file,) = (f for f in (tmp_path / "blobs").rglob("*") if f.is_file())
            file.write_bytes(b"lies")

        return write
