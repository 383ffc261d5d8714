"""Names taken out of stored tables: every version keeps its number, its files and its size.

A file is replaced at once by one of the same length (what is over stands unused before its footer),
so that the table's log, which names files and sizes, stays as it is. What is changed is written
down before the file is: killed half-way, the same call goes on.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tamid.adapters._delta_past import LOG
from tamid.adapters._frames import slice_digest
from tamid.adapters._redactions import FILE, redactions
from tamid.core.errors import SystemFailure

Change = Callable[[pl.DataFrame], pl.DataFrame | None]
# A Parquet file ends with its footer, the footer's length in four bytes, and this.
_MAGIC = b"PAR1"
# From what is usual here to the closest: level of compression, and whether with statistics, which
# nothing here reads.
_CLOSER = ((3, True), (3, False), (22, False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """What was changed in one table: files, rows, and the digests of slices before and after."""

    table: str
    files: int
    rows: int
    slices: dict[str, str]


def rewrite(root: Path, table: str, change: Change) -> Rewritten:
    """Change every file of a table, whichever version reads it.

    `change` returns a slice as it should be, None if nothing of it changes; it must return the same
    whenever it is asked again. Nobody may write the table meanwhile.
    """
    folder = root / table
    known = dict(redactions(folder))
    slices: dict[str, str] = {}
    files = rows = 0
    for path in _files(folder):
        try:
            frame = pl.read_parquet(path, hive_partitioning=False)
            changed = change(frame)
            if changed is None:
                continue
            before, after = slice_digest(frame), slice_digest(changed)
            if known.get(before) != after:
                known[before] = after
                _write(folder / FILE, json.dumps(known, sort_keys=True).encode())
            _write(path, _of_size(changed, path.stat().st_size))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise SystemFailure(
                f"table {table!r} cannot be rewritten: {error}",
                why="what was done so far is written down",
                fix="Mend the disk, and give the same command again.",
            ) from error
        files += 1
        rows += changed.height
        slices[before] = after
    return Rewritten(table=table, files=files, rows=rows, slices=slices)


def tables_below(root: Path) -> list[str]:
    """Return the names of all tables below a folder."""
    return sorted(p.name for p in root.iterdir() if (p / LOG).is_dir()) if root.is_dir() else []


def frames_of(
    root: Path, table: str, columns: tuple[str, ...]
) -> Iterator[tuple[Path, pl.DataFrame]]:
    """Yield every file of a table, whichever version reads it, with some of its columns."""
    for path in _files(root / table):
        there = pl.read_parquet_schema(path)
        named = [c for c in columns if c in there]
        if named:
            yield path, pl.read_parquet(path, columns=named, hive_partitioning=False)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*/*.parquet") if p.parent.name != LOG)


def _of_size(frame: pl.DataFrame, size: int) -> bytes:
    """Return the frame as a Parquet file of a size; larger only if it cannot be as small."""
    content = b""
    for level, statistics in _CLOSER:
        target = io.BytesIO()
        frame.write_parquet(
            target, compression="zstd", compression_level=level, statistics=statistics
        )
        content = target.getvalue()
        if len(content) <= size:
            break
    assert content.endswith(_MAGIC)
    footer = int.from_bytes(content[-8:-4], "little") + 8
    over = max(0, size - len(content))
    return content[:-footer] + bytes(over) + content[-footer:]


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
