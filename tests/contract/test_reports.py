"""All keepers of server reports keep the laws of the port."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.memory_reports import MemoryReports
from tamid.adapters.report_files import FileReports
from tamid.ports import Reports
from tamid.testing.reports_suite import ONE, ReportsSuite


class TestMemory(ReportsSuite):
    """In memory."""

    @pytest.fixture
    def reports(self) -> Reports:
        """Return an empty one."""
        return MemoryReports()


class TestFiles(ReportsSuite):
    """In files."""

    @pytest.fixture
    def reports(self, tmp_path: Path) -> Reports:
        """Return an empty one."""
        return FileReports(tmp_path / "told")

    def test_damage_is_silence(self, tmp_path: Path) -> None:
        """A report with a changed, a missing or an added byte was never told."""
        reports = FileReports(tmp_path)
        reports.tell("churn", ONE)
        path = tmp_path / "churn" / "p1.json"
        whole = path.read_bytes()
        for broken in (whole[:-1], whole + b" ", whole.replace(b"p1", b"p2"), b"", b"\n{}"):
            path.write_bytes(broken)
            assert not reports.heard("churn")
        path.write_bytes(whole)
        assert list(reports.heard("churn")) == [ONE]

    def test_a_name_leads_nowhere_else(self, tmp_path: Path) -> None:
        """What is no name of a model is refused before any file is touched."""
        with pytest.raises(ValueError, match="no name"):
            FileReports(tmp_path / "told").tell("../elsewhere", ONE)
        assert not list(tmp_path.iterdir())
