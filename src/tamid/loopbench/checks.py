"""The contract's own checks as arrays: range, nulls, known values, variance, labels in time.

A contract drafted from the champion's history promises what its columns have shown there. What
breaks it is a confirmed bug; no statistics are asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tamid.core.learning.model import Floats, Ints
from tamid.core.stats.edetector import gross_limit
from tamid.core.stats.labelrate import label_rate
from tamid.loopbench.world import World

# Beyond what the reference weeks did among themselves, so much more of a week breaks the promise.
_MARGIN = 0.05
# A column of no more distinct values than this has known values rather than a range.
_KNOWN = 20
# A range is left only by what lies beyond it by half its width: a hot week is no broken sensor.
_SLACK = 0.5
# With fewer rows a single value may be chance.
_FEWEST_ROWS = 30
# So many rows with another value than the commonest are expected even in the stillest week.
_FEWEST_OTHERS = 5.0
_HALF = 0.5
_TOGETHER = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Promises:
    """What each column has shown: bounds, known values (None: a range), and the limits of a week.

    `outside` and `nulls` are the largest shares of a week's rows that are still usual; `others`
    is the least share of a week's rows that did not show its commonest value.
    """

    low: Floats
    high: Floats
    known: tuple[Floats | None, ...]
    outside: Floats
    nulls: Floats
    others: Floats


def promises(world: World, weeks: Ints) -> Promises:
    """Draft the promises of all columns from these weeks, each week seen against the others."""
    parts = [world.values[world.rows(int(w))] for w in weeks]
    columns = range(world.values.shape[1])
    known = tuple(_known(parts, j, world.features[j].kind == "category") for j in columns)
    with np.errstate(invalid="ignore"):
        lows = np.stack([_extreme(p, np.fmin, np.inf) for p in parts])
        highs = np.stack([_extreme(p, np.fmax, -np.inf) for p in parts])
    outside = [
        gross_limit(_left_out(parts, j, known[j], lows[:, j], highs[:, j])) + _MARGIN
        for j in columns
    ]
    nulls = [
        gross_limit([float(np.isnan(p[:, j]).mean()) for p in parts]) + _MARGIN for j in columns
    ]
    return Promises(
        low=_widened(lows, highs)[0], high=_widened(lows, highs)[1], known=known,
        outside=np.asarray(outside), nulls=np.asarray(nulls),
        others=np.array([min(_others(p[:, j]) for p in parts) for j in columns]),
    )  # fmt: skip


def broken(world: World, week: int, promised: Promises) -> tuple[str, ...]:
    """Return what the rows of a week break, naming columns; empty if they keep the contract."""
    values = world.values[world.rows(week)]
    found: list[str] = []
    for j, feature in enumerate(world.features):
        column = values[:, j]
        there = column[np.isfinite(column)]
        if np.isnan(column).mean() > promised.nulls[j]:
            found.append(f"{feature.name}: missing in {np.isnan(column).mean():.0%} of the rows")
        if len(there) < _FEWEST_ROWS:
            continue
        outside = _outside(there, j, promised)
        if outside > promised.outside[j]:
            found.append(f"{feature.name}: {outside:.0%} of the values were never seen before")
        if promised.others[j] * len(there) >= _FEWEST_OTHERS and there.min() == there.max():
            found.append(f"{feature.name}: always {there[0]:g}")
    return tuple(found)


def late(world: World, now: int) -> bool:
    """Say whether labels that were due at the check of week `now` have not come."""
    due = now - world.delay - 1
    return due >= 0 and due + int(world.lag[due]) + 1 > now


def label_share(world: World, weeks: Ints) -> float:
    """Return the share of labels that are not the first class (or not 0) in these weeks."""
    told = np.concatenate([world.told[world.rows(int(w))] for w in weeks])
    return float((told != 0).mean())


def labels_broken(world: World, matured: Ints, usual: float) -> bool:
    """Say whether labels cannot be right: nearly all of them are what a feed defaults to.

    Looked at are the last week's and, where a week is too small to tell, the last two, four and
    eight weeks' together. A regression's usual share may be 1, which has no spread: then half of
    a week must be 0.
    """
    told = [world.told[world.rows(int(w))] != 0 for w in matured[-_TOGETHER[-1] :]]
    if not told:
        return False
    if usual >= 1.0:
        return float(told[-1].mean()) <= _HALF
    together = [np.concatenate(told[-n:]) for n in _TOGETHER if n <= len(told)]
    return any(
        label_rate(float(part.sum()), float(len(part)), usual).kind == "collapse"
        for part in together
    )


def _outside(column: Floats, j: int, promised: Promises) -> float:
    known = promised.known[j]
    if known is not None:
        return float((~np.isin(column, known)).mean())
    return float(((column < promised.low[j]) | (column > promised.high[j])).mean())


def _known(parts: Sequence[Floats], j: int, category: bool) -> Floats | None:
    distinct = np.unique(np.concatenate([p[:, j] for p in parts]))
    distinct = distinct[np.isfinite(distinct)]
    return distinct if category or len(distinct) <= _KNOWN else None


def _extreme(part: Floats, of: np.ufunc, start: float) -> Floats:
    return np.asarray(of.reduce(part, axis=0, initial=start))


def _left_out(
    parts: Sequence[Floats], j: int, known: Floats | None, lows: Floats, highs: Floats
) -> list[float]:
    """Return each week's share of values that the other weeks have not shown."""
    found = []
    alone = np.empty(0)
    if known is not None:
        shown = np.stack([np.isin(known, part[:, j]) for part in parts])
        alone = known[shown.sum(axis=0) <= 1]
    for place, part in enumerate(parts):
        column = part[np.isfinite(part[:, j]), j]
        if len(column) == 0:
            continue
        if known is not None:
            found.append(float(np.isin(column, alone).mean()))
            continue
        low, high = _widened(np.delete(lows, place), np.delete(highs, place))
        found.append(float(((column < low) | (column > high)).mean()))
    return found or [0.0]


def _widened(lows: Floats, highs: Floats) -> tuple[Floats, Floats]:
    low, high = lows.min(axis=0), highs.max(axis=0)
    slack = np.where(np.isfinite(high - low), _SLACK * (high - low), 0.0)
    return low - slack, high + slack


def _others(column: Floats) -> float:
    _, counts = np.unique(column[np.isfinite(column)], return_counts=True)
    return 1.0 - float(counts.max()) / len(column) if len(counts) else 0.0
