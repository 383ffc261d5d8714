"""Columns that step with the calendar: a month, a season, a price list; one value a week.

Every other week is no measure of such a week: it is held against the weeks before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tamid.core.stats.arrays import Bools, Floats, counted

# A column that is one value throughout most weeks, not always the same, follows the calendar; where
# it turns a week has two. In nine weeks of ten no others may be there.
_PURE, _MOST = 0.97, 0.9
# Years, prices and counters step beyond all before them; to ten times the largest steps a unit.
_TENFOLD = 10.0


def calendar_columns(weeks: Sequence[Floats]) -> Bools:
    """Return which columns step with the calendar: one value a week, not the same in all weeks.

    A flag that is hardly ever set is one value in most weeks, too, but always the same one. A
    measure that rests in most weeks (no light at night) has many values in the others. A column
    that never had but one value is taken for a calendar's: the year may be about to turn.

    Formula: median over weeks of the share of the commonest value above 0.97; that of the two
    commonest above 0.97 in nine weeks of ten; and either the commonest values of the weeks differ
    or each week's share is 1.
    Source: our own; docs/adr/0050-flags-spikes-and-mixes.md.

    >>> weeks = [np.column_stack([[0.0] * 39 + [1.0], np.full(40, i // 4)]) for i in range(12)]
    >>> calendar_columns(weeks)
    array([False,  True])
    """
    width = weeks[0].shape[1]
    found = np.zeros(width, dtype=bool)
    for j in range(width):
        each = [counted(w[:, j]) for w in weeks]
        shares = [float(c.max() / c.sum()) for _, c in each if len(c)]
        if not shares or float(np.median(shares)) <= _PURE:
            continue
        two = [float(np.sort(c)[-2:].sum() / c.sum()) > _PURE for _, c in each if len(c)]
        if float(np.mean(two)) < _MOST:
            continue
        modes = {float(v[c.argmax()]) for v, c in each if len(c)}
        found[j] = len(modes) > 1 or min(shares) >= 1.0
    return found


def new_since(column: Sequence[Floats], first: int) -> Floats:
    """Return whether a week has a value that no week before it had: 1 or 0, (weeks,).

    The weeks before `first` have too few before them to tell, and count as 0. No shares: a season
    begins in the middle of a week as well as with one.

    >>> new_since([np.array([1.0]), np.array([2.0]), np.array([2.0, 3.0])], 1)
    array([0., 1., 1.])
    """
    seen: set[float] = set()
    found = np.zeros(len(column))
    for place, week in enumerate(column):
        values = set(week[~np.isnan(week)].tolist())
        found[place] = float(place >= first and not values <= seen)
        seen |= values
    return found


def tenfold_now(column: Sequence[Floats], now: Floats) -> float:
    """Return the share of a week's known values above ten times the largest one before it.

    By size, whatever the sign. 0 where no step was seen yet.

    >>> tenfold_now([np.array([3.0]), np.array([4.0])], np.array([400.0, 5.0]))
    0.5
    """
    known = np.concatenate(list(column))
    steps = np.unique(known[~np.isnan(known)])
    mine = now[~np.isnan(now)]
    if len(steps) < 2 or not len(mine):
        return 0.0
    return float((np.abs(mine) > _TENFOLD * np.abs(steps).max()).mean())
