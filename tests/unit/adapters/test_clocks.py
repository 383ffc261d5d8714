"""Clocks never go back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.system import SystemClock
from tamid.core.errors import UsageError

START = datetime(2026, 1, 4, 6, tzinfo=UTC)


def test_the_systems_clock_gives_utc_and_never_goes_back() -> None:
    """A later question has no earlier answer."""
    clock = SystemClock()
    moments = [clock.now() for _ in range(100)]
    assert moments == sorted(moments)
    assert moments[0].tzinfo is UTC


def test_a_simulated_clock_stands_until_it_is_moved() -> None:
    """It gives the moment it was set to, in UTC."""
    clock = SimulatedClock(START.astimezone(timezone(timedelta(hours=2))))
    assert clock.now() == clock.now() == START
    assert clock.now().tzinfo is UTC
    assert clock.advance(timedelta(days=1)) == clock.now() == START + timedelta(days=1)
    assert clock.set(START + timedelta(days=9)) == START + timedelta(days=9)


def test_a_simulated_clock_cannot_go_back() -> None:
    """An earlier moment, or one without a zone, is refused."""
    clock = SimulatedClock(START)
    with pytest.raises(UsageError, match="cannot go back"):
        clock.set(START - timedelta(seconds=1))
    with pytest.raises(UsageError, match="no time zone"):
        clock.set(datetime(2027, 1, 1))  # noqa: DTZ001
    assert clock.now() == START
