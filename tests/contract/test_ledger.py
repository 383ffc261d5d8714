"""Every ledger and its leases keep the laws of their ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tamid.adapters.memory import MemoryLeases, MemoryLedger
from tamid.adapters.sqlite import SqliteLeases, SqliteLedger
from tamid.testing.leases_suite import LeasesSuite
from tamid.testing.ledger_suite import LedgerSuite


class _Memory:
    @pytest.fixture
    def leases(self) -> MemoryLeases:
        return MemoryLeases()

    @pytest.fixture
    def ledger(self, leases: MemoryLeases) -> MemoryLedger:
        return MemoryLedger(leases)


class _Sqlite:
    @pytest.fixture
    def leases(self, tmp_path: Path) -> Iterator[SqliteLeases]:
        store = SqliteLeases(tmp_path / "ledger.db")
        yield store
        store.close()

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[SqliteLedger]:
        store = SqliteLedger(tmp_path / "ledger.db")
        yield store
        store.close()


class TestMemoryLedger(_Memory, LedgerSuite):
    """The ledger in memory."""


class TestMemoryLeases(_Memory, LeasesSuite):
    """The leases in memory."""


class TestSqliteLedger(_Sqlite, LedgerSuite):
    """The ledger in a SQLite file."""


class TestSqliteLeases(_Sqlite, LeasesSuite):
    """The leases in the ledger's SQLite file."""
