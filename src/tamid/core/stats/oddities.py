"""Shares that need no distribution: missing, always the same, never seen before, out of range.

Each week is held against the other weeks. What the weeks do to each other by themselves is the
measure of what is odd: a price that always brings new values is no news, a code list that does is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tamid.core.stats.arrays import Bools, Floats, counted

# A value counts as out of range beyond the reference's range widened by this share of it: growth
# and seasons step over yesterday's maximum by little, a wrong unit by much.
MARGIN = 0.25
# A value that half of a column's known rows have stands by itself (no gain, no rain): the rest of
# the column is looked at on its own, as if so many more sound values were among it.
_SPIKE, _SOUND_VALUES = 0.5, 20.0
# A number with no more values than this is a list of codes, in which each new one is news.
MOST_CODES = 20


def missing_shares(week: Floats) -> Floats:
    """Return the share of missing values of each column: (n, d) gives (d,).

    >>> missing_shares(np.array([[1.0, np.nan], [2.0, 3.0]]))
    array([0. , 0.5])
    """
    return np.isnan(week).mean(axis=0) if len(week) else np.ones(week.shape[1])


def commonest_shares(week: Floats) -> Floats:
    """Return the share of each column's known values that are its commonest value; 1: stuck.

    >>> commonest_shares(np.array([[1.0, 7.0], [2.0, 7.0], [2.0, np.nan]])).round(2)
    array([0.67, 1.  ])
    """
    return np.array([_commonest(week[:, j]) for j in range(week.shape[1])])


def measured_columns(weeks: Sequence[Floats], categorical: Sequence[bool]) -> Bools:
    """Return which columns are measured: numbers with more values than a list of codes has.

    >>> measured_columns([np.arange(60.0).reshape(30, 2) % [60, 2]], [False, False])
    array([ True, False])
    """
    stacked, _ = _stacked(weeks)
    many = [len(np.unique(c[~np.isnan(c)])) > MOST_CODES for c in stacked.T]
    found: Bools = np.asarray(many, dtype=bool) & ~np.asarray(categorical, dtype=bool)
    return found


def unseen_shares(weeks: Sequence[Floats], measured: Bools) -> Floats:
    """Return the share of each week's known values that no other week has: (weeks, d).

    Categories and numbers alike: a number that is recorded to a grid (whole years, cents, tenths of
    a degree) leaves it when its unit changes. What is `measured` (d,) leaves it only between the
    least and the largest value of the other weeks: the hottest week so far is hot, not broken, and
    what lies far beyond is outside.

    >>> unseen_shares([np.array([[1.0], [2.0]]), np.array([[1.0], [1.0]])], np.array([False]))
    array([[0.5],
           [0. ]])
    """
    stacked, owner = _stacked(weeks)
    low, high = _ranges(weeks)
    found = []
    for j in range(stacked.shape[1]):
        column = stacked[:, j]
        some = np.bincount(owner[~np.isnan(column)], minlength=len(weeks))
        if measured[j]:
            least, most = _others(low[:, j]).min(axis=1), _others(high[:, j]).max(axis=1)
            inside = (column >= least[owner]) & (column <= most[owner])
            column = np.where(inside, column, np.nan)
        found.append(_unseen(column, owner, len(weeks)) / np.maximum(some, 1))
    return np.stack(found, axis=1)


def unseen_now(weeks: Sequence[Floats], now: Floats, measured: Bools) -> Floats:
    """Return the share of a new week's known values that no reference week has: (d,).

    What is `measured` counts only within the reference's range, as in :func:`unseen_shares`.

    >>> weeks, now = [np.array([[1.0], [3.0]])], np.array([[2.0], [4.0]])
    >>> unseen_now(weeks, now, np.array([False])), unseen_now(weeks, now, np.array([True]))
    (array([1.]), array([0.5]))
    """
    stacked, _ = _stacked(weeks)
    found = []
    for j in range(now.shape[1]):
        mine = now[:, j][~np.isnan(now[:, j])]
        there = np.sort(stacked[:, j])
        near = np.searchsorted(there, mine).clip(max=len(there) - 1)
        new = there[near] != mine
        if measured[j]:
            new &= (mine >= there[0]) & (mine <= np.nanmax(there, initial=-np.inf))
        found.append(float(new.mean()) if len(mine) else 0.0)
    return np.array(found)


def unseen_rows(column: Sequence[Floats], measured: bool) -> Bools:
    """Return which rows, week after week, have a value that no other week has: (n,).

    >>> unseen_rows([np.array([1.0, 2.0]), np.array([1.0, 1.0])], False)
    array([False,  True, False, False])
    """
    rows = np.concatenate(list(column))
    owner = np.repeat(np.arange(len(column)), [len(w) for w in column])
    order = np.lexsort((owner, rows))
    ranked, whose = rows[order], owner[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    ends = np.append(starts[1:], len(ranked))
    alone = np.repeat(whose[starts] == whose[ends - 1], ends - starts)
    found = np.zeros(len(rows), dtype=bool)
    found[order] = alone & ~np.isnan(ranked)
    if measured:
        low, high = _ranges([w[:, None] for w in column])
        least, most = _others(low[:, 0]).min(axis=1), _others(high[:, 0]).max(axis=1)
        found &= (rows >= least[owner]) & (rows <= most[owner])
    return found


def outside_shares(weeks: Sequence[Floats], margin: float = MARGIN) -> Floats:
    """Return the share of each week's rows outside the other weeks' widened range: (weeks, d).

    Where half of a column's values are one value, the share among the rest counts if it is larger:
    formula k / (r + 20), k values outside of r different ones that are not that one. A wrong unit
    of a gain that one row in twenty has is to be seen in those rows; one outlier that a group of
    rows shares is none.

    >>> outside_shares([np.array([[0.0], [1.0]]), np.array([[0.5], [9.0]])])
    array([[0. ],
           [0.5]])
    """
    low, high = _ranges(weeks)
    spikes = _spikes(weeks)
    found = []
    for i, week in enumerate(weeks):
        others = [k for k in range(len(weeks)) if k != i]
        bounds = (
            np.nanmin(low[others], axis=0, initial=np.inf),
            np.nanmax(high[others], axis=0, initial=-np.inf),
        )
        found.append(_outside(week, *bounds, margin, spikes))
    return np.stack(found)


def outside_now(weeks: Sequence[Floats], now: Floats, margin: float = MARGIN) -> Floats:
    """Return the share of a new week's rows outside the reference's widened range: (d,).

    >>> outside_now([np.array([[0.0], [1.0]])], np.array([[1.2], [100.0]]))
    array([0.5])
    """
    low, high = _ranges(weeks)
    bounds = np.nanmin(low, axis=0, initial=np.inf), np.nanmax(high, axis=0, initial=-np.inf)
    return _outside(now, *bounds, margin, _spikes(weeks))


def _stacked(weeks: Sequence[Floats]) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    owner = np.repeat(np.arange(len(weeks)), [len(w) for w in weeks])
    return np.concatenate(list(weeks)), owner


def _commonest(column: Floats) -> float:
    known = column[~np.isnan(column)]
    if not len(known):
        return 1.0
    ranked = np.sort(known)
    turns = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1], [True]]))
    return float(np.diff(turns).max() / len(known))


def _unseen(
    column: Floats, owner: np.ndarray[tuple[int], np.dtype[np.int64]], weeks: int
) -> Floats:
    """Count each week's values that no other week has."""
    known = ~np.isnan(column)
    values, mine = column[known], owner[known]
    order = np.argsort(values, kind="stable")
    ranked, whose = values[order], mine[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    if not len(ranked):
        return np.zeros(weeks)
    # The sort is stable and weeks come in order: one week's value begins and ends with that week.
    ends = np.append(starts[1:], len(ranked)) - 1
    alone = whose[starts] == whose[ends]
    new: Floats = np.bincount(
        whose[starts], weights=alone * (ends - starts + 1.0), minlength=weeks
    ).astype(np.float64)
    return new


def _others(ends: Floats) -> Floats:
    """Return for each week (n,) the ends of the other weeks: (n, n - 1)."""
    weeks = len(ends)
    return np.tile(ends, (weeks, 1))[~np.eye(weeks, dtype=bool)].reshape(weeks, -1)


def _ranges(weeks: Sequence[Floats]) -> tuple[Floats, Floats]:
    low = [np.where(np.isnan(w), np.inf, w).min(axis=0, initial=np.inf) for w in weeks]
    high = [np.where(np.isnan(w), -np.inf, w).max(axis=0, initial=-np.inf) for w in weeks]
    return np.stack(low), np.stack(high)


def _spikes(weeks: Sequence[Floats]) -> Floats:
    """Return the value that half of each column's known values are: (d,), NaN if there is none."""
    stacked = np.concatenate(list(weeks))
    found = np.full(stacked.shape[1], np.nan)
    for j in range(stacked.shape[1]):
        values, counts = counted(stacked[:, j])
        if len(values) and counts.max() >= _SPIKE * counts.sum():
            found[j] = values[counts.argmax()]
    return found


def _outside(week: Floats, low: Floats, high: Floats, margin: float, spikes: Floats) -> Floats:
    known = np.isfinite(low) & np.isfinite(high)
    wide = np.where(known, margin * (np.where(known, high, 0) - np.where(known, low, 0)), 0.0)
    with np.errstate(invalid="ignore"):
        beyond = (week < low - wide) | (week > high + wide)
    beyond &= ~np.isnan(week) & known
    if not len(week):
        return np.zeros(week.shape[1])
    among = np.zeros(week.shape[1])
    for j in np.flatnonzero(~np.isnan(spikes) & beyond.any(axis=0)):
        rest = ~np.isnan(week[:, j]) & (week[:, j] != spikes[j])
        out = len(np.unique(week[beyond[:, j] & rest, j]))
        among[j] = out / (len(np.unique(week[rest, j])) + _SOUND_VALUES)
    found: Floats = np.maximum(beyond.mean(axis=0), among)
    return found
