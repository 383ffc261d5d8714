"""Reports of server processes in memory: for tests and replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tamid.ports import ServerReport

if TYPE_CHECKING:
    from tamid.ports import Reports


class MemoryReports:
    """Reports that live as long as the process."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, ServerReport]] = {}

    def tell(self, model: str, report: ServerReport) -> None:
        """Replace what the process told before."""
        self._told.setdefault(model, {})[report.process] = report

    def heard(self, model: str) -> Sequence[ServerReport]:
        """Return the newest of each process."""
        return tuple(report for _, report in sorted(self._told.get(model, {}).items()))


if TYPE_CHECKING:
    _reports: Reports = MemoryReports()
