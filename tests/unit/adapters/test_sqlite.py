"""The SQLite ledger on a real file: rights, journal, damage, a full disk, other processes."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tamid.adapters.sqlite import SqliteLeases, SqliteLedger
from tamid.core.errors import Conflict, IntegrityError, SystemFailure
from tamid.testing.ledger_suite import drafts

NOW = datetime(2026, 1, 4, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a ledger file with five events."""
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.append("churn", drafts(5), 0, 0)
    ledger.close()
    return tmp_path / "ledger.db"


def change(path: Path, statement: str) -> None:
    """Change the file behind the ledger's back."""
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


def test_the_file_is_private_and_uses_a_rollback_journal(path: Path) -> None:
    """Only its owner may read it, and it is never in WAL mode."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA journal_mode").fetchone()[0] != "wal"
    assert not path.with_name(path.name + "-wal").exists()
    db.close()


def test_a_second_process_sees_what_was_appended(path: Path) -> None:
    """Two objects on one file read the same events and conflict when both write at one place."""
    one, two = SqliteLedger(path), SqliteLedger(path)
    one.append("churn", drafts(1, 6), 5, 0)
    assert len(two.read("churn")) == 6
    with pytest.raises(Conflict):
        two.append("churn", drafts(1, 7), 5, 0)
    one.close()
    two.close()


@pytest.mark.parametrize(
    ("statement", "first"),
    [
        ("UPDATE events SET body = replace(body, 't3', 't9') WHERE seq = 3", 3),
        ("UPDATE events SET hash = 'sha256:00' WHERE seq = 2", 2),
        ("DELETE FROM events WHERE seq = 4", 4),
        ("DELETE FROM events WHERE seq = 1", 1),
        ("UPDATE events SET stream = 'other' WHERE seq = 2", 2),
        ("UPDATE events SET body = CAST(x'ff' AS TEXT) WHERE seq = 2", None),
    ],
)
def test_tampered_rows_are_found_when_read(path: Path, statement: str, first: int | None) -> None:
    """An altered, removed or moved row is an integrity error that names the event."""
    change(path, statement)
    ledger = SqliteLedger(path)
    with pytest.raises(IntegrityError, match=f"event {first}" if first else "UTF-8"):
        ledger.read("churn")
    ledger.close()


def test_a_removed_row_is_found_by_a_reader_who_stood_on_it(path: Path) -> None:
    """Reading behind an event that is gone does not go on as if nothing had happened."""
    change(path, "DELETE FROM events WHERE seq = 3")
    ledger = SqliteLedger(path)
    with pytest.raises(IntegrityError, match="altered at event 4"):
        ledger.read("churn", 3)
    ledger.close()


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be one" * 40, b"\x00" * 4096]
)
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    """Foreign bytes are an integrity error, and are left as they are."""
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    ledger = SqliteLedger(path)
    with pytest.raises(IntegrityError, match="is not a ledger"):
        ledger.read("churn")
    assert path.read_bytes() == content
    ledger.close()


def test_a_ledger_of_a_newer_layout_is_refused(path: Path) -> None:
    """A file written by a newer version is not touched."""
    change(path, "PRAGMA user_version = 99")
    ledger = SqliteLedger(path)
    with pytest.raises(IntegrityError, match="layout 99"):
        ledger.append("churn", drafts(1, 6), 5, 0)
    ledger.close()


def test_a_missing_folder_is_a_clear_failure(tmp_path: Path) -> None:
    """No folder, no traceback: the message names the file and the reason."""
    ledger = SqliteLedger(tmp_path / "nowhere" / "ledger.db")
    with pytest.raises(SystemFailure, match=r"ledger\.db cannot be opened: No such file"):
        ledger.streams()


def test_a_locked_ledger_is_a_conflict_and_nothing_is_written(path: Path) -> None:
    """While another process holds the file, an append waits, then says so."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ledger = SqliteLedger(path, busy=timedelta(milliseconds=50))
    with pytest.raises(Conflict, match="locked by another process"):
        ledger.append("churn", drafts(1, 6), 5, 0)
    other.execute("ROLLBACK")
    other.close()
    assert len(ledger.read("churn")) == 5
    assert len(ledger.append("churn", drafts(1, 6), 5, 0)) == 1
    ledger.close()


def test_a_full_disk_is_a_system_failure_and_loses_nothing(path: Path) -> None:
    """When the file cannot grow the append fails in words; earlier events stay, later ones fit."""
    code = (
        "import sys; from pathlib import Path\n"
        "from tamid.adapters.sqlite import SqliteLedger\n"
        "from tamid.core.errors import SystemFailure\n"
        "from tamid.testing.ledger_suite import drafts\n"
        "ledger, done = SqliteLedger(Path(sys.argv[1])), 5\n"
        "try:\n"
        "    while True: done += len(ledger.append('churn', drafts(20, done + 1), done, 0))\n"
        "except SystemFailure as error: print(done, error.what, '|', error.why)\n"
        "assert len(ledger.read('churn')) == done\n"
    )
    limit = 128 * 1024  # bytes; the ledger begins with about 30 KB

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    answer = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    done = int(answer.stdout.split()[0])
    assert done > 5
    assert "not known whether the last write was done" in answer.stdout
    ledger = SqliteLedger(path)
    assert len(ledger.read("churn")) == done
    assert len(ledger.append("churn", drafts(1, done + 1), done, 0)) == 1
    ledger.close()


def test_leases_and_events_share_one_file(path: Path) -> None:
    """A lease taken through one object fences the ledger that another object opened."""
    leases, ledger = SqliteLeases(path), SqliteLedger(path)
    old = leases.acquire("churn", "one", NOW, timedelta(minutes=1))
    leases.acquire("churn", "two", NOW + timedelta(hours=1), timedelta(minutes=1))
    with pytest.raises(Conflict, match="lease on 'churn' was lost"):
        ledger.append("churn", drafts(1, 6), 5, old.token)
    leases.close()
    ledger.close()


@pytest.mark.bench
def test_five_thousand_events_are_read_quickly(tmp_path: Path) -> None:
    """Reading, checking and decoding 5,000 events takes far less than a second of CPU (0.3 s)."""
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.append("churn", drafts(5000), 0, 0)
    started = time.process_time()  # not by the wall clock: other work on the machine is no fault
    assert len(ledger.read("churn")) == 5000
    spent = time.process_time() - started
    sys.stdout.write(f"\nledger: 5,000 events in {spent:.2f} s of processor time")
    assert spent < 1.0  # three times the promise
    ledger.close()
