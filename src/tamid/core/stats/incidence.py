"""When outcomes become known: the share of each outcome heard by an age, with rows still open.

Two outcomes compete (a booking is cancelled, or it is not) and are heard at different ages; rows
too young to have been heard are open, not missing. With n_i rows not yet heard just before age a_i
and d_ki heard with outcome k at it, S_i = prod_{j<=i} (1 - sum_k d_kj / n_j), and the cumulative
incidence is F_k(a) = sum_{a_i <= a} S_{i-1} d_ki / n_i.

Source: Aalen and Johansen, An empirical transition matrix for non-homogeneous Markov chains based
on censored observations, Scandinavian Journal of Statistics 5 (1978) 141-150.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

OPEN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Incidence:
    """Share of rows heard by each age: `ages` (n,), `negative` and `positive` (n,)."""

    ages: Floats
    negative: Floats
    positive: Floats


def incidence(ages: Floats, outcomes: Ints) -> Incidence:
    """Estimate from the ages (m,) at which rows were heard (their age today if open).

    `outcomes` (m,): 1 positive, 0 negative, -1 open.

    >>> curve = incidence(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, -1, 0]))
    >>> curve.positive.tolist(), curve.negative.tolist()
    ([0.25, 0.25, 0.25, 0.25], [0.0, 0.25, 0.25, 0.75])
    """
    distinct, place = np.unique(ages, return_inverse=True)
    size = len(distinct)
    ending = np.bincount(place, minlength=size)
    at_risk = len(ages) - np.concatenate([[0], np.cumsum(ending)[:-1]]) if size else ending
    heard = [np.bincount(place[outcomes == k], minlength=size) for k in (0, 1)]
    left = np.cumprod(1.0 - (heard[0] + heard[1]) / at_risk)
    before = np.concatenate([[1.0], left[:-1]]) if size else left
    shares = [np.cumsum(before * d / at_risk) for d in heard]
    return Incidence(ages=distinct, negative=shares[0], positive=shares[1])


def chance_heard(curve: Incidence, ages: Floats, outcomes: Ints) -> Floats:
    """Return the chance (m,) that a row of this outcome is heard by this age: F_k(a) / F_k(end).

    >>> curve = incidence(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, -1, 0]))
    >>> chance_heard(curve, np.array([2.0, 2.0]), np.array([0, 1])).round(3).tolist()
    [0.333, 1.0]
    """
    negative, positive = _at(curve, ages)
    ends = np.where(outcomes == 1, _end(curve.positive), _end(curve.negative))
    shares = np.where(outcomes == 1, positive, negative)
    return np.divide(shares, ends, out=np.zeros(len(ages)), where=ends > 0)


def chance_positive(curve: Incidence, ages: Floats) -> Floats:
    """Return the chance (m,) that a row not heard by this age turns out positive.

    (F_1(end) - F_1(a)) / (F_1(end) - F_1(a) + F_0(end) - F_0(a)); where nobody older than that is
    known, the overall share of positives.

    >>> curve = incidence(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0]))
    >>> chance_positive(curve, np.array([0.0, 1.0, 9.0])).round(3).tolist()
    [0.5, 0.333, 0.5]
    """
    negative, positive = _at(curve, ages)
    more = np.clip(_end(curve.positive) - positive, 0.0, None)
    less = np.clip(_end(curve.negative) - negative, 0.0, None)
    overall = _end(curve.positive) / max(_end(curve.positive) + _end(curve.negative), 1e-12)
    chance = np.full(len(ages), overall)
    np.divide(more, more + less, out=chance, where=more + less > 1e-9)
    return chance


def _at(curve: Incidence, ages: Floats) -> tuple[Floats, Floats]:
    place = np.searchsorted(curve.ages, ages, side="right")
    return (
        np.concatenate([[0.0], curve.negative])[place],
        np.concatenate([[0.0], curve.positive])[place],
    )


def _end(shares: Floats) -> float:
    return float(shares[-1]) if len(shares) else 0.0
