"""What DVC tracks: pointers, caches old and new, and what cannot be had."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tamid.adapters.dvc import DvcSource
from tamid.core.errors import BatchNotReady, UsageError

ROWS = b"customer,x\r\n7,1.5\r\n"
UNIX = ROWS.replace(b"\r\n", b"\n")


def pointed(root: Path, content: bytes, more: str = "  hash: md5\n") -> str:
    """Put down a repository with a pointer to content; return its MD5."""
    (root / ".dvc").mkdir(exist_ok=True)
    (root / ".dvc" / "config").write_text("", "utf-8")
    md5 = hashlib.md5(content).hexdigest()
    text = f"outs:\n- md5: {md5}\n  size: {len(content)}\n{more}  path: rows.csv\n"
    (root / "rows.csv.dvc").write_text(text, "utf-8")
    return md5


@pytest.fixture
def no_dvc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without DVC."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.setattr("sys.executable", str(tmp_path / "nothing" / "python"))


@pytest.mark.usefixtures("no_dvc")
class TestWithoutDvc:
    """What can be read where DVC is not installed."""

    def test_the_file_beside_the_pointer_will_do(self, tmp_path: Path) -> None:
        """A checked out file is read if it is what the pointer names."""
        md5 = pointed(tmp_path, ROWS)
        (tmp_path / "rows.csv").write_bytes(ROWS)
        source = DvcSource(tmp_path, "rows.csv.dvc")
        (batch,) = source.batches()
        assert (batch.name, batch.fingerprint, batch.size) == ("rows.csv", f"md5:{md5}", len(ROWS))
        assert source.read(batch).rows() == [("7", "1.5")]

    def test_an_edited_file_is_not_what_is_pinned(self, tmp_path: Path) -> None:
        """A file that was changed without `dvc add` is passed over; the message says what to do."""
        pointed(tmp_path, ROWS)
        (tmp_path / "rows.csv").write_bytes(ROWS + b"8,2\r\n")
        source = DvcSource(tmp_path, "rows.csv.dvc")
        with pytest.raises(BatchNotReady, match="could be fetched") as caught:
            source.read(source.batches()[0])
        assert "not installed" in caught.value.why
        assert "dvc fetch rows.csv.dvc" in caught.value.remedy

    def test_a_damaged_cache_is_passed_over(self, tmp_path: Path) -> None:
        """Content that does not fit its digest is never used."""
        md5 = pointed(tmp_path, ROWS)
        place = tmp_path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
        place.parent.mkdir(parents=True)
        place.write_bytes(b"customer,x\n7,666\n")
        source = DvcSource(tmp_path, "rows.csv.dvc")
        with pytest.raises(BatchNotReady):
            source.read(source.batches()[0])
        place.write_bytes(ROWS)
        assert source.read(source.batches()[0]).height == 1

    @pytest.mark.parametrize("name", ["config", "config.local"])
    def test_the_cache_may_lie_elsewhere(self, tmp_path: Path, name: str) -> None:
        """The folder that the repository's settings name is looked at."""
        md5 = pointed(tmp_path, ROWS)
        (tmp_path / ".dvc" / name).write_text("[cache]\n    dir = ../far\n", "utf-8")
        place = tmp_path / "far" / "files" / "md5" / md5[:2] / md5[2:]
        place.parent.mkdir(parents=True)
        place.write_bytes(ROWS)
        source = DvcSource(tmp_path, "rows.csv.dvc")
        assert source.read(source.batches()[0]).height == 1

    def test_a_pointer_of_dvc_2_is_understood(self, tmp_path: Path) -> None:
        """Its digest is of the text with the line ends of Unix, its cache has no `files/md5`."""
        md5 = pointed(tmp_path, UNIX, more="")
        place = tmp_path / ".dvc" / "cache" / md5[:2] / md5[2:]
        place.parent.mkdir(parents=True)
        place.write_bytes(ROWS)
        source = DvcSource(tmp_path, "rows.csv.dvc")
        assert source.read(source.batches()[0]).rows() == [("7", "1.5")]


@pytest.mark.parametrize(
    "text", ["", "outs: []\n", "<<<<<<< HEAD\nouts:\n", "outs:\n- md5: ../../etc\n  path: x.csv\n"]
)
def test_what_is_no_pointer_waits(tmp_path: Path, text: str) -> None:
    """A broken pointer is listed, so that it is missed, and never read."""
    pointed(tmp_path, ROWS)
    (tmp_path / "rows.csv.dvc").write_text(text, "utf-8")
    source = DvcSource(tmp_path, "rows.csv.dvc")
    with pytest.raises(BatchNotReady, match="no DVC pointer"):
        source.read(source.batches()[0])


def test_a_tracked_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """A batch is one file."""
    md5 = pointed(tmp_path, ROWS)
    pointer = tmp_path / "rows.csv.dvc"
    pointer.write_text(pointer.read_text().replace(md5, f"{md5}.dir"), "utf-8")
    source = DvcSource(tmp_path, "rows.csv.dvc")
    with pytest.raises(UsageError, match="tracks a folder"):
        source.read(source.batches()[0])


def test_a_name_without_a_format_is_refused(tmp_path: Path) -> None:
    """As for plain files."""
    pointed(tmp_path, ROWS)
    pointer = tmp_path / "rows.csv.dvc"
    pointer.write_text(pointer.read_text().replace("rows.csv", "rows.bin"), "utf-8")
    with pytest.raises(UsageError, match="no format"):
        DvcSource(tmp_path, "rows.csv.dvc").read(DvcSource(tmp_path, "*.dvc").batches()[0])
