"""Images as archives: the same bytes for the same content, whole and addressed by digests."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tamid.adapters._entries import Entry
from tamid.adapters.interpreter import HOME, PYTHON, python_entries, zone_entries
from tamid.adapters.oci import Image, write_image

CONFIG = {"User": "10001:10001", "Entrypoint": ["/bin/x"]}


def written(file: Path, *layers: list[Entry]) -> Image:
    """Write an image."""
    return write_image(
        file, layers, CONFIG, name="localhost/x:1", created="2026-01-04T00:00:00Z", machine="amd64"
    )


def blobs(file: Path) -> dict[str, bytes]:
    """Return the files of an archive."""
    with tarfile.open(file) as tar:
        members = [m for m in tar.getmembers() if m.isfile()]
        return {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]


def blob(files: dict[str, bytes], digest: str) -> bytes:
    """Return a blob, and see that it is what its address says."""
    content = files[f"blobs/sha256/{digest.removeprefix('sha256:')}"]
    assert hashlib.sha256(content).hexdigest() == digest.removeprefix("sha256:")
    return content


def test_an_image_is_whole_and_addressed(tmp_path: Path) -> None:
    """From the index every blob is found under its digest; layers unpack to what was put in."""
    (tmp_path / "model").write_bytes(b"tree\n" * 1000)
    entries = [
        Entry(path="/srv/מודל/model.txt", content=tmp_path / "model"),
        Entry(path="/srv/run", content=b"#!", mode=0o555),
        Entry(path="/srv/link", target="run"),
        Entry(path="/srv/out", mode=0o755, owner=10001),
    ]
    made = written(tmp_path / "x.tar", entries)
    files = blobs(tmp_path / "x.tar")
    assert made.size == (tmp_path / "x.tar").stat().st_size
    index = json.loads(files["index.json"])
    assert index["manifests"][0]["digest"] == made.digest
    manifest = json.loads(blob(files, made.digest))
    config: dict[str, Any] = json.loads(blob(files, manifest["config"]["digest"]))
    assert (config["config"], config["architecture"]) == (CONFIG, "amd64")
    (layer,) = manifest["layers"]
    assert len(config["history"]) == 1
    plain = gzip.decompress(blob(files, layer["digest"]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        found = {m.name: m for m in tar.getmembers()}
        assert list(found) == sorted(found)
        assert set(found) == {
            "srv", "srv/link", "srv/out", "srv/run", "srv/מודל", "srv/מודל/model.txt",
        }  # fmt: skip
        assert tar.extractfile("srv/מודל/model.txt").read() == b"tree\n" * 1000  # type: ignore[union-attr]
    assert (found["srv/run"].mode, found["srv/run"].uid) == (0o555, 0)
    assert (found["srv/out"].mode, found["srv/out"].uid) == (0o755, 10001)
    assert {m.mtime for m in found.values()} == {0}
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["localhost/x:1"]
    assert set(docker["Layers"]) <= set(files)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    """Order, times and rights of files on this disk get nowhere; other content is another image."""
    one, two = tmp_path / "one", tmp_path / "two"
    for path, moment in ((one, 1), (two, 2_000_000_000)):
        path.write_bytes(b"same")
        path.chmod(0o600 if moment == 1 else 0o755)
        os.utime(path, (moment, moment))
    first = written(
        tmp_path / "1.tar", [Entry(path="/a", content=one), Entry(path="/b/c", content=b"x")]
    )
    again = written(
        tmp_path / "2.tar", [Entry(path="/b/c", content=b"x"), Entry(path="/a", content=two)]
    )
    other = written(
        tmp_path / "3.tar", [Entry(path="/b/c", content=b"y"), Entry(path="/a", content=two)]
    )
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert first == again
    assert other.digest != first.digest


def test_a_file_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    """An image is there whole, or the one before it is."""
    (tmp_path / "x.tar").write_bytes(b"before")
    with pytest.raises(FileNotFoundError):
        written(tmp_path / "x.tar", [Entry(path="/a", content=tmp_path / "gone")])
    assert [p.name for p in tmp_path.iterdir()] == ["x.tar"]
    assert (tmp_path / "x.tar").read_bytes() == b"before"


def test_this_python_is_gathered_whole() -> None:
    """Interpreter, standard library and what both are linked to; no tests of theirs."""
    entries = python_entries()
    paths = {e.path: e for e in entries}
    assert len(paths) == len(entries)
    assert isinstance(paths[PYTHON].content, Path)
    assert paths[PYTHON].mode == 0o555
    assert any(path.endswith("/json/decoder.py") for path in paths)
    assert any("/libc.so" in path for path in paths)
    assert any("ld-linux" in path or "/ld64" in path for path in paths)
    assert not [p for p in paths if p.startswith(f"{HOME}/lib") and "/test/" in p]
    assert not [p for p in paths if p.endswith(".pyc")]


def test_a_zone_is_taken_where_it_lies() -> None:
    """The contract's own zone, and none that does not exist."""
    assert not zone_entries("Nowhere/At_All")
    for entry in zone_entries("Asia/Jerusalem"):
        assert entry.path.endswith("/Asia/Jerusalem")
