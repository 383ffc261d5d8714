"""What sources of files share: which names are batches, their format, and Parquet as frames."""

from __future__ import annotations

import glob
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from tamid.core.errors import BatchNotReady, DataError

# Names that producers use while they write.
_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp", "~")
_PARQUET_ENDS = b"PAR1"
# Both ends of a Parquet file and the length of its footer between them.
_SMALLEST_PARQUET = 12


def fixed_part(path: Path) -> Path:
    """Return the folder below which batches are named: what comes before any wildcard."""
    fixed = path
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return path.parent if fixed == path else fixed


def finished(base: Path, pattern: str) -> Iterator[str]:
    """Yield the names below a folder that match and are finished.

    A folder is listed at every tick and may hold thousands of files: no Path per file.
    """
    for name in glob.iglob(pattern, root_dir=base, recursive=True):  # noqa: PTH207
        if is_finished(name):
            yield name


def is_finished(name: str) -> bool:
    """Say whether a name is neither hidden nor one that producers use while they write.

    >>> is_finished("2026/week.csv"), is_finished("_temporary/week.csv"), is_finished("a.csv.tmp")
    (True, False, False)
    """
    hidden = any(part.startswith((".", "_")) for part in name.split("/"))
    return not hidden and not name.endswith(_UNFINISHED)


def format_of(name: str) -> Literal["csv", "parquet"] | None:
    """Return the format that goes with a name, None if none does."""
    name = name.lower()
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    return "csv" if name.endswith((".csv", ".tsv", ".txt")) else None


def read_parquet(name: str, content: bytes, hidden: frozenset[str]) -> pl.DataFrame:
    """Return the rows of a Parquet file without the hidden columns.

    Raises:
        BatchNotReady: half-written, or without rows; DataError: it is no Parquet file.
    """
    ends = content[:4], content[-4:]
    if len(content) < _SMALLEST_PARQUET or ends != (_PARQUET_ENDS, _PARQUET_ENDS):
        if content[:4] == _PARQUET_ENDS:
            raise BatchNotReady(f"{name} has no footer yet: it is half-written")
        raise DataError(f"{name} is not a Parquet file")
    try:
        names = list(pl.read_parquet_schema(io.BytesIO(content)))
        kept = [column for column in names if column not in hidden]
        frame = pl.read_parquet(io.BytesIO(content), columns=kept)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{name} is not a readable Parquet file: {error}") from error
    if frame.is_empty():
        raise BatchNotReady(f"{name} has no rows")
    return frame
