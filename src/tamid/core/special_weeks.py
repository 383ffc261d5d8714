"""A special week against its like: the earlier weeks of the same holiday, campaign or event."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from tamid.core.paging import ESTIMATE, QUALITY, realised_of, reference_of
from tamid.core.state import State

# The names of each special period.
Names = Mapping[str, frozenset[str]]

# A special week pages if it lies this many times as far out as any of its like ever did: how much
# one year's holiday differs from the last is known from a handful of years at best.
_TIMES = 2.0
# Upper spreads of the reference beyond which even a week with unlike likes is looked at.
_SPREADS = 3.0


def far_from_its_like(state: State, signal: str, period: str, special: Names, sign: float) -> bool:
    """Say whether a special period is far worse than all earlier ones that share a name with it.

    Each is measured in upper spreads of its own version's reference, (loss - q50) / (q90 - q50), so
    that weeks of different versions can be compared. Without an earlier one nothing is said: a
    first holiday is recorded, and never pages.
    """
    mine = _outlying(state, signal, state.champion, period, sign)
    like = list(_likes(state, signal, period, special, sign))
    if not like or not math.isfinite(mine):
        return False
    return mine > _TIMES * max(*like, 1.0) + _SPREADS


def _likes(state: State, signal: str, period: str, special: Names, sign: float) -> Iterator[float]:
    names = special.get(period, frozenset())
    for key, periods in state.measured.items():
        kind, _, version = key.partition("@")
        if kind != signal:
            continue
        for earlier in periods:
            if earlier < period and names & special.get(earlier, frozenset()):
                value = _outlying(state, signal, int(version), earlier, sign)
                if math.isfinite(value):
                    yield value


def _outlying(state: State, signal: str, version: int, period: str, sign: float) -> float:
    if signal == QUALITY:
        seen = realised_of(state, version).get(period)
    else:
        seen = state.measure(signal, version, period)
    named = QUALITY if signal == ESTIMATE else signal
    reference = [-sign * v for v in reference_of(state, version).get(named, ())]
    if seen is None or len(reference) < 2:
        return math.nan
    middle, high = np.quantile(np.asarray(reference), [0.5, 0.9])
    spread = float(high - middle)
    return (-sign * seen.value - float(middle)) / spread if spread > 0 else math.nan
