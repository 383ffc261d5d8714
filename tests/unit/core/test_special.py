"""Special days: what an entry may say, and the periods that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.special import parse_special, special_days, special_fault, special_periods


def _table(country: str, year: int) -> Mapping[date, tuple[str, ...]]:
    return {date(year, 4, 2): ("Pesach",), date(year, 1, 1): ("New Year",)}


@pytest.mark.parametrize(
    "text",
    [
        "holidays_il", "holidays_us_all", "holidays_il -7..+1", "sale = 2026-11-23",
        "Black Friday = 2025-11-24..2025-11-30, 2026-11-23..2026-11-29",
    ],
)  # fmt: skip
def test_entries_that_are_understood(text: str) -> None:
    """Holidays of a country, with days around them, and own events."""
    assert special_fault(text) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("holidays", "neither"), ("holidays_israel", "neither"), ("sale", "neither"),
        ("sale = soon", "neither a day"), ("sale = 2026-02-30", "no day"),
        ("sale = 2026-03-05..2026-03-01", "before it begins"),
        ("sale = 2020-01-01..2026-01-01", "longer than a year"),
    ],
)  # fmt: skip
def test_entries_that_are_not(text: str, told: str) -> None:
    """Each fault is named."""
    assert told in special_fault(text)


def test_days_before_a_holiday_belong_to_it_across_the_year() -> None:
    """The week before New Year is special in December."""
    days = special_days(["holidays_xx -3..+0"], _table, date(2025, 12, 20), date(2026, 1, 5))
    assert sorted(days) == [date(2025, 12, d) for d in (29, 30, 31)] + [date(2026, 1, 1)]
    assert set(days.values()) == {frozenset({"New Year"})}


def test_two_events_on_a_day_are_both_named() -> None:
    """A campaign in a holiday's week makes the week like both."""
    entries = ["holidays_xx", "sale = 2026-03-30..2026-04-05"]
    days = special_days(entries, _table, date(2026, 3, 1), date(2026, 5, 1))
    found = special_periods(days, ["2026-03-29", "2026-04-05", "2026-04-12"], 7)
    assert found == {
        "2026-03-29": frozenset({"Pesach", "sale"}),
        "2026-04-05": frozenset({"sale"}),
    }


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(0, 30))
def test_an_event_lasts_as_long_as_it_says(first: date, length: int) -> None:
    """Every day from the first to the last is special, and no other."""
    last = date.fromordinal(first.toordinal() + length)
    entry = parse_special(f"sale = {first}..{last}")
    assert entry.spans == ((first, last),)
    window = (date.fromordinal(first.toordinal() - 5), date.fromordinal(last.toordinal() + 5))
    assert len(special_days([f"sale = {first}..{last}"], _table, *window)) >= length + 1
    only = special_days([f"sale = {first}..{last}"], lambda c, y: {}, *window)
    assert (min(only), max(only), len(only)) == (first, last, length + 1)
