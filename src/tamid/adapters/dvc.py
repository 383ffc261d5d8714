"""Batches that DVC tracks: `.dvc` pointers in the repository, content in its cache or remote.

A batch is what its pointer says: listing reads pointers only, and the MD5 in one is the batch's
fingerprint. Content is taken from the cache, from the file beside the pointer, or fetched from the
remote by `dvc`, and is only used if its MD5 is the pointer's.
"""

from __future__ import annotations

import configparser
import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.adapters._batches import Format, finished, fixed_part, kind_of, rows_of
from tamid.core.errors import BatchNotReady, UsageError
from tamid.ports import Batch

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.contract.csvform import CsvForm
    from tamid.ports import Source

POINTER = ".dvc"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")
# Seconds after which a fetch is given up; shorter than a controller's lease.
_LONGEST_FETCH_S = 1800


@dataclass(frozen=True, slots=True)
class _Pointer:
    md5: str
    size: int
    path: str
    legacy: bool


class DvcSource:
    """The files behind the `.dvc` pointers that match a path or glob below a folder."""

    def __init__(
        self,
        folder: Path,
        path: str,
        kind: Format = "auto",
        hidden: Sequence[str] = (),
        *,
        csv: CsvForm | None = None,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        self._kind, self._hidden = kind, frozenset(hidden)
        self._csv, self._kinds = csv, kinds
        self._base = fixed_part(folder / path)
        self._pattern = (folder / path).relative_to(self._base).as_posix()

    def batches(self) -> Sequence[Batch]:
        """Return what the pointers name, oldest pointer first; no content is looked at."""
        found = (self._batch(name) for name in finished(self._base, self._pattern))
        return sorted((b for b in found if b), key=lambda batch: (batch.modified, batch.name))

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return the rows of exactly the content that the pointer named when it was listed.

        Raises:
            UsageError: the pointer is of a folder, or no format goes with its name.
        """
        path = self._base / (batch.name + POINTER)
        try:
            pointer = _pointer(path.read_text("utf-8", errors="replace"))
        except OSError as error:
            raise BatchNotReady(f"{path.name} cannot be read: {error.strerror}") from error
        if pointer is None:
            raise BatchNotReady(
                f"{path.name} is no DVC pointer just now",
                why="it is half-written, or a merge left its marks in it",
                fix="Bring it in order: `dvc status` names what is wrong.",
            )
        if f"md5:{pointer.md5}" != batch.fingerprint:
            raise BatchNotReady(f"{path.name} changed since it was listed")
        kind = self._format(batch.name, pointer)
        content = _content(path, pointer)
        # Content under a digest is whole, whether or not its last line has an end.
        return rows_of(batch.name, content, kind, self._hidden, form=self._csv, kinds=self._kinds)

    def _batch(self, name: str) -> Batch | None:
        if not name.endswith(POINTER):
            return None
        path = self._base / name
        try:
            text = path.read_text("utf-8", errors="replace")
            modified = datetime.fromtimestamp(path.stat().st_mtime_ns / 1e9, UTC)
        except OSError:
            return None  # gone since it was listed, or a folder: then it is not there
        pointer = _pointer(text)
        mark = f"md5:{pointer.md5}" if pointer else hashlib.sha256(text.encode()).hexdigest()
        return Batch(
            name=name.removesuffix(POINTER),
            fingerprint=mark,
            size=pointer.size if pointer else 0,
            modified=modified,
        )

    def _format(self, name: str, pointer: _Pointer) -> Format:
        if pointer.md5.endswith(".dir"):
            raise UsageError(
                f"{name}{POINTER} tracks a folder",
                why="a batch is one file",
                fix=f"Track its files one by one, and name them by a glob: {name}/*{POINTER}",
            )
        return kind_of(pointer.path, self._kind)


def _pointer(text: str) -> _Pointer | None:
    """Return what a pointer's text says; None if it is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        (out,) = YAML(typ="safe", pure=True).load(text)["outs"]
        md5, path = out["md5"], out["path"]
        size = int(out.get("size") or 0)
    except (YAMLError, TypeError, ValueError, KeyError, AttributeError):
        return None
    if not (isinstance(md5, str) and _MD5.match(md5) and isinstance(path, str) and path):
        return None
    return _Pointer(md5, size, path, legacy="hash" not in out)


def _content(path: Path, pointer: _Pointer) -> bytes:
    """Return the content that a pointer names, from where it lies nearest."""
    places = [*_cached(path, pointer), path.parent / pointer.path]
    for place in places:
        if (content := _fitting(place, pointer)) is not None:
            return content
    said = _fetched(path)
    for place in _cached(path, pointer):
        if (content := _fitting(place, pointer)) is not None:
            return content
    raise BatchNotReady(
        f"{pointer.path} with MD5 {pointer.md5} is neither in DVC's cache nor could be fetched",
        why=said,
        fix=f"Try it by hand: `dvc fetch {path.name}`; and let its owner `dvc push`.",
    )


def _fitting(place: Path, pointer: _Pointer) -> bytes | None:
    """Return what lies at a place, if it is what the pointer names."""
    try:
        content = place.read_bytes()
    except OSError:
        return None
    found = {hashlib.md5(content, usedforsecurity=False).hexdigest()}
    if pointer.legacy:  # DVC 2 took the digest of texts with the line ends of Unix
        unix = content.replace(b"\r\n", b"\n")
        found.add(hashlib.md5(unix, usedforsecurity=False).hexdigest())
    return content if pointer.md5 in found else None


def _cached(path: Path, pointer: _Pointer) -> Iterator[Path]:
    """Yield where the content lies in the cache of the repository, newer layout first."""
    top = next((f for f in path.resolve().parents if (f / POINTER / "config").is_file()), None)
    if top is None:
        return
    cache = _cache_folder(top / POINTER)
    head, tail = pointer.md5[:2], pointer.md5[2:]
    yield cache / "files" / "md5" / head / tail
    yield cache / head / tail


def _cache_folder(settings: Path) -> Path:
    for name in ("config.local", "config"):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            parser.read(settings / name, encoding="utf-8")
        except configparser.Error:
            continue
        if parser.has_option("cache", "dir"):
            return settings / parser.get("cache", "dir")
    return settings / "cache"


def _fetched(path: Path) -> str:
    """Let DVC bring the content into its cache; return why it did not, "" if it did."""
    beside = Path(sys.executable).parent / "dvc"
    command = shutil.which("dvc") or (str(beside) if beside.exists() else None)
    if command is None:
        return "dvc is not installed: pip install 'dvc[s3]', or whatever its remote needs"
    try:
        done = subprocess.run(
            [command, "fetch", "--quiet", path.name],
            cwd=path.parent, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=_LONGEST_FETCH_S,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"dvc gave no answer: {error}"
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (said[-1] if said else done.stderr.strip()[-300:]) if done.returncode else ""


if TYPE_CHECKING:
    _source: Source = DvcSource(Path(), "")
