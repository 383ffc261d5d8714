"""Scores as one file a period: CSV that spreadsheets open safely, or Parquet.

A file appears whole under its name or not at all. Beside it lies a hidden receipt that says which
parcel it holds, so that a repeated parcel changes nothing, even when the consumer took the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import polars as pl

from tamid.adapters._parcels import content_digest, plain, safe_cells, target_of
from tamid.core.errors import SinkDown, UsageError
from tamid.core.values import canonical_json
from tamid.ports import Parcel

Writer = Callable[[pl.DataFrame, BinaryIO], None]


class CsvSink:
    """One CSV file a period: texts quoted, moments in UTC, no cell a formula.

    `bom` puts the mark in front by which Excel recognises UTF-8 (Hebrew names), which some other
    readers take for a part of the first column's name.
    """

    def __init__(self, target: str, *, bom: bool = False) -> None:
        self._target = target
        self._bom = bom

    def deliver(self, parcel: Parcel) -> str:
        """Write the file and return its receipt."""
        return _deliver(self._target, parcel, self._write)

    def _write(self, frame: pl.DataFrame, out: BinaryIO) -> None:
        safe_cells(frame).write_csv(
            out,
            include_bom=self._bom,
            quote_style="non_numeric",
            datetime_format="%Y-%m-%dT%H:%M:%SZ",
            line_terminator="\r\n",
        )


class ParquetSink:
    """One Parquet file a period."""

    def __init__(self, target: str) -> None:
        self._target = target

    def deliver(self, parcel: Parcel) -> str:
        """Write the file and return its receipt."""
        return _deliver(self._target, parcel, lambda frame, out: frame.write_parquet(out))


def _deliver(template: str, parcel: Parcel, write: Writer) -> str:
    path = target_of(template, parcel)
    if path.is_symlink() or path.is_dir():
        raise UsageError(f"{path} is no file that scores may be written to")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        note = path.with_name(f".{path.name}.receipt")
        revision, receipt = _noted(note, parcel.model)
        if revision >= parcel.revision:
            return receipt
        receipt = f"{path.name} {content_digest(parcel)}"
        _put(path, lambda out: write(plain(parcel.frame), out))
        text = canonical_json(
            {"model": parcel.model, "revision": parcel.revision, "receipt": receipt}
        )
        _put(note, lambda out: out.write(text.encode()))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", "") or type(error).__name__
        raise SinkDown(f"{path} could not be written: {reason}") from error
    return receipt


def _noted(note: Path, model: str) -> tuple[int, str]:
    """Return what was delivered last to this file; a damaged note counts as nothing."""
    try:
        data = json.loads(note.read_bytes())
        if data["model"] == model:
            return int(data["revision"]), str(data["receipt"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass
    return 0, ""


def _put(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write a file beside, flush it to the disk, and rename it into place."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as out:
            fill(out)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
