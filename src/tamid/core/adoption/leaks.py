"""Columns that know the outcome: one alone tells it nearly without fail, or comes after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamid.core.stats.auc import auc
from tamid.core.values import Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# So well nothing honest foretells alone.
SUSPICIOUS = 0.98
# Share of rows whose stamp lies behind the row's own moment; a few are slips of clocks.
LATER = 0.01
# Numbers are cut into so many parts of like size.
_PARTS = 32
# A sum is found if so few columns leave so little of the variance.
_MOST_PARTS, _IDENTITY = 3, 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A column that may know the outcome, and why."""

    name: str
    why: str


def alone(values: Floats, y: Floats, task: Task) -> float:
    """Return how well one column tells the outcome: AUC, or the share of variance explained.

    `values` (n,): numbers or codes of words, NaN where missing, which is a value of its own. Each
    half of the rows is foretold by the group means of the other, so that a column of names tells
    nothing; a column of numbers also by its own order. Many classes: the class told worst.

    >>> y = np.tile([0.0, 1.0], 50)
    >>> alone(y.copy(), y, Task.BINARY), alone(np.arange(100.0) // 2, y, Task.BINARY)
    (1.0, 0.5)
    """
    groups = _groups(values)
    if task is Task.REGRESSION:
        return _explained(groups, y)
    classes = [1.0] if task is Task.BINARY else [float(c) for c in np.unique(y)]
    return min((_told(values, groups, (y == c).astype(np.float64)) for c in classes), default=0.5)


def parts(columns: Mapping[str, Floats], y: Floats) -> tuple[str, ...]:
    """Return up to three columns of numbers that add up to the outcome; none: they do not.

    The columns are taken greedily, by least squares.

    >>> a, b = np.arange(50.0) % 7, np.arange(50.0) % 11
    >>> parts({"a": a, "b": b, "c": np.arange(50.0) % 5}, a + b)
    ('b', 'a')
    """
    left = {n: v for n, v in columns.items() if np.isfinite(v).all() and np.ptp(v) > 0}
    spread = float(np.var(y))
    chosen: list[str] = []
    while left and spread > 0 and len(chosen) < _MOST_PARTS:
        errors = {n: _unexplained([*(columns[c] for c in chosen), left[n]], y) for n in left}
        best = min(errors, key=lambda n: errors[n])
        chosen.append(best)
        del left[best]
        if errors[best] < _IDENTITY * spread:
            return tuple(chosen)
    return ()


def _unexplained(columns: Sequence[Floats], y: Floats) -> float:
    """Return the variance that is left after a fit by least squares."""
    x = np.column_stack([np.ones(len(y)), *columns])
    gram = x.T @ x
    weights = np.linalg.lstsq(gram, x.T @ y, rcond=None)[0]
    return float(np.mean((y - x @ weights) ** 2))


def _told(values: Floats, groups: Ints, y: Floats) -> float:
    if y.min(initial=1.0) == y.max(initial=0.0):
        return 0.5
    found = auc(y, _foretold(groups, y))
    there = np.isfinite(values)
    if there.all() and np.unique(groups).size >= _PARTS:
        own = auc(y, values)
        found = max(found, own, 1 - own)
    return float(found)


def _explained(groups: Ints, y: Floats) -> float:
    spread = float(np.var(y))
    return 1 - float(np.mean((y - _foretold(groups, y)) ** 2)) / spread if spread > 0 else 0.0


def _foretold(groups: Ints, y: Floats) -> Floats:
    """Return for each row the mean of its group in the other half of the rows."""
    # Rows are dealt in pairs, so that a file that alternates is not cut into its two kinds.
    half = (np.arange(len(y)) // 2) % 2 == 0
    size = int(groups.max(initial=0)) + 1
    found = np.empty(len(y))
    for mine, other in ((half, ~half), (~half, half)):
        prior = float(y[other].mean()) if other.any() else 0.0
        sums = np.bincount(groups[other], weights=y[other], minlength=size)
        counts = np.bincount(groups[other], minlength=size)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), prior)
        found[mine] = means[groups[mine]]
    return found


def _groups(values: Floats) -> Ints:
    """Return the group of each row: its value, or its part of the order; missing is one more."""
    there = np.isfinite(values)
    known = values[there]
    groups = np.zeros(len(values), dtype=np.int64)
    distinct = np.unique(known)
    if distinct.size > _PARTS:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _PARTS + 1)[1:-1]))
        groups[there] = 1 + np.searchsorted(edges, known, side="right")
    else:
        groups[there] = 1 + np.searchsorted(distinct, known)
    return groups
