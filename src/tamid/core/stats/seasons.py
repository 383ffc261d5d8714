"""Seasons: which reference weeks a week is compared with, and which columns count the calendar.

Seasons break the exchangeability that an alarm's budget rests on. A week is therefore compared with
weeks of the same place in other years. Weeks of its own year that lie beside it are no witnesses:
neighbours resemble each other anyway (measured with neighbouring weeks correlated 0.5, at a budget
of 0.25 a year: 0.6 to 0.9 false alarms with neighbours among the mates, 0.1 to 0.2 without).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats, floats
from tamid.core.stats.reference import ENOUGH_WEEKS

# A season's weeks: those whose place in the year lies at most so many weeks away ...
SEASON_WEEKS = 4
# ... and which are at least so many weeks apart, so that they are of another year.
APART_WEEKS = 26
# A column whose bin is told by its week to this degree counts the calendar, not the world.
_CALENDAR = 0.5
_YEAR_DAYS = 365.2425


def season_mates(days: ArrayLike, day: float, within: int = SEASON_WEEKS) -> Bools:
    """Say which reference weeks are of the season of `day`, in another year.

    `days`: the first day of each reference week, counted from any fixed day.

    >>> season_mates(np.arange(52) * 7, day=60 * 7).nonzero()[0].tolist()
    [4, 5, 6, 7, 8, 9, 10, 11, 12]
    """
    apart = np.abs(floats(days, "days") - day)
    place = apart % _YEAR_DAYS
    # Half a week of grace: a year is no whole number of weeks.
    same = np.minimum(place, _YEAR_DAYS - place) <= within * 7 + 3.5
    other: Bools = same & (apart >= APART_WEEKS * 7)
    return other


def season_table(days: ArrayLike, within: int = SEASON_WEEKS) -> Bools | None:
    """Return the mates of each reference week, (W, W); None if too few weeks have any.

    Fewer than 20 weeks with mates in another year say too little of what is usual between years;
    then each week is compared with all, and the alarm's text must say so.

    >>> season_table(np.arange(104) * 7).shape, season_table(np.arange(55) * 7) is None
    ((104, 104), True)
    """
    starts = floats(days, "days")
    if len(starts) == 0:
        return None
    table = np.stack([season_mates(starts, float(day), within) for day in starts])
    return table if table.any(axis=1).sum() >= ENOUGH_WEEKS else None


def counts_the_calendar(weeks: ArrayLike) -> bool:
    """Say whether a column (month, season, week, a running id) drifts by construction.

    Formula: I(week; bin) / H(bin) >= 0.5 from counts (W, bins): the week alone tells the bin.
    Source: Theil (1970), American Journal of Sociology 76 (uncertainty coefficient).

    >>> counts_the_calendar(np.eye(6) * 50), counts_the_calendar(np.full((6, 4), 50))
    (True, False)
    """
    counts = floats(weeks, "weeks")
    counts = counts[counts.sum(axis=1) > 0]
    if len(counts) < 2:
        return False
    bins = _entropy(counts.sum(axis=0))
    share = counts.sum(axis=1) / counts.sum()
    within = float(share @ np.array([_entropy(week) for week in counts]))
    return bins > 0 and 1.0 - within / bins >= _CALENDAR


def _entropy(counts: Floats) -> float:
    share = counts[counts > 0] / counts.sum() if counts.sum() > 0 else np.empty(0)
    return float(-(share @ np.log(share))) if len(share) else 0.0
