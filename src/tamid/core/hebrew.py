"""Days of the Hebrew calendar: when a day such as 25 Kislev falls in a civil year.

Arithmetic alone, no table: molad, the four postponements, and a leap month in 7 of 19 years.
Source: Reingold and Dershowitz (2018), Calendrical Calculations, ch. 8.
"""

from __future__ import annotations

from datetime import date

# Months from the beginning of the year. "adar" is the last Adar, in which Purim falls, as holidays
# have it; "adar1" exists in leap years only.
MONTHS = (
    "tishrei", "cheshvan", "kislev", "tevet", "shevat", "adar1", "adar", "nisan", "iyar", "sivan",
    "tammuz", "av", "elul",
)  # fmt: skip
LONGEST = 30
# The day before 1 Tishrei of year 1, as date.toordinal counts.
_EPOCH = -1_373_428
# 1 Tishrei of Hebrew year y falls into autumn of civil year y - 3761.
_APART = 3761
_SHORT_MONTHS = frozenset({"tevet", "adar", "iyar", "tammuz", "elul"})
# Parts (1/1080 hour) of a day, of a month beyond 29 days, and of the first new moon.
_DAY, _MONTH, _FIRST = 25_920, 13_753, 12_084


def hebrew_year(civil: int) -> int:
    """Return the Hebrew year that begins in autumn of a civil year.

    >>> hebrew_year(2026)
    5787
    """
    return civil + _APART


def is_leap(year: int) -> bool:
    """Say whether a Hebrew year has thirteen months.

    >>> is_leap(5784), is_leap(5785)
    (True, False)
    """
    return (7 * year + 1) % 19 < 7


def civil_day(year: int, month: str, day: int) -> date | None:
    """Return the civil day of a Hebrew one; None for a month that the year does not have.

    The 30th of a month that has 29 days in this year is its 29th.

    >>> civil_day(5787, "tishrei", 1), civil_day(5786, "nisan", 15)
    (datetime.date(2026, 9, 12), datetime.date(2026, 4, 2))
    >>> civil_day(5785, "adar1", 1) is None
    True
    """
    if month == "adar1" and not is_leap(year):
        return None
    lengths = _lengths(year)
    before = sum(lengths[m] for m in MONTHS[: MONTHS.index(month)])
    return date.fromordinal(_new_year(year) + before + min(day, lengths[month]) - 1)


def _lengths(year: int) -> dict[str, int]:
    days = _new_year(year + 1) - _new_year(year)
    found = dict.fromkeys(MONTHS, 30) | dict.fromkeys(_SHORT_MONTHS, 29)
    found["adar1"] = 30 if is_leap(year) else 0
    found["cheshvan"] = 30 if days % 10 == 5 else 29
    found["kislev"] = 29 if days % 10 == 3 else 30
    return found


def _new_year(year: int) -> int:
    """Return the ordinal of 1 Tishrei: no year may then have 356 or 382 days."""
    last, this, following = (_new_moon(y) for y in (year - 1, year, year + 1))
    delay = 2 if following - this == 356 else 1 if this - last == 382 else 0
    return _EPOCH + this + delay + 1


def _new_moon(year: int) -> int:
    """Return the days to the new moon of Tishrei, never a Sunday, Wednesday or Friday."""
    months = (235 * year - 234) // 19
    day = 29 * months + (_FIRST + _MONTH * months) // _DAY
    return day + 1 if 3 * (day + 1) % 7 < 3 else day
