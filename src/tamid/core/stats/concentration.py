"""Does a difference sit in one or two columns, as a bug does, or in many, as the world does?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tamid.core.stats.arrays import Ints
from tamid.core.stats.auc import auc

# One source is to blame when without its columns less than this share of the difference is left.
LEFT = 0.35
# So many of the most suspicious columns may be the bug's: two are swapped with each other.
MOST_COLUMNS = 2
# Below this, week and reference cannot be told apart, and nothing can be concentrated.
LEAST_AUC = 0.55


def domain_auc(
    reference: Ints, now: Ints, bins: int, columns: Sequence[int] | None = None
) -> float:
    """Return how well a row's bins tell a week from its reference: 0.5 not at all, 1 always.

    Formula: AUC of sum_j log(p_j / q_j), p_j and q_j the shares (+0.5 rows) of the row's bin in
    week and reference, learnt on every other row and read off the rest: a naive Bayes classifier
    of the domain. Columns are codes that are distinct over all columns, below `bins`.
    Source: Hand and Yu (2001), Int. Stat. Review 69; classifier two-sample tests, Lopez-Paz (2017).

    >>> same = np.zeros((40, 1), dtype=np.int64)
    >>> domain_auc(same, same, 2), domain_auc(same, same + 1, 2)
    (0.5, 1.0)
    """
    use = list(range(now.shape[1])) if columns is None else list(columns)
    if not use or len(reference) < 2 or len(now) < 2:
        return 0.5
    a, b = reference[:, use], now[:, use]
    scores, truth = [], []
    for turn in (0, 1):
        q = np.bincount(a[turn::2].ravel(), minlength=bins) + 0.5
        p = np.bincount(b[turn::2].ravel(), minlength=bins) + 0.5
        weight = np.log(p / len(b[turn::2])) - np.log(q / len(a[turn::2]))
        for rows, label in ((a[1 - turn :: 2], 0.0), (b[1 - turn :: 2], 1.0)):
            scores.append(weight[rows].sum(axis=1))
            truth.append(np.full(len(rows), label))
    return max(auc(np.concatenate(truth), np.concatenate(scores)), 0.5)


def left_without(whole: float, without: float) -> float:
    """Return the share of a domain's distance from 0.5 that is left without some columns.

    >>> round(left_without(0.9, 0.6), 2)
    0.25
    """
    return float(np.clip((without - 0.5) / (whole - 0.5), 0.0, 1.0)) if whole > 0.5 else 0.0


def concentrated(
    reference: Ints, now: Ints, bins: int, suspects: Sequence[int]
) -> tuple[bool, float, float]:
    """Say whether the two most suspicious columns hold nearly all; with AUC before and after.

    >>> rng = np.random.default_rng(0)
    >>> old, new = rng.integers(0, 2, (400, 3)), rng.integers(0, 2, (400, 3))
    >>> new[:, 0] = 1
    >>> concentrated(old + [0, 2, 4], new + [0, 2, 4], 6, [0])[0]
    True
    """
    drop = set(list(suspects)[:MOST_COLUMNS])
    kept = [j for j in range(now.shape[1]) if j not in drop]
    whole = domain_auc(reference, now, bins)
    rest = domain_auc(reference, now, bins, kept)
    return whole >= LEAST_AUC and left_without(whole, rest) < LEFT, whole, rest
