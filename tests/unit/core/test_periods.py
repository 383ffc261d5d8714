"""Periods cut local time, whatever the zone does to its clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.periods import (
    PeriodRule,
    end_of,
    matured_at,
    micros_of,
    period_of,
    period_rule,
    periods_of,
    shift,
    span,
    start_of,
    steps_between,
)
from tamid.core.values import STATIC_PERIOD

JERUSALEM = ZoneInfo("Asia/Jerusalem")
WEEK = timedelta(weeks=1)
WEEKLY = period_rule(JERUSALEM, WEEK, "sunday")

ZONES = ["UTC", "Asia/Jerusalem", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
rules = st.builds(
    period_rule,
    st.sampled_from(ZONES).map(ZoneInfo),
    st.integers(1, 40).map(lambda days: timedelta(days=days)),
    st.sampled_from(["monday", "sunday", "saturday"]),
)
moments = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001
    max_value=datetime(2050, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def test_a_week_begins_at_local_midnight() -> None:
    """Saturday 22:00 in London is Sunday in Jerusalem: there the new week has begun."""
    assert period_of(WEEKLY, datetime(2026, 1, 3, 21, 59, tzinfo=UTC)) == "2025-12-28"
    assert period_of(WEEKLY, datetime(2026, 1, 3, 22, 0, tzinfo=UTC)) == "2026-01-04"


def test_a_week_in_which_clocks_change_is_as_long_as_it_is() -> None:
    """The spring week of 2026 in Jerusalem lasts 167 hours, the autumn week 169."""
    lengths = [
        (end_of(WEEKLY, p) - start_of(WEEKLY, p)) // timedelta(hours=1)
        for p in ("2026-03-22", "2026-10-25", "2026-06-07")
    ]
    assert lengths == [167, 169, 168]


@pytest.mark.parametrize(
    ("starts", "expected"),
    [("monday", "2025-12-29"), ("sunday", "2026-01-04"), ("saturday", "2026-01-03")],
)
def test_a_week_begins_on_the_calendars_day(starts: str, expected: str) -> None:
    """The calendar's first weekday names the week."""
    assert period_of(period_rule(UTC, WEEK, starts), datetime(2026, 1, 4, tzinfo=UTC)) == expected


def test_less_than_a_day_is_a_day() -> None:
    """Periods are whole days long."""
    assert period_rule(UTC, timedelta(hours=6), "monday").days == 1


@given(rules, st.lists(moments, max_size=20))
def test_every_moment_lies_in_its_period(rule: PeriodRule, found: list[datetime]) -> None:
    """Start <= moment < end, and many moments are cut as each alone."""
    names = periods_of(rule, np.array([micros_of(m) for m in found], dtype=np.int64))
    assert [str(n) for n in names] == [period_of(rule, m) for m in found]
    for moment, name in zip(found, names, strict=True):
        assert start_of(rule, str(name)) <= moment < end_of(rule, str(name))


@given(rules, moments, st.integers(-60, 60))
def test_steps_lead_there_and_back(rule: PeriodRule, moment: datetime, steps: int) -> None:
    """Shifting is undone by shifting back, and counted by the steps between."""
    first = period_of(rule, moment)
    other = shift(rule, first, steps)
    assert shift(rule, other, -steps) == first
    assert steps_between(rule, first, other) == steps
    assert period_of(rule, start_of(rule, other)) == other


def test_a_span_holds_both_ends() -> None:
    """From one period to another, in order; to an earlier one there is nothing."""
    assert span(WEEKLY, "2026-01-04", "2026-01-18") == ("2026-01-04", "2026-01-11", "2026-01-18")
    assert span(WEEKLY, "2026-01-18", "2026-01-04") == ()


def test_labels_are_due_after_the_last_row() -> None:
    """Nine days after the last row's moment, or after the period's end while that is unknown."""
    wait, row = timedelta(days=9), datetime(2026, 1, 3, 22, tzinfo=UTC)
    assert matured_at(WEEKLY, "2026-01-04", wait, row) == datetime(2026, 1, 12, 22, tzinfo=UTC)
    assert matured_at(WEEKLY, "2026-01-04", wait) == datetime(2026, 1, 19, 22, tzinfo=UTC)
    assert matured_at(WEEKLY, STATIC_PERIOD, wait) is None
