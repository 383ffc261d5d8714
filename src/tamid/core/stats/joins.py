"""Are the columns still those of the same entities? Checked where entities come week after week.

A join on the wrong key leaves every column's distribution as it was and gives each entity the
values of another. What never or slowly changes for an entity shows it at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tamid.core.stats.arrays import Floats, Ints

# Fewer entities seen twice say nothing of a column.
FEWEST = 30


def changed(
    before: Floats,
    before_entities: Ints,
    now: Floats,
    now_entities: Ints,
    categorical: Sequence[bool],
) -> Floats:
    """Return how far each column stopped following its entity since the snapshot before: (d,).

    Formula: categories and numbers that are mostly the same again: the share of entities whose
    value differs; other numbers: 1 - the rank correlation of old and new values over entities.
    0: every entity kept its value (or its rank); about 1: it has another entity's. NaN where fewer
    than 30 entities are seen twice. An entity counts once a snapshot, by its last row.
    Source: Spearman (1904), Am. J. of Psychology 15, for the correlation of ranks.

    >>> who = np.arange(40)
    >>> old = np.column_stack([who * 1.0, who % 3])
    >>> changed(old, who, old, who, [False, True])
    array([0., 0.])
    >>> changed(old, who, old[::-1], who, [False, True]).round(1)
    array([1. , 0.6])
    """
    one, two = _last_rows(before_entities), _last_rows(now_entities)
    _, left, right = np.intersect1d(
        before_entities[one], now_entities[two], assume_unique=True, return_indices=True
    )
    if len(left) < FEWEST:
        return np.full(now.shape[1], np.nan)
    old, new = before[one[left]], now[two[right]]
    pairs = zip(old.T, new.T, categorical, strict=True)
    return np.array([_changed(a, b, category) for a, b, category in pairs])


def _last_rows(entities: Ints) -> Ints:
    _, first = np.unique(entities[::-1], return_index=True)
    found: Ints = len(entities) - 1 - first
    return found


def _changed(old: Floats, new: Floats, category: bool) -> float:
    both = ~(np.isnan(old) | np.isnan(new))
    if both.sum() < FEWEST:
        return 0.0
    a, b = old[both], new[both]
    differs = float((a != b).mean())
    if category or differs == 0.0 or np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return differs
    return min(differs, float(1.0 - np.corrcoef(_ranks(a), _ranks(b))[0, 1]))


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    upper = np.cumsum(counts)
    found: Floats = (upper - (counts - 1) / 2.0)[place]
    return found
