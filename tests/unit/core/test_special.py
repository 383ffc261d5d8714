"""Special days: what an entry may say, and the periods that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.adapters.holiday_table import holidays_of
from tamid.core.hebrew import civil_day, hebrew_year
from tamid.core.special import parse_special, special_days, special_fault, special_periods


def _table(country: str, year: int) -> Mapping[date, tuple[str, ...]]:
    return {date(year, 4, 2): ("Pesach",), date(year, 1, 1): ("New Year",)}


@pytest.mark.parametrize(
    "text",
    [
        "holidays_il", "holidays_us_all", "holidays_il -7..+1", "sale = 2026-11-23",
        "camps = 10 Av..29 Av, 2026-12-24", "fair = 25 Kislev..2 Tevet", "x = 14 adar1",
        "awe = 25 Elul..10 Tishrei",
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
        ("sale = 10 May", "those of the Hebrew calendar are Tishrei"),
        ("sale = 31 Nisan", "no day"), ("sale = 1 Nisan..0 Iyar", "no day"),
        ("sale = 2020-01-01..2026-01-01", "longer than a year"),
        ("camps = 29 Av..10 Av", "more than half a year"),
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


def test_an_event_of_the_hebrew_calendar_moves_with_it() -> None:
    """The same name each year, on other civil days; a span may reach across the new year."""
    window = date(2025, 1, 1), date(2027, 12, 31)
    days = special_days(["Purim sale = 13 Adar..14 Adar"], _table, *window)
    assert sorted(days) == [
        date(2025, 3, 13), date(2025, 3, 14), date(2026, 3, 2), date(2026, 3, 3),
        date(2027, 3, 22), date(2027, 3, 23),
    ]  # fmt: skip
    assert set(days.values()) == {frozenset({"Purim sale"})}
    across = special_days(["autumn = 25 Elul..10 Tishrei"], _table, *window)
    assert {date(2026, 9, 12), date(2026, 9, 21)} <= set(across)
    assert date(2026, 9, 22) not in across
    assert not special_days(["x = 1 Adar1"], _table, date(2025, 1, 1), date(2026, 12, 31))


@pytest.mark.parametrize("year", range(2020, 2041))
def test_the_hebrew_calendar_agrees_with_the_table_of_holidays(year: int) -> None:
    """Passover, New Year and the Day of Atonement of a library that keeps its own table."""
    table = holidays_of("IL", year)
    for month, day, name in (("tishrei", 1, "Rosh"), ("tishrei", 10, "Kippur"), ("nisan", 15, "P")):
        hebrew = hebrew_year(year) - (month == "nisan")
        found = civil_day(hebrew, month, day)
        assert found is not None
        assert any(name in told for told in table[found]), (found, table.get(found))


@given(st.integers(5600, 6000))
def test_a_hebrew_year_has_one_of_six_lengths(year: int) -> None:
    """Months follow each other without a gap, and New Year is never a Sunday, Wednesday, Friday."""
    begin, following = civil_day(year, "tishrei", 1), civil_day(year + 1, "tishrei", 1)
    assert begin is not None
    assert following is not None
    assert (following - begin).days in (353, 354, 355, 383, 384, 385)
    assert begin.weekday() not in (6, 2, 4)
    last = civil_day(year, "elul", 30)
    assert last is not None
    assert (following - last).days == 1


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
