"""When scores are due, in the calendar's own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.deadline import due_at, is_late

JERUSALEM = ZoneInfo("Asia/Jerusalem")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def local(*parts: int) -> datetime:
    """Return a moment of Jerusalem's clock, in UTC."""
    return datetime(*parts, tzinfo=JERUSALEM).astimezone(UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("by", "start", "due"),
    [
        ("Sunday 06:00", (2026, 1, 4), (2026, 1, 4, 6)),
        ("Sunday 00:00", (2026, 1, 4), (2026, 1, 4)),
        ("Saturday 23:59", (2026, 1, 4), (2026, 1, 10, 23, 59)),
        ("Monday 06:00", (2026, 1, 4), (2026, 1, 5, 6)),
        ("06:00", (2026, 1, 4), (2026, 1, 4, 6)),
        ("06:00", (2026, 1, 4, 7), (2026, 1, 5, 6)),
        ("Sunday 06:00", (2026, 1, 4, 7), (2026, 1, 11, 6)),
        ("Sunday 06:00", (2026, 3, 29), (2026, 3, 29, 6)),  # two days after summer time began
        ("Sunday 06:00", (2026, 10, 25), (2026, 10, 25, 6)),  # the night summer time ends
    ],
)
def test_the_deadline_is_the_next_such_hour_of_the_local_clock(
    by: str, start: tuple[int, ...], due: tuple[int, ...]
) -> None:
    """Counted from the period's start, the start itself included, across changes of clocks."""
    assert due_at(by, local(*start), JERUSALEM) == local(*due)


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    day=st.sampled_from(["", *DAYS]),
    hour=st.integers(0, 23),
)
def test_a_deadline_always_comes_within_a_week(start: datetime, day: str, hour: int) -> None:
    """Never before the start, never more than a week (and a change of clocks) after it."""
    due = due_at(f"{day} {hour:02d}:00".strip(), start, JERUSALEM)
    assert start <= due <= start + timedelta(days=7 if day else 1, hours=1)
    shown = due.astimezone(JERUSALEM)
    assert not day or DAYS[shown.weekday()] == day


def test_late_begins_right_after_the_deadline() -> None:
    """On the minute is in time; without a deadline nothing is late."""
    start, due = local(2026, 1, 4), local(2026, 1, 4, 6)
    assert not is_late("Sunday 06:00", start, JERUSALEM, due)
    assert is_late("Sunday 06:00", start, JERUSALEM, due + timedelta(microseconds=1))
    assert not is_late(None, start, JERUSALEM, due + timedelta(days=99))
