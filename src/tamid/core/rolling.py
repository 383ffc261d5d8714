"""Numbers over the events before a moment, entity by entity: exact, whatever the order of events.

For a row at time t and a window w the events with t - w <= time < t of the row's entity count; no
window means all the past. Arrays: events (n,), rows (m,). All answers are (m,) floats, NaN where
the window holds no value; counts are 0 there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Pairs of row and event looked at in one go when distinct values are counted: bounds the memory.
_PAIRS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Events sorted by entity, time and value, and the places (n,) that they came from."""

    order: Ints
    keys: Ints
    times: Ints
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Of each row, the first event inside its window and the first one after it."""

    low: Ints
    high: Ints


def ordered(entities: Ints, times: Ints, ties: Sequence[Floats] = ()) -> Ordered:
    """Sort events by entity and time, those of one moment by `ties`, the first of them first.

    `entities` are codes from 0; events of an entity without rows may have -1.
    """
    by_time = np.argsort(times, kind="stable")
    in_time = times[by_time]
    later = np.concatenate([[False], in_time[1:] != in_time[:-1]])
    places = np.empty(len(times), dtype=np.int64)
    places[by_time] = np.cumsum(later)
    first = np.concatenate([[True], later[1:]]) if len(times) else later[:0]
    distinct = in_time[first]
    width = len(distinct) + 1
    keys = entities * width + places
    order = np.lexsort((*reversed(ties), keys)).astype(np.int64)
    return Ordered(order=order, keys=keys[order], times=distinct, width=width)


def windows(events: Ordered, entities: Ints, moments: Ints, window: int | None) -> Windows:
    """Return the windows of rows; `moments` and `window` in the unit of the events' times."""
    base = entities * events.width
    in_time = np.argsort(moments)
    ends = base + _search(events.times, moments, in_time)
    starts = base if window is None else base + _search(events.times, moments - window, in_time)
    # Of one entity a later end has a later start: one order serves both.
    order = np.argsort(ends)
    low, high = _search(events.keys, starts, order), _search(events.keys, ends, order)
    return Windows(low=low, high=high)


def count(found: Windows) -> Floats:
    """Return how many events each window holds."""
    return np.subtract(found.high, found.low, dtype=np.float64)


def total(found: Windows, values: Floats) -> Floats:
    """Return the sum of the values in each window, missing ones (NaN) left out."""
    sums, counts = _sums(found, values)
    sums[counts == 0] = np.nan
    return sums


def mean(found: Windows, values: Floats) -> Floats:
    """Return the mean of the values in each window, missing ones left out."""
    sums, counts = _sums(found, values)
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def largest(found: Windows, values: Floats) -> Floats:
    """Return the largest value in each window.

    By a table of the largest of 1, 2, 4, ... values in a row (Bender and Farach-Colton 2000): two
    of its entries cover any window.
    """
    lengths = found.high - found.low
    best = np.full(len(lengths), -np.inf)
    level = np.where(np.isnan(values), -np.inf, values)
    step = 1
    while step <= int(lengths.max(initial=0)):
        here = (lengths >= step) & (lengths < 2 * step)
        best[here] = np.maximum(level[found.low[here]], level[found.high[here] - step])
        level = np.maximum(level[:-step], level[step:]) if len(level) > step else level
        step *= 2
    best[np.isneginf(best)] = np.nan
    return best


def smallest(found: Windows, values: Floats) -> Floats:
    """Return the smallest value in each window."""
    return -largest(found, -values)


def last_place(found: Windows, there: npt.NDArray[np.bool_]) -> Ints:
    """Return the place of the last event with a value in each window, -1 if there is none."""
    places = np.where(there, np.arange(len(there)), -1)
    upto = np.concatenate([[-1], np.maximum.accumulate(places)]).astype(np.int64)
    last = upto[found.high]
    return np.where(last >= found.low, last, -1)


def distinct(found: Windows, codes: Ints) -> Floats:
    """Return how many different values each window holds; missing ones have code -1.

    A value counts at its first event in the window: where the event of the same code before it lies
    before the window. Codes must differ between entities.
    """
    before = _same_before(codes)
    result = np.zeros(len(found.low))
    for rows in _chunks(found.high - found.low):
        low, lengths = found.low[rows], (found.high - found.low)[rows]
        owner = np.repeat(np.arange(len(low)), lengths)
        offset = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        place = low[owner] + offset
        first = (before[place] < low[owner]) & (codes[place] >= 0)
        result[rows] = np.bincount(owner[first], minlength=len(low))
    return result


def _sums(found: Windows, values: Floats) -> tuple[Floats, Floats]:
    there = ~np.isnan(values)
    # Extended precision keeps the difference of two large running sums exact to a float's digits.
    running = np.zeros(len(values) + 1, dtype=np.longdouble)
    np.cumsum(np.where(there, values, 0.0), dtype=np.longdouble, out=running[1:])
    counts = np.concatenate([[0], np.cumsum(there)])
    sums = (running[found.high] - running[found.low]).astype(np.float64)
    return sums, (counts[found.high] - counts[found.low]).astype(np.float64)


def _search(sorted_values: Ints, wanted: Ints, order: Ints) -> Ints:
    """Return how many values lie below each wanted one; in order, since that is kind to caches."""
    found = np.empty(len(wanted), dtype=np.int64)
    found[order] = np.searchsorted(sorted_values, wanted[order], side="left")
    return found


def _same_before(codes: Ints) -> Ints:
    """Return the place of the nearest earlier event with the same code, -1 if there is none."""
    order = np.argsort(codes, kind="stable")
    before = np.full(len(codes), -1, dtype=np.int64)
    same = codes[order][1:] == codes[order][:-1]
    before[order[1:][same]] = order[:-1][same]
    return before


def _chunks(lengths: Ints) -> Iterator[slice]:
    ends = np.cumsum(lengths)
    start = 0
    while start < len(lengths):
        done = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, done + _PAIRS, side="right"))
        stop = max(stop, start + 1)
        yield slice(start, stop)
        start = stop
