"""Files carried into a folder and out of it by digest; the folder is whole or not there.

What is written stands beside the target until all of it is on the disk, then takes its name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from tamid.core.backup import Kept
from tamid.core.errors import SystemFailure, UsageError

_CHUNK = 2**20
# How long a copy of the ledger waits for a writer, in seconds: our transactions last milliseconds.
_BUSY_S = 10.0


class Archive:
    """A folder that is being written; use it as a context: an error leaves nothing behind.

    Raises:
        UsageError: the folder is there already, and not empty.
    """

    def __init__(self, target: Path) -> None:
        self.target = target.resolve()
        self._part = self.target.with_name(f".{self.target.name}.writing")
        self.files: list[Kept] = []

    def __enter__(self) -> Self:
        """Begin; what an earlier attempt left is removed."""
        refuse_used(self.target)
        try:
            if self._part.exists():
                shutil.rmtree(self._part)
            self._part.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise _unwritable(self.target, error) from error
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Give the folder its name, unless something went wrong."""
        if kind is not None:
            shutil.rmtree(self._part, ignore_errors=True)
            return
        try:
            sync_folders(self._part)
            if self.target.exists():
                self.target.rmdir()
            self._part.rename(self.target)
            sync_folder(self.target.parent)
        except OSError as failed:
            shutil.rmtree(self._part, ignore_errors=True)
            raise _unwritable(self.target, failed) from failed

    def copy(self, source: Path, path: str) -> Kept:
        """Copy a file. Raises FileNotFoundError if it is gone."""
        try:
            kept = copied(source, self._part / path, path)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unwritable(self.target, error) from error
        self.files.append(kept)
        return kept

    def drop(self, start: str) -> None:
        """Take back what was written below a folder."""
        shutil.rmtree(self._part / start, ignore_errors=True)
        self.files = [kept for kept in self.files if not kept.path.startswith(start)]

    def put(self, content: bytes, path: str, *, listed: bool = True) -> None:
        """Write a file of its own."""
        target = self._part / path
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(target, content)
        except OSError as error:
            raise _unwritable(self.target, error) from error
        if listed:
            digest = "sha256:" + hashlib.sha256(content).hexdigest()
            self.files.append(Kept(path=path, size=len(content), digest=digest))

    def database(self, source: Path, path: str, *statements: str) -> Path:
        """Copy an SQLite file as it stands at one moment, whoever writes it; return the copy.

        `statements` are run on the copy.
        """
        target = self._part / path
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
            with (
                closing(sqlite3.connect(source, timeout=_BUSY_S)) as old,
                closing(sqlite3.connect(target)) as new,
            ):
                old.backup(new)
                new.execute("PRAGMA journal_mode = DELETE")
                for statement in statements:
                    new.execute(statement)
                new.commit()
        except (OSError, sqlite3.Error) as error:
            raise SystemFailure(
                f"{source.name} cannot be copied: {error}",
                why="a backup without it would be none",
                fix="Look at the disk and at who holds the file; then run the command again.",
            ) from error
        content = target.read_bytes()
        self.files.append(Kept(path=path, size=len(content), digest=_digest(content)))
        return target


def copied(source: Path, target: Path, path: str) -> Kept:
    """Copy one file durably and return what was copied."""
    found, size = hashlib.sha256(), 0
    with source.open("rb") as old:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(target, flags, 0o600), "wb") as new:
            while chunk := old.read(_CHUNK):
                new.write(chunk)
                found.update(chunk)
                size += len(chunk)
            new.flush()
            os.fsync(new.fileno())
    return Kept(path=path, size=size, digest="sha256:" + found.hexdigest())


def files_below(folder: Path) -> Sequence[str]:
    """Return the paths of all files below a folder, sorted."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


def refuse_used(folder: Path) -> None:
    """Raise UsageError if there is anything at a place where a folder is to be written."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise UsageError(
            f"{folder} is not empty" if folder.is_dir() else f"{folder} is a file",
            why="nothing that is there is overwritten or mixed with",
            fix="Name a folder that is empty or not there yet.",
        )


def sync_folders(root: Path) -> None:
    """Make the names of all files below a folder durable."""
    for folder in (root, *(p for p in root.rglob("*") if p.is_dir())):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(target: Path, content: bytes) -> None:
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _unwritable(target: Path, error: OSError) -> SystemFailure:
    return SystemFailure(
        f"{target} cannot be written: {error.strerror or error}",
        why="nothing is left behind of what was begun",
        fix="Free space or name another place; then run the command again.",
    )
