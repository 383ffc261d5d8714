"""What of an odd column another mix of sound rows would bring by itself, taken off its statistics.

A segment that comes more often brings its own gaps, its rare values and its weaker ties. Those are
read off the reference rows, weighed to the margins of the week; only what goes beyond is odd.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from tamid.core.stats.arrays import Bools, Floats, Ints
from tamid.core.stats.dependence import FLOOR, Bins, Sums, added, codes_in, sums_of, unexplained
from tamid.core.stats.oddities import unseen_rows
from tamid.core.stats.remix import drawn_by, mixed_as

# So many reference rows stand for the mix: shares to a point, in milliseconds.
_ROWS = 2000


def beyond_a_mix(
    weeks: Sequence[Floats],
    bins: Bins,
    sums: Sequence[Sums],
    week: Sums,
    present: Mapping[str, Floats],
    columns: Sequence[int],
    steps: Bools,
) -> dict[str, Floats]:
    """Return a week's statistics, less what its mix of rows brings to these columns.

    Formula: s_j - max(0, S_j(mix) - S_j(reference)) for the statistics missing, unseen, off_grid
    and unexplained (the logarithm of share + 0.02), S_j(mix) over the reference rows raked to
    the week's margins (:func:`tamid.core.stats.remix.mixed_as`); for missing the column's own
    margin is left free, or its gaps would explain themselves, and those of `steps`, the calendar's
    columns, for every week. Nothing is taken off where no mix of the reference is like the week.
    Source: our own, on raking; docs/adr/0050-flags-spikes-and-mixes.md.

    >>> x = np.repeat([0.0, 1.0], [90, 10])
    >>> gap = np.where((x == 1.0) & (np.arange(100) % 2 == 0), np.nan, 5.0)
    >>> sound = np.column_stack([x, gap])
    >>> from tamid.core.stats.dependence import bins_of
    >>> cut = bins_of(sound, [True, False])
    >>> one, now = sums_of(cut, sound), sums_of(cut, sound[50:][[*range(20), *range(40, 50)] * 3])
    >>> told = {"missing": np.array([0.0, 0.167]), "unseen": np.zeros(2),
    ...     "off_grid": np.zeros(2), "unexplained": np.ones(2)}
    >>> beyond_a_mix([sound] * 9, cut, [one] * 9, now, told, [1], np.zeros(2, bool))[
    ...     "missing"].round(2)
    array([0.  , 0.05])
    """
    found = {name: values.copy() for name, values in present.items()}
    pool = np.concatenate(list(weeks))
    codes = codes_in(bins, pool)
    free = frozenset(int(j) for j in np.flatnonzero(steps))
    mix = _drawn(codes, bins, week, free)
    if mix is not None:
        whole = added(sums)
        even = drawn_by(np.ones(len(pool)), min(len(pool), _ROWS))
        ties = [unexplained(bins, whole, [sums_of(bins, pool[p])])[0] for p in (mix, even)]
    for j in columns:
        own = _drawn(codes, bins, week, free | {j})
        gaps = np.isnan(pool[:, j])
        if own is not None:
            found["missing"][j] -= max(0.0, float(gaps[own].mean() - gaps.mean()))
        if mix is not None:
            for name, measured in (("unseen", False), ("off_grid", True)):
                new = unseen_rows([w[:, j] for w in weeks], measured)
                found[name][j] -= max(0.0, float(new[mix].mean() - new.mean()))
            looser = np.log((ties[0][j] + FLOOR) / (ties[1][j] + FLOOR))
            found["unexplained"][j] -= max(0.0, float(looser))
    return found


def run_beyond_a_mix(
    weeks: Sequence[Floats],
    bins: Bins,
    sums: Sequence[Sums],
    run: Mapping[str, Floats],
    columns: Sequence[int],
    steps: Bools,
) -> dict[str, Floats]:
    """Return the statistics (k, d) of the last k weeks, less what the mix of each of them brings.

    As :func:`beyond_a_mix` has it: a mix that lasts loosens ties in every week of it. `sums` has
    one week more than `weeks`, this one. Those before it are held against mixes of the weeks before
    the run, which their own rows are no part of.
    """
    length = len(next(iter(run.values())))
    before = len(weeks) - length + 1
    found: dict[str, list[Floats]] = {name: [] for name in run}
    for place in range(length):
        upto = len(weeks) if place == length - 1 else before
        seen = {name: rows[place] for name, rows in run.items()}
        mine = sums[before + place]
        less = beyond_a_mix(weeks[:upto], bins, sums[:upto], mine, seen, columns, steps)
        for name, row in less.items():
            found[name].append(row)
    return {name: np.stack(rows) for name, rows in found.items()}


def rarer_in_a_mix(
    weeks: Sequence[Floats], bins: Bins, week: Sums, column: int, value: float, steps: Bools
) -> float:
    """Return which share of the usual rows are not `value` in a mix of sound rows like a week.

    Formula: sum w [x_j != value] / sum w over the same share of all reference rows, at most 1; w by
    :func:`tamid.core.stats.remix.mixed_as`, the column's own margin and those of `steps` left free.
    Source: our own, on raking; docs/adr/0059-what-is-stuck-for-weeks.md.

    >>> x = np.repeat([0.0, 1.0], [90, 10])
    >>> rows = np.column_stack([x, x])
    >>> from tamid.core.stats.dependence import bins_of, sums_of
    >>> cut = bins_of(rows, [True, True])
    >>> now = sums_of(cut, rows[:95][[*range(95)] * 2])
    >>> round(rarer_in_a_mix([rows] * 9, cut, now, 1, 0.0, np.zeros(2, bool)), 2)
    0.53
    """
    pool = np.concatenate(list(weeks))
    free = {int(j) for j in np.flatnonzero(steps)} | {column}
    weight = mixed_as(codes_in(bins, pool), bins.offsets, week.counts, free)
    others = (pool[:, column] != value) & ~np.isnan(pool[:, column])
    if not weight.any() or not others.any():
        return 1.0
    return min(1.0, float(weight @ others / weight.sum() / others.mean()))


def _drawn(codes: Ints, bins: Bins, week: Sums, free: Collection[int]) -> Ints | None:
    weight = mixed_as(codes, bins.offsets, week.counts, free)
    return drawn_by(weight, min(len(codes), _ROWS)) if weight.any() else None
