"""A change of the rung that answers is told once: as an incident, or else in the report."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tamid.adapters.memory_reports import MemoryReports
from tamid.serving.reporting import Reporter

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


class Counted:
    """Rows and reasons as a test counts them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, str], int] = {}
        self.reasons: dict[str, int] = {}

    def add(self, rung: str, reason: str = "") -> None:
        """Count ten rows."""
        self.rows[1, rung] = self.rows.get((1, rung), 0) + 10
        if reason:
            self.reasons[reason] = self.reasons.get(reason, 0) + 10


class Brain:
    """Nothing is loaded, nothing is tried."""

    model, turn, trial = "churn", None, None

    def ready(self) -> bool:
        """Say no."""
        return False

    def voices(self) -> Mapping[str, Any]:
        """Return none."""
        return {}


def changes(*steps: tuple[str, str]) -> tuple[str, ...]:
    """Return what is told of rows that one rung after the other answers, for these reasons."""
    counted, brain = Counted(), Brain()
    found: Any = brain
    reporter = Reporter(found, counted, MemoryReports(), now=lambda: NOW)

    async def day() -> None:
        for rung, reason in steps:
            counted.add(rung, reason)
            await reporter.look()

    asyncio.run(day())
    return tuple(change.partition("Z ")[2] for change in reporter.report().changes)


@pytest.mark.parametrize(
    "reason", ["champion: timeout", "champion: breaker open", "stale features"]
)
def test_what_an_incident_tells_of_is_not_told_again(reason: str) -> None:
    """Neither the way down nor the way back."""
    assert changes(("champion", ""), ("default", reason), ("champion", "")) == ()


def test_what_no_incident_tells_of_is_told() -> None:
    """Rows outside the contract, and more than can be worked on: there and back."""
    there = ("default", "'calls' is missing")
    assert changes(("champion", ""), there, ("champion", "")) == (
        "champion -> default ('calls' is missing)", "default -> champion",
    )  # fmt: skip
    assert changes(("default", "overload"), ("champion", "")) == (
        "champion -> default (overload)", "default -> champion",
    )  # fmt: skip


def test_a_change_behind_an_incident_is_told_by_itself() -> None:
    """After an incident's rung another one answers for a reason of the rows: that is news."""
    steps = (("rule", "champion: timeout"), ("default", "'calls' is missing"), ("champion", ""))
    assert changes(*steps) == ("rule -> default ('calls' is missing)", "default -> champion")
