"""Special days: holidays of a country, campaigns and own events, and the periods they fall into.

An entry of the contract's `calendar.special` is `holidays_il` (public holidays of a country, by
its own calendar, so that those of the Hebrew one move with it), `holidays_il_all` (observances and
school holidays, too), either with days before and after (`holidays_il -7..+1`), or an own event
with its days: `sale = 2026-11-23..2026-11-29, 2027-11-22`. Days of the Hebrew calendar come again
each year: `camps = 10 Av..29 Av`. Which days a country's holidays fall on is looked up outside and
handed in as a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from tamid.core.hebrew import LONGEST, MONTHS, civil_day, hebrew_year

# Holidays of a country ("IL", or "IL_all") in a year: the names of each day.
Holidays = Callable[[str, int], Mapping[date, tuple[str, ...]]]
# A day of the Hebrew calendar in any year: day and month.
HebrewDay = tuple[int, str]
# A longer span of each year was written the wrong way round: 29 Av..10 Av leaves 18 days of it.
_LONGEST_SPAN = timedelta(days=183)

_HOLIDAYS = re.compile(r"holidays_([a-z]{2}(?:_all)?)(?: -(\d{1,2})\.\.\+(\d{1,2}))?\Z")
_EVENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9 ._-]{0,59}?) ?= ?(\S.*)\Z")
_DAY = r"\d{4}-\d{2}-\d{2}"
_SPAN = re.compile(rf"({_DAY})(?:\.\.({_DAY}))?\Z")
_HEBREW_DAY = r"(\d{1,2}) ([A-Za-z]+1?)"
_HEBREW = re.compile(rf"{_HEBREW_DAY}(?:\.\.{_HEBREW_DAY})?\Z")
# A span of more days than a year is no event but a state of the world.
_LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """One entry: holidays of `country` stretched by days, or the event `name` on its `spans`.

    `yearly`: first and last day of spans that come each Hebrew year, as (day, month).
    """

    country: str = ""
    before: int = 0
    after: int = 0
    name: str = ""
    spans: tuple[tuple[date, date], ...] = ()
    yearly: tuple[tuple[HebrewDay, HebrewDay], ...] = ()


def parse_special(text: str) -> Special:
    """Read one entry.

    Raises:
        ValueError: it is none; the message says what is wrong.

    >>> parse_special("holidays_il -7..+1").before
    7
    >>> parse_special("sale = 2026-11-23..2026-11-29, 2027-11-22").name
    'sale'
    >>> parse_special("camps = 10 Av..29 Av").yearly
    (((10, 'av'), (29, 'av')),)
    """
    if match := _HOLIDAYS.match(text):
        country, _, kind = match[1].partition("_")
        named = country.upper() + (f"_{kind}" if kind else "")
        return Special(country=named, before=int(match[2] or 0), after=int(match[3] or 0))
    match = _EVENT.match(text)
    if match is None:
        raise ValueError("is neither holidays of a country nor an event with its days")
    texts = [t.strip() for t in match[2].split(",")]
    return Special(
        name=match[1],
        spans=tuple(_span(t) for t in texts if not _HEBREW.match(t)),
        yearly=tuple(_yearly(m) for t in texts if (m := _HEBREW.match(t))),
    )


def special_fault(text: str) -> str:
    """Return what is wrong with an entry, or "".

    >>> special_fault("holidays_il"), special_fault("sale = 2026-02-30")
    ('', 'names 2026-02-30, which is no day')
    """
    try:
        parse_special(text)
    except ValueError as error:
        return str(error)
    return ""


def special_days(
    entries: Iterable[str], holidays: Holidays, first: date, last: date
) -> dict[date, frozenset[str]]:
    """Return the names of each special day from `first` to `last`, both included.

    A holiday keeps its name in every year, so that a year's Passover finds the last one.

    >>> table = lambda country, year: {date(year, 4, 2): ("Pesach",)}
    >>> found = special_days(["holidays_il -1..+0"], table, date(2026, 4, 1), date(2026, 4, 30))
    >>> sorted(day.day for day in found)
    [1, 2]
    """
    found: dict[date, frozenset[str]] = {}
    for text in entries:
        for name, begin, end in _occasions(parse_special(text), holidays, first, last):
            day = max(begin, first)
            while day <= min(end, last):
                found[day] = found.get(day, frozenset()) | {name}
                day += timedelta(days=1)
    return found


def special_periods(
    days: Mapping[date, frozenset[str]], periods: Iterable[str], length: int
) -> dict[str, frozenset[str]]:
    """Return the names of each special period, one of `length` days that holds a special day.

    >>> special_periods({date(2026, 4, 2): frozenset({"Pesach"})}, ["2026-03-29"], 7)
    {'2026-03-29': frozenset({'Pesach'})}
    """
    found = {}
    for period in periods:
        begin = date.fromisoformat(period)
        held = [days.get(begin + timedelta(days=n), frozenset()) for n in range(length)]
        names: frozenset[str] = frozenset().union(*held)
        if names:
            found[period] = names
    return found


def _occasions(
    entry: Special, holidays: Holidays, first: date, last: date
) -> Iterable[tuple[str, date, date]]:
    if entry.name:
        yield from ((entry.name, begin, end) for begin, end in entry.spans)
        for begin_at, end_at in entry.yearly:
            for begin, end in _each_year(begin_at, end_at, first, last):
                yield entry.name, begin, end
        return
    # A holiday of early January may begin to matter in December.
    for year in range(first.year - 1, last.year + 2):
        for day, names in holidays(entry.country, year).items():
            begin, end = day - timedelta(days=entry.before), day + timedelta(days=entry.after)
            yield from ((name, begin, end) for name in names)


def _each_year(
    begin_at: HebrewDay, end_at: HebrewDay, first: date, last: date
) -> Iterable[tuple[date, date]]:
    for year in range(hebrew_year(first.year) - 2, hebrew_year(last.year) + 1):
        begin = civil_day(year, begin_at[1], begin_at[0])
        end = civil_day(year, end_at[1], end_at[0])
        if begin is not None and end is not None and end < begin:
            end = civil_day(year + 1, end_at[1], end_at[0])  # across the new year
        if begin is not None and end is not None:
            yield begin, end


def _yearly(match: re.Match[str]) -> tuple[HebrewDay, HebrewDay]:
    begin = _hebrew_day(match[1], match[2])
    end = _hebrew_day(match[3], match[4]) if match[3] else begin
    # A leap year and one that is none.
    some = _each_year(begin, end, date(2024, 1, 1), date(2025, 12, 31))
    if any(last - first > _LONGEST_SPAN for first, last in some):
        raise ValueError("lasts more than half a year, and what is usual is not special")
    return begin, end


def _hebrew_day(day: str, month: str) -> HebrewDay:
    if month.lower() not in MONTHS:
        known = ", ".join(m.capitalize() for m in MONTHS)
        raise ValueError(f"names the month {month}; those of the Hebrew calendar are {known}")
    if not 1 <= int(day) <= LONGEST:
        raise ValueError(f"names {day} {month}, which is no day")
    return int(day), month.lower()


def _span(text: str) -> tuple[date, date]:
    match = _SPAN.match(text)
    if match is None:
        raise ValueError(
            f"names {text[:40]!r}, which is neither a day (2026-11-23, or 14 Adar of each Hebrew "
            "year) nor first..last"
        )
    begin = _day(match[1])
    end = _day(match[2]) if match[2] else begin
    if end < begin:
        raise ValueError(f"ends on {end}, before it begins on {begin}")
    if end - begin > _LONGEST:
        raise ValueError(f"lasts from {begin} to {end}, longer than a year")
    return begin, end


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"names {text}, which is no day") from None
