"""Ledger and leases in one SQLite file: one machine, durable, no server.

A rollback journal, not WAL: before SQLite 3.51.3 two connections that check-point a WAL at once
may corrupt the file. Each transaction takes the write lock first, is short, and is on the disk
when it returns. A failed commit says nothing about whether it was done: read again before retrying.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from tamid.core.chain import GENESIS, Draft, Recorded, chain, reopen
from tamid.core.errors import Conflict, IntegrityError, SystemFailure, TamidError
from tamid.core.lease import Hold, check_append, give_back, take
from tamid.core.values import instant, parse_instant
from tamid.ports import Lease

_LAYOUT = 1  # PRAGMA user_version of the tables below
_BUSY = timedelta(seconds=10)  # our transactions last milliseconds: a longer wait is a hung process
_TABLES = (
    """CREATE TABLE IF NOT EXISTS events (
        stream TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (stream, seq)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS leases (
        stream TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL,
        until TEXT NOT NULL, seconds REAL NOT NULL) WITHOUT ROWID""",
    f"PRAGMA user_version = {_LAYOUT}",
)


class SqliteLedger:
    """The ledger in a SQLite file; what is read was checked against its hashes.

    `read_only`: nothing is written, not even the file where there is none.
    """

    def __init__(self, path: Path, busy: timedelta = _BUSY, *, read_only: bool = False) -> None:
        self._file = _File(path, busy, read_only=read_only)

    def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """Return the events above `after`."""
        after = max(after, 0)
        with self._file.use() as db:
            rows = db.execute(
                "SELECT seq, body, hash FROM events WHERE stream = ? AND seq >= ? ORDER BY seq",
                (stream, after),
            ).fetchall()
        if after and rows and rows[0][0] == after:
            return reopen(stream, rows[1:], after, rows[0][2])
        return reopen(stream, rows, after)

    def append(
        self, stream: str, drafts: Sequence[Draft], expected: int, token: int
    ) -> Sequence[Recorded]:
        """Append all drafts or none, in one transaction that checks head and fencing token."""
        with self._file.change() as db:
            head, before = db.execute(
                "SELECT seq, hash FROM events WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,)
            ).fetchone() or (0, GENESIS)
            hold = _hold(db, stream)
            check_append(stream, head, expected, hold.token if hold else 0, token)
            records = []
            for seq, draft in enumerate(drafts, start=expected + 1):
                records.append(chain(stream, seq, draft, before))
                before = records[-1].hash
            db.executemany(
                "INSERT INTO events VALUES (?, ?, ?, ?)",
                [(stream, r.seq, r.body, r.hash) for r in records],
            )
        return tuple(records)

    def streams(self) -> Sequence[str]:
        """Return the names of all streams, sorted."""
        with self._file.use() as db:
            rows = db.execute("SELECT DISTINCT stream FROM events").fetchall()
        return tuple(sorted(row[0] for row in rows))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class SqliteLeases:
    """Leases in the ledger's own file, so that one transaction sees both."""

    def __init__(self, path: Path, busy: timedelta = _BUSY) -> None:
        self._file = _File(path, busy)

    def acquire(self, stream: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        """Take or renew the lease."""
        with self._file.change() as db:
            hold = take(stream, _hold(db, stream), holder, now, ttl)
            _keep(db, stream, hold)
        return Lease(stream=stream, holder=holder, token=hold.token, until=hold.until)

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        with self._file.change() as db:
            hold = give_back(_hold(db, lease.stream), lease.holder, lease.token)
            if hold is not None:
                _keep(db, lease.stream, hold)

    def held(self, stream: str) -> Hold | None:
        """Return the lease as it stands, whether or not it has run out."""
        with self._file.use() as db:
            return _hold(db, stream)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _hold(db: sqlite3.Connection, stream: str) -> Hold | None:
    row = db.execute(
        "SELECT holder, token, until, seconds FROM leases WHERE stream = ?", (stream,)
    ).fetchone()
    if row is None:
        return None
    until, ttl = parse_instant(row[2]), timedelta(seconds=row[3])
    return Hold(holder=row[0], token=row[1], until=until, ttl=ttl)


def _keep(db: sqlite3.Connection, stream: str, hold: Hold) -> None:
    db.execute(
        "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
        (stream, hold.holder, hold.token, instant(hold.until), hold.ttl.total_seconds()),
    )


class _File:
    """One connection to the file, used by one thread at a time, opened when first needed."""

    def __init__(self, path: Path, busy: timedelta, *, read_only: bool = False) -> None:
        self._path, self._read_only = path, read_only
        self._busy = busy.total_seconds()
        self._db: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for reading."""
        with self._lock, self._translated():
            if self._db is None:
                self._db = self._open()
            yield self._db

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction that holds the write lock."""
        with self.use() as db:
            try:
                db.execute("BEGIN IMMEDIATE")
                yield db
                db.execute("COMMIT")
            except BaseException:
                self._abandon(db)
                raise

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None

    def _abandon(self, db: sqlite3.Connection) -> None:
        # After a failed commit SQLite may have rolled back by itself: a new connection settles it.
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            self._db = None
            db.close()

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            return sqlite3.connect(
                f"{self._path.resolve().as_uri()}?mode=ro",
                uri=True,
                timeout=self._busy,
                isolation_level=None,
                check_same_thread=False,
            )
        fresh = not self._path.exists()
        if fresh:
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            _sync_folder(self._path.parent)
        db = sqlite3.connect(
            self._path, timeout=self._busy, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(db, self._path)
        except BaseException:
            db.close()
            raise
        return db

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _explain(self._path, error) from error
        except OSError as error:
            raise SystemFailure(
                f"the ledger {self._path.name} cannot be opened: {error.strerror}"
            ) from error


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    for pragma in ("journal_mode = PERSIST", "synchronous = FULL", "trusted_schema = OFF"):
        db.execute(f"PRAGMA {pragma}")
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    if layout > _LAYOUT:
        raise IntegrityError(
            f"the ledger {path.name} has layout {layout}; this version knows {_LAYOUT}",
            why="it was written by a newer version",
            fix="Install the newer version again.",
        )
    if layout < _LAYOUT:
        db.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            db.execute(statement)
        db.execute("COMMIT")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_UNSURE = "it is not known whether the last write was done: the next tick reads before it writes"
_CAUSES: tuple[tuple[str, type[TamidError], str, str, str], ...] = (
    (
        "SQLITE_BUSY",
        Conflict,
        "is locked by another process",
        "it was not free in time; nothing was written",
        "",
    ),
    (
        "SQLITE_FULL",
        SystemFailure,
        "cannot grow: the disk is full",
        _UNSURE,
        "Free some space; the next tick reads the ledger and goes on.",
    ),
    (
        "SQLITE_READONLY",
        SystemFailure,
        "may not be written",
        "the file or its folder is read-only",
        "Give this user the right to write to the workspace.",
    ),
    ("SQLITE_CORRUPT", IntegrityError, "is damaged", "", ""),
    ("SQLITE_NOTADB", IntegrityError, "is not a ledger", "", ""),
    ("SQLITE_CANTOPEN", SystemFailure, "cannot be opened", "", ""),
)


def _explain(path: Path, error: sqlite3.DatabaseError) -> TamidError:
    name = getattr(error, "sqlite_errorname", "") or ""
    for prefix, kind, what, why, fix in _CAUSES:
        if name.startswith(prefix):
            return kind(f"the ledger {path.name} {what}", why=why, fix=fix)
    if "UTF-8" in str(error):
        return IntegrityError(f"the ledger {path.name} holds text that is not UTF-8")
    return SystemFailure(f"the ledger {path.name} failed: {error}", why=_UNSURE)
