"""Periods: how the contract's calendar cuts time into slices.

A period is named by the local date of its first day ("2026-01-04"), so that names sort like time.
It is a whole number of local days long and begins at local midnight; weeks begin on the calendar's
first weekday. All moments are UTC; arrays hold whole microseconds since 1970.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import numpy as np
import numpy.typing as npt

from tamid.core.values import STATIC_PERIOD

Micros = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400_000_000
# Time zones change their offset on quarters of an hour at the finest, in every zone since 1970.
_QUARTER = 900_000_000
# 1970-01-05, the first Monday of the count of days since 1970.
_FIRST_MONDAY = 4
_WEEKDAYS = {"monday": 0, "saturday": 5, "sunday": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodRule:
    """How time is cut: `days` long, in `zone`, counted from the weekday `starts` (0 is Monday)."""

    zone: tzinfo
    days: int = 7
    starts: int = 0


def period_rule(zone: tzinfo, every: timedelta, week_starts: str) -> PeriodRule:
    """Return the rule of a calendar; a period is at least a day long.

    >>> period_rule(UTC, timedelta(weeks=1), "sunday").starts
    6
    """
    return PeriodRule(zone=zone, days=max(1, every.days), starts=_WEEKDAYS[week_starts])


def micros_of(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970.

    >>> micros_of(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - _EPOCH) // timedelta(microseconds=1)


@functools.lru_cache(maxsize=256)
def period_of(rule: PeriodRule, moment: datetime) -> str:
    """Return the period that holds a moment.

    >>> weekly = period_rule(UTC, timedelta(weeks=1), "sunday")
    >>> period_of(weekly, datetime(2026, 1, 9, tzinfo=UTC))
    '2026-01-04'
    """
    return str(periods_of(rule, np.array([micros_of(moment)], dtype=np.int64))[0])


def periods_of(rule: PeriodRule, moments: Micros) -> npt.NDArray[np.str_]:
    """Return the period of each moment, (n,) texts."""
    quarters, where = np.unique(moments // _QUARTER, return_inverse=True)
    days = (quarters * _QUARTER + _offsets(rule.zone, quarters)) // _DAY
    starts = days - (days - _anchor(rule)) % rule.days
    return np.datetime_as_string(starts.astype("datetime64[D]"))[where]


def start_of(rule: PeriodRule, period: str) -> datetime:
    """Return the first moment of a period.

    >>> start_of(period_rule(UTC, timedelta(days=1), "monday"), "2026-01-04").isoformat()
    '2026-01-04T00:00:00+00:00'
    """
    local = datetime.combine(date.fromisoformat(period), time(), tzinfo=rule.zone)
    return local.astimezone(UTC)


def end_of(rule: PeriodRule, period: str) -> datetime:
    """Return the first moment after a period."""
    return start_of(rule, shift(rule, period, 1))


def shift(rule: PeriodRule, period: str, steps: int) -> str:
    """Return the period that lies `steps` after this one (before it, if negative).

    >>> shift(period_rule(UTC, timedelta(weeks=1), "monday"), "2026-01-05", -2)
    '2025-12-22'
    """
    return (date.fromisoformat(period) + timedelta(days=rule.days * steps)).isoformat()


def steps_between(rule: PeriodRule, first: str, last: str) -> int:
    """Return how many periods lie from `first` to `last`; 0 if they are the same.

    >>> steps_between(period_rule(UTC, timedelta(weeks=1), "monday"), "2026-01-05", "2026-01-19")
    2
    """
    return (date.fromisoformat(last) - date.fromisoformat(first)).days // rule.days


def span(rule: PeriodRule, first: str, last: str) -> tuple[str, ...]:
    """Return all periods from `first` to `last`, both included; empty if `last` is earlier."""
    return tuple(shift(rule, first, k) for k in range(steps_between(rule, first, last) + 1))


def matured_at(
    rule: PeriodRule, period: str, wait: timedelta, latest: datetime | None = None
) -> datetime | None:
    """Return the moment from which every label of a period is due; None without a time.

    `wait` is horizon plus reporting lag; `latest` is the last row's moment if it is known already
    (else the period's end stands for it).
    """
    if period == STATIC_PERIOD:
        return None
    return (latest or end_of(rule, period)) + wait


def _anchor(rule: PeriodRule) -> int:
    return _FIRST_MONDAY + rule.starts


def _offsets(zone: tzinfo, quarters: Micros) -> Micros:
    """Return the zone's offset from UTC at each quarter of an hour, in microseconds."""
    if zone is UTC:
        return np.zeros(len(quarters), dtype=np.int64)
    microsecond = timedelta(microseconds=1)
    moments = (_EPOCH + timedelta(microseconds=int(q) * _QUARTER) for q in quarters)
    offsets = [(m.astimezone(zone).utcoffset() or timedelta(0)) // microsecond for m in moments]
    return np.asarray(offsets, dtype=np.int64)
