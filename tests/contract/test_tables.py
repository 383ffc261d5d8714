"""Every store of tables keeps the laws of its port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tamid.adapters.delta import DeltaTables
from tamid.adapters.memory_tables import MemoryTables
from tamid.ports import Tables
from tamid.testing.tables_suite import TablesSuite


class TestMemoryTables(TablesSuite):
    """Tables in memory."""

    @pytest.fixture
    def tables(self) -> Tables:
        return MemoryTables()


class TestDeltaTables(TablesSuite):
    """Tables in Delta Lake."""

    @pytest.fixture
    def tables(self, tmp_path: Path) -> Tables:
        return DeltaTables(tmp_path)


class TestDeltaTablesOpenedAnew(TablesSuite):
    """Tables in Delta Lake where each call is made by a process that knows nothing yet."""

    @pytest.fixture
    def tables(self, tmp_path: Path) -> Tables:
        return _Forgetful(tmp_path)


class _Forgetful:
    """Opens the folder anew for every call."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __getattr__(self, name: str) -> Any:
        return getattr(DeltaTables(self._root), name)
