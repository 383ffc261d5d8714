"""How far a column has moved from its reference: a stored profile of bins, and the PSI.

No threshold lives here. Fixed ones (0.1, 0.25) fire in nearly every week of real data; the values
go to an e-detector, which ranks them against what the reference weeks themselves scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Floats, Ints, floats, weights_for

# Ten quantile bins; a numeric column with no more distinct values than this is a set of values.
BINS = 10
# Added to each bin, so that an empty bin is improbable and not impossible.
_SMOOTHING = 0.5
# Categories kept by name; the rest of a long tail shares one bin.
_MAX_CATEGORIES = 50
# Many numbers are compared with one edge after another, 64 kB of them at a time, which a core's own
# cache holds: with few edges a fifth of the time of binary searches, whose steps no core foresees.
_BLOCK = 8192
_FEW_EDGES = 32
_MANY_ROWS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A column's reference: its bins and how much of the reference fell into each.

    quantiles: `edges` cut the line; bins are len(edges) + 1 (an edge belongs below), then missing.
    values: `edges` are the known numbers; one bin each, then unseen, then missing.
    categories: `names` are the known texts; one bin each, then other known (a tail too long to
    name, in `tail`), then unseen, then missing.
    """

    column: str
    kind: Literal["quantiles", "values", "categories"]
    counts: tuple[float, ...]
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()

    @property
    def n(self) -> float:
        """Return the (weighted) number of reference rows."""
        return math.fsum(self.counts)


def profile_numbers(
    column: str, values: ArrayLike, *, weights: ArrayLike | None = None, bins: int = BINS
) -> Profile:
    """Profile a numeric column; NaN is missing, infinity falls into the outermost bin.

    >>> p = profile_numbers("age", np.arange(100.0))
    >>> p.kind, len(p.edges), p.counts[0]
    ('quantiles', 9, 10.0)
    """
    x = floats(values, column, finite=False)
    known = np.unique(x[np.isfinite(x)])
    if len(known) <= bins:
        blank = Profile(column=column, kind="values", counts=(), edges=tuple(known.tolist()))
    else:
        # Values of the data itself: no arithmetic that could overflow, and 30 stays 30.
        cuts = np.quantile(x[np.isfinite(x)], np.arange(1, bins) / bins, method="inverted_cdf")
        blank = Profile(
            column=column, kind="quantiles", counts=(), edges=tuple(np.unique(cuts).tolist())
        )
    return _counted(blank, number_counts(blank, x, weights=weights))


def profile_texts(
    column: str, values: Sequence[str | None], *, weights: ArrayLike | None = None
) -> Profile:
    """Profile a categorical column; None is missing.

    >>> profile_texts("plan", ["basic", "plus", "basic", None]).counts
    (2.0, 1.0, 0.0, 0.0, 1.0)
    """
    tally: dict[str, int] = {}
    for value in values:
        if value is not None:
            tally[value] = tally.get(value, 0) + 1
    ranked = sorted(tally, key=lambda name: (-tally[name], name))
    blank = Profile(
        column=column, kind="categories", counts=(),
        names=tuple(sorted(ranked[:_MAX_CATEGORIES])), tail=tuple(sorted(ranked[_MAX_CATEGORIES:])),
    )  # fmt: skip
    return _counted(blank, text_counts(blank, values, weights=weights))


def number_counts(
    profile: Profile, values: ArrayLike, *, weights: ArrayLike | None = None
) -> Floats:
    """Count the values in the profile's bins; counts of several batches may be added.

    >>> p = profile_numbers("flag", [0.0, 1.0, 1.0])
    >>> number_counts(p, [1.0, 7.0, np.nan])
    array([0., 1., 1., 1.])
    """
    return _tally(number_places(profile, values), bins_of(profile), weights)


def text_counts(
    profile: Profile, values: Sequence[str | None], *, weights: ArrayLike | None = None
) -> Floats:
    """Count the texts in the profile's bins; counts of several batches may be added.

    >>> p = profile_texts("plan", ["basic", "plus"])
    >>> text_counts(p, ["basic", "fibre", None])
    array([1., 0., 0., 1., 1.])
    """
    return _tally(text_places(profile, values), bins_of(profile), weights)


def bins_of(profile: Profile) -> int:
    """Return how many bins a profile has.

    >>> bins_of(profile_numbers("flag", [0.0, 1.0])), bins_of(profile_texts("plan", ["basic"]))
    (4, 4)
    """
    if profile.kind == "categories":
        return len(profile.names) + 3
    return len(profile.edges) + 2


def number_places(profile: Profile, values: ArrayLike) -> Ints:
    """Return the bin of each number.

    >>> number_places(profile_numbers("flag", [0.0, 1.0]), [1.0, 7.0, np.nan])
    array([1, 2, 3])
    """
    x = floats(values, profile.column, finite=False)
    edges = np.asarray(profile.edges, dtype=np.float64)
    place = _edges_below(edges, x)
    if profile.kind == "values":
        known = np.zeros(len(x), dtype=bool)
        inside = place < len(edges)
        known[inside] = edges[place[inside]] == x[inside]
        place = np.where(known, place, len(edges))
    place[np.isnan(x)] = len(edges) + 1
    return place.astype(np.int64, copy=False)


def text_places(profile: Profile, values: Sequence[str | None]) -> Ints:
    """Return the bin of each text.

    >>> text_places(profile_texts("plan", ["basic", "plus"]), ["plus", "fibre", None])
    array([1, 3, 4])
    """
    known = len(profile.names)
    place: dict[str | None, int] = {name: i for i, name in enumerate(profile.names)}
    place.update(dict.fromkeys(profile.tail, known))
    place[None] = known + 2
    places = map(place.get, values, repeat(known + 1))
    return np.fromiter(places, dtype=np.int64, count=len(values))


def psi(reference: ArrayLike, counts: ArrayLike) -> float:
    """Return the population stability index of two sets of bin counts; NaN without rows.

    Formula: sum (p - q) ln(p / q), p and q the shares after adding 0.5 to each bin that either
    side uses. Symmetric, never negative, 0 for equal shares of equal totals.
    Source: Kullback and Leibler (1951), divergence J; Siddiqi (2006), Credit Risk Scorecards.

    >>> psi([50, 50], [50, 50]), round(psi([50, 50], [80, 20]), 3)
    (0.0, 0.406)
    """
    a, b = floats(reference, "reference"), floats(counts, "counts")
    if a.shape != b.shape:
        raise ValueError(f"counts of {len(a)} and {len(b)} bins cannot be compared")
    return float(psi_rows(a[None, :], b[None, :])[0])


def psi_rows(reference: Floats, counts: Floats) -> Floats:
    """Return the PSI of each row of counts against the same row of the reference: (n, bins) each.

    >>> usual = np.array([[50.0, 50.0], [0.0, 0.0]])
    >>> psi_rows(usual, np.array([[80.0, 20.0], [1.0, 1.0]])).round(3)
    array([0.406,   nan])
    """
    used = (reference > 0) | (counts > 0)
    a, b = np.where(used, reference + _SMOOTHING, 0.0), np.where(used, counts + _SMOOTHING, 0.0)
    empty = (reference.sum(axis=1) <= 0) | (counts.sum(axis=1) <= 0)
    p = a / np.where(empty, 1.0, a.sum(axis=1))[:, None]
    q = b / np.where(empty, 1.0, b.sum(axis=1))[:, None]
    logs = np.log(np.where(used, p, 1.0)) - np.log(np.where(used, q, 1.0))
    found = np.maximum(((p - q) * logs).sum(axis=1), 0.0)
    return np.where(empty, np.nan, found)


def weighted_psi(values: Mapping[str, float], importance: Mapping[str, float]) -> float:
    """Return the PSI of columns weighted by the model's importance of each.

    Formula: sum_j importance_j PSI_j / sum_j importance_j. A column with no importance, or that
    could not be measured, does not count.

    >>> weighted_psi({"a": 0.4, "b": 0.1, "c": 9.0}, {"a": 1.0, "b": 1.0})
    0.25
    """
    pairs = [
        (importance.get(name, 0.0), value)
        for name, value in sorted(values.items())
        if math.isfinite(value)
    ]
    total = math.fsum(weight for weight, _ in pairs)
    return math.fsum(weight * value for weight, value in pairs) / total if total > 0 else math.nan


def profile_from(stored: Mapping[str, Any]) -> Profile:
    """Read a profile back from its JSON.

    >>> from tamid.core.values import jsonable
    >>> p = profile_texts("plan", ["basic", None])
    >>> profile_from(jsonable(p)) == p
    True
    """
    return Profile(
        column=str(stored["column"]),
        kind=stored["kind"],
        counts=tuple(float(x) for x in stored["counts"]),
        edges=tuple(float(x) for x in stored["edges"]),
        names=tuple(str(x) for x in stored["names"]),
        tail=tuple(str(x) for x in stored["tail"]),
    )


def _edges_below(edges: Floats, x: Floats) -> Ints:
    """Return how many edges lie below each number; anything for NaN."""
    if len(x) < _MANY_ROWS or len(edges) > _FEW_EDGES:
        return np.searchsorted(edges, x).astype(np.int64, copy=False)
    place = np.empty(len(x), dtype=np.int64)
    above, below = np.empty(_BLOCK, dtype=bool), np.empty(_BLOCK, dtype=np.uint8)
    for start in range(0, len(x), _BLOCK):
        part = x[start : start + _BLOCK]
        flags, sums = above[: len(part)], below[: len(part)]
        sums[:] = 0
        for edge in edges:
            np.greater(part, edge, out=flags)
            np.add(sums, flags.view(np.uint8), out=sums)
        place[start : start + len(part)] = sums
    return place


def _tally(places: Ints, bins: int, weights: ArrayLike | None) -> Floats:
    if weights is None:  # whole numbers are counted several times faster than weights are summed
        return np.bincount(places, minlength=bins).astype(np.float64)
    w = weights_for(weights, len(places))
    return np.bincount(places, weights=w, minlength=bins).astype(np.float64)


def _counted(blank: Profile, counts: Floats) -> Profile:
    return Profile(
        column=blank.column, kind=blank.kind, counts=tuple(counts.tolist()),
        edges=blank.edges, names=blank.names, tail=blank.tail,
    )  # fmt: skip
