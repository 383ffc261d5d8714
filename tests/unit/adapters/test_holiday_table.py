"""Holidays of countries: known days, moving ones, and countries that nobody knows."""

from __future__ import annotations

from datetime import date

import pytest

from tamid.adapters.holiday_table import holidays_of
from tamid.core.errors import NotFound


def test_holidays_of_the_hebrew_calendar_move() -> None:
    """Passover lies in another week each year, under the same name."""
    days = {
        year: {name: day for day, names in holidays_of("IL", year).items() for name in names}
        for year in (2024, 2025, 2026)
    }
    assert [days[y]["Pesach"] for y in sorted(days)] == [
        date(2024, 4, 23), date(2025, 4, 13), date(2026, 4, 2),
    ]  # fmt: skip
    assert "Independence Day" in days[2025]  # observed on another day, and the same holiday


def test_observances_are_asked_for_by_name() -> None:
    """Purim is no public holiday, but people shop for it."""
    names = {n for held in holidays_of("IL_all", 2026).values() for n in held}
    assert "Purim" in names
    assert "Purim" not in {n for held in holidays_of("IL", 2026).values() for n in held}


def test_an_unknown_country_says_what_to_do() -> None:
    """The days can always be written into the contract."""
    with pytest.raises(NotFound, match="no calendar") as caught:
        holidays_of("XX", 2026)
    assert "2026-04-02" in caught.value.remedy
