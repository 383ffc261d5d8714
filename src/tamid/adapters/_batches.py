"""What sources of files share: which names are batches, their format, and content as frames."""

from __future__ import annotations

import glob
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from tamid.adapters._csv import read_csv
from tamid.core.contract.csvform import CsvForm
from tamid.core.errors import BatchNotReady, DataError, UsageError

Format = Literal["auto", "csv", "parquet", "delta"]

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


def kind_of(name: str, asked: Format) -> Format:
    """Return the format that is asked for, or that goes with a name. Raises UsageError: none."""
    found = format_of(name) if asked == "auto" else asked
    if found is None:
        raise UsageError(
            f"{name}: no format goes with this name",
            fix="Name it .csv or .parquet, or give `format` in the contract's source.",
        )
    return found


def rows_of(
    name: str,
    content: bytes,
    kind: Format | None,
    hidden: frozenset[str] = frozenset(),
    *,
    whole: bool = True,
    form: CsvForm | None = None,
    kinds: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Return the rows of a file's content without the hidden columns; CSV columns are texts.

    `whole`, `form` and `kinds` are those of :func:`read_csv`.

    Raises:
        BatchNotReady: empty, half-written, or without rows; DataError: it is no such file.
    """
    if not content:
        raise BatchNotReady(f"{name} is empty")
    if kind == "parquet":
        return _parquet(name, content, hidden)
    return read_csv(name, content, hidden, whole=whole, form=form, kinds=kinds)


def _parquet(name: str, content: bytes, hidden: frozenset[str]) -> pl.DataFrame:
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
