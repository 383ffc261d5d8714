"""What is known of each entity, in an SQLite file that is written whole and swapped.

The file is never altered: whoever has it open goes on reading what it was, and sees the next one
when it looks at the folder again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from tamid.core.errors import SystemFailure
from tamid.ports import Known

_LAYOUT = 1
# So much of a file is put together in memory before it is written: all of it for most models.
_CACHE_KB = 16_384
_TABLES = """\
CREATE TABLE about (key TEXT NOT NULL);
-- The columns are the fields of `Known`, in their order.
CREATE TABLE known (
    entity TEXT PRIMARY KEY, as_of REAL, inputs TEXT, score REAL, version INTEGER, made REAL
) WITHOUT ROWID;
"""
_ONE = "SELECT as_of, inputs, score, version, made FROM known WHERE entity = ?"


class LookupFile:
    """The file of one model: the controller writes it, servers read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._seen: tuple[int, int] | None = None

    def key(self) -> str:
        """Return under which key the file was written, "" where there is none."""
        try:
            db = self._opened()
            row = None if db is None else db.execute("SELECT key FROM about").fetchone()
        except sqlite3.Error:
            return ""
        return "" if row is None else str(row[0])

    def get(self, entity: str) -> Known | None:
        """Return what is known of an entity; None also where the file cannot be read."""
        try:
            db = self._opened()
            row = None if db is None else db.execute(_ONE, (entity,)).fetchone()
        except sqlite3.Error:
            self._seen = None
            return None
        if row is None:
            return None
        as_of, inputs, score, version, made = row
        return Known(
            entity=entity, as_of=as_of, inputs=inputs, score=score, version=version, made=made
        )

    def write(self, key: str, entries: Iterable[Known]) -> None:
        """Swap in a new file. Raises SystemFailure: it could not be written, the old one stays."""
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
                _fill(db, key, entries)
            part.chmod(0o600)
            part.replace(self._path)
        except (OSError, sqlite3.Error) as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise SystemFailure(
                f"the look-up file {self._path} could not be written: {error}",
                why="servers go on with the features and last scores of the one before it",
                fix="Free space or mend the folder; the next turn writes it again.",
            ) from error

    def forget(self, entity: str) -> bool:
        """Swap in the same content without one entity; say whether it was in it.

        Raises:
            SystemFailure: as :meth:`write`.
        """
        if self.get(entity) is None:
            return False
        db = self._opened()
        assert db is not None
        rows = db.execute("SELECT * FROM known WHERE entity != ?", (entity,))
        # Written anew, so that not even a freed page holds what is gone.
        self.write(self.key(), map(Known._make, rows))
        return True

    def _opened(self) -> sqlite3.Connection | None:
        try:
            state = self._path.stat()
        except OSError:
            self._seen = None
            return None
        if self._seen != (state.st_ino, state.st_mtime_ns):
            if self._db is not None:
                self._db.close()
            where = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
            self._db = sqlite3.connect(where, uri=True, check_same_thread=False)
            self._seen = (state.st_ino, state.st_mtime_ns)
        return self._db


def _fill(db: sqlite3.Connection, key: str, entries: Iterable[Known]) -> None:
    # Nobody reads it before it is whole, so that nothing has to be undone in it.
    db.execute("PRAGMA journal_mode = OFF")
    db.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
    db.execute(f"PRAGMA user_version = {_LAYOUT}")
    db.executescript(_TABLES)
    db.execute("BEGIN")
    db.execute("INSERT INTO about VALUES (?)", (key,))
    db.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?, ?)", entries)
    db.execute("COMMIT")
