"""The last valid score of each entity, in an SQLite file that is written whole and swapped."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from tamid.serving.seams import LastScores

_LAYOUT = 1


class NoScores:
    """Where nothing was written down: nobody has a last score."""

    def get(self, entity: str) -> tuple[float, int, float] | None:
        """Return None."""
        return None


class ScoreFile:
    """Reads the file as it stands when first asked, and again after it was swapped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._seen: tuple[int, int] | None = None

    def get(self, entity: str) -> tuple[float, int, float] | None:
        """Return score, version and moment; None where the file or the entity is not there."""
        try:
            state = self._path.stat()
            if self._seen != (state.st_ino, state.st_mtime_ns):
                self._open()
                self._seen = (state.st_ino, state.st_mtime_ns)
            assert self._db is not None
            row = self._db.execute(
                "SELECT score, version, made FROM last WHERE entity = ?", (entity,)
            ).fetchone()
        except (OSError, sqlite3.Error):
            self._seen = None
            return None
        return None if row is None else (float(row[0]), int(row[1]), float(row[2]))

    def _open(self) -> None:
        if self._db is not None:
            self._db.close()
        where = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        self._db = sqlite3.connect(where, uri=True, check_same_thread=False)


def write_scores(path: Path, rows: Iterable[tuple[str, float, int, float]]) -> None:
    """Write entity, score, version and moment (seconds since 1970) of all, and swap the file."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        part.unlink()
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
        db.execute(f"PRAGMA user_version = {_LAYOUT}")
        db.execute(
            "CREATE TABLE last (entity TEXT PRIMARY KEY, score REAL NOT NULL, "
            "version INTEGER NOT NULL, made REAL NOT NULL) WITHOUT ROWID"
        )
        db.execute("BEGIN")
        db.executemany("INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?)", rows)
        db.execute("COMMIT")
    part.chmod(0o600)
    part.replace(path)


_: tuple[LastScores, LastScores] = (NoScores(), ScoreFile(Path()))
