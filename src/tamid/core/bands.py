"""Risk bands: from a score to high, medium or low."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

HIGH = "high"
MEDIUM = "medium"
LOW = "low"


def band_edges(
    bands: Mapping[str, float], threshold: float | None
) -> tuple[tuple[str, float], ...]:
    """Return (name, least score) from the highest band down; the last one takes the rest.

    `high` is the decision's threshold unless the contract says otherwise; `medium` is half of
    `high` where nothing else is said, and where a moved threshold fell below it. Without a `high`
    there are no bands (a number has no threshold). Bands above `high` are allowed.

    >>> band_edges({}, 0.5)
    (('high', 0.5), ('medium', 0.25), ('low', -inf))
    >>> band_edges({"high": 0.7, "watch": 0.4}, 0.5)
    (('high', 0.7), ('watch', 0.4), ('low', -inf))
    """
    edges = dict(bands)
    if HIGH not in edges:
        if threshold is None:
            return ()
        edges[HIGH] = threshold
    if len(edges) == 1 or edges.get(MEDIUM, -np.inf) >= edges[HIGH]:
        edges[MEDIUM] = edges[HIGH] / 2
    edges.setdefault(LOW, -np.inf)
    ordered = sorted(edges.items(), key=lambda edge: -edge[1])
    return (*ordered[:-1], (ordered[-1][0], float("-inf")))


def bands_of(
    scores: npt.NDArray[np.float64], edges: tuple[tuple[str, float], ...]
) -> npt.NDArray[np.object_]:
    """Return the band of each score, (n,) texts; None where the score is NaN.

    >>> bands_of(np.array([0.5, 0.3, 0.1, np.nan]), band_edges({}, 0.5)).tolist()
    ['high', 'medium', 'low', None]
    """
    names = np.full(scores.shape, None, dtype=object)
    for name, least in reversed(edges):
        names[scores >= least] = name
    return names
