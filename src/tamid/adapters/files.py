"""Batches as files: CSV and Parquet, one file or a glob, and Delta tables.

A batch is only read when it is whole: names of files that are being written are passed over, a file
that is empty, cut off, changing or gone is "not ready", and what was read is exactly what the
fingerprint was taken of.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from tamid.adapters._batches import Format, finished, fixed_part, format_of, kind_of, rows_of
from tamid.core.contract.csvform import CsvForm
from tamid.core.errors import BatchNotReady, DataError
from tamid.ports import Batch

__all__ = ["FileSource", "format_of", "read_whole", "unfinished"]

# What storages say of a file that is not there just now, or of a line that broke.
_GONE = re.compile(
    r"(?i)not found|no such|os error|nosuchkey|timed? ?out|connection|generic \w+ error"
)
# Files up to this many bytes are fingerprinted whole, larger ones by their ends, size and time.
_WHOLE = 256 * 2**20
_END = 2**20
# A CSV file without a last line end is taken for whole once it was quiet for this many seconds.
_QUIET = 60.0
# Line ends in any encoding that is read; in UTF-16 the second byte of one may be a zero.
_LINE_ENDS = (b"\n", b"\r", b"\n\x00", b"\r\x00")


@dataclass(frozen=True, slots=True)
class _Stamp:
    size: int
    modified: int
    inode: int
    folder: bool


class FileSource:
    """Files that match a path or glob below a folder, each one batch; a Delta table is one too.

    `hidden` columns are never read. `csv`: how CSV files are written; `kinds`: what their columns
    hold, by the contract. Batches are named by their path below the fixed part of the
    glob. Fingerprints are digests of content: a file that is only touched has not changed.
    """

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
        self._kind = kind
        self._csv, self._kinds = csv, kinds
        self._hidden = frozenset(hidden)
        self._base = fixed_part(folder / path)
        self._pattern = (folder / path).relative_to(self._base).as_posix()
        self._root = str(self._base)
        self._seen: dict[str, tuple[_Stamp, Batch]] = {}

    def batches(self) -> Sequence[Batch]:
        """Return the files that are there and finished by name, oldest first."""
        found = (self._batch(name) for name in finished(self._base, self._pattern))
        return sorted((b for b in found if b), key=lambda batch: (batch.modified, batch.name))

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return a file's rows; columns of a CSV file are texts."""
        path = self._base / batch.name
        if _is_delta(path):
            return self._read_delta(path, batch)
        self._pass_over(path.name)
        kind = kind_of(path.name, self._kind)
        try:
            before = _stamp(path)
            content = path.read_bytes()
            after = _stamp(path)
        except OSError as error:
            raise BatchNotReady(f"{batch.name} cannot be read: {error.strerror}") from error
        if before != after or _fingerprint(path, after, content) != batch.fingerprint:
            raise BatchNotReady(f"{batch.name} changed while it was read")
        return rows_of(
            batch.name,
            content,
            kind,
            self._hidden,
            whole=_noise(after, time.time()) <= 0,
            form=self._csv,
            kinds=self._kinds,
        )

    def _batch(self, name: str) -> Batch | None:
        try:
            stamp = _stamp(f"{self._root}/{name}")
            if stamp.folder:
                path = self._base / name
                return _delta_batch(path, name) if _is_delta(path) else None
            seen = self._seen.get(name)
            if seen is None or seen[0] != stamp:
                mark = _fingerprint(self._base / name, stamp, None)
                modified = datetime.fromtimestamp(stamp.modified / 1e9, UTC)
                batch = Batch(name=name, fingerprint=mark, size=stamp.size, modified=modified)
                seen = self._seen[name] = (stamp, batch)
        except OSError:
            return None  # gone since it was listed: then it is not there
        return seen[1]

    def _read_delta(self, path: Path, batch: Batch) -> pl.DataFrame:
        from deltalake.exceptions import DeltaError

        version = int(batch.fingerprint.rpartition("@")[2])
        try:
            frame = pl.scan_delta(str(path), version=version)
            kept = [c for c in frame.collect_schema().names() if c not in self._hidden]
            return frame.select(kept).collect()
        except (DeltaError, pl.exceptions.PolarsError, OSError) as error:
            text = f"Delta table {batch.name} cannot be read: {error}"
            if isinstance(error, OSError) or _GONE.search(str(error)):
                raise BatchNotReady(text) from error
            raise DataError(text) from error

    def _pass_over(self, name: str) -> None:
        """Refuse a stray file among those that were meant."""
        if self._kind == "auto" and format_of(name) is None and self._pattern.endswith("*"):
            raise BatchNotReady(
                f"{name}: no format goes with this name, it is passed over "
                "(name it .csv or .parquet)"
            )


def _is_delta(path: Path) -> bool:
    return (path / "_delta_log").is_dir()


def _delta_batch(path: Path, name: str) -> Batch | None:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(str(path))
        commit = table.history(1)[0]
        modified = datetime.fromtimestamp(int(commit.get("timestamp", 0)) / 1000, UTC)
        fingerprint = f"{table.metadata().id}@{table.version()}"
    except (DeltaError, OSError, IndexError):
        return None  # its first commit is being written
    return Batch(name=name, fingerprint=fingerprint, size=0, modified=modified)


def _stamp(path: str | Path) -> _Stamp:
    found = os.stat(path)  # noqa: PTH116 - see _batches.finished
    return _Stamp(found.st_size, found.st_mtime_ns, found.st_ino, stat.S_ISDIR(found.st_mode))


def _noise(stamp: _Stamp, now: float) -> float:
    """Return the seconds for which a file must still be left alone to be quiet; <= 0: it is."""
    return stamp.modified / 1e9 + _QUIET - now


def _fingerprint(path: Path, stamp: _Stamp, content: bytes | None) -> str:
    if stamp.size <= _WHOLE:
        return hashlib.sha256(path.read_bytes() if content is None else content).hexdigest()
    with path.open("rb") as file:
        head = file.read(_END)
        file.seek(-_END, io.SEEK_END)
        tail = file.read(_END)
    known = f"{stamp.size}/{stamp.modified}".encode()
    return hashlib.sha256(known + head + tail).hexdigest()


def unfinished(path: Path, now: float) -> float:
    """Return the seconds until a CSV file that ends within a line counts as whole; 0 if it does.

    The law is that of :meth:`FileSource.read`; `now`: seconds since 1970.
    """
    if format_of(path.name) != "csv":
        return 0.0
    stamp = _stamp(path)
    with path.open("rb") as file:
        file.seek(max(0, stamp.size - 2))
        ended = not stamp.size or file.read().endswith(_LINE_ENDS)
    return 0.0 if ended else max(0.0, _noise(stamp, now))


def read_whole(
    path: Path, csv: CsvForm | None = None, kinds: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """Return the rows of a file that nobody writes any more; CSV columns are texts.

    Raises:
        BatchNotReady, DataError: as for :meth:`FileSource.read`.
    """
    return rows_of(path.name, path.read_bytes(), format_of(path.name), form=csv, kinds=kinds)
