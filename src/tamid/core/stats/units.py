"""Was a column multiplied, or shifted? The factor or offset that undoes what happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tamid.core.stats.arrays import Floats

# Quantiles that are compared; the ends are left out, where single rows decide.
_LEVELS = np.linspace(0.1, 0.9, 17)
# The change explains the difference when it leaves at most this share of it.
_LEFT = 0.2
# A factor nearer to one than this is no change of unit.
_LEAST_FACTOR = 1.2
# Fewer known values give no quantiles worth comparing.
_FEWEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitChange:
    """How a column seems to have been altered: `times` a factor or `plus` an offset."""

    kind: Literal["times", "plus"]
    amount: float
    left: float

    @property
    def words(self) -> str:
        """Return the change in words."""
        return (
            f"multiplied by {self.amount:.3g}"
            if self.kind == "times"
            else (f"shifted by {self.amount:+.3g}")
        )


def unit_change(reference: Floats, now: Floats) -> UnitChange | None:
    """Return the factor or the offset that explains a column's new quantiles, if one does.

    Formula: with quantiles q (reference) and r (now) at 10..90 %, factor = (q.r)/(q.q) and offset =
    median(r - q); explained where |r - factor q| (or |r - q - offset|), summed, is at most a fifth
    of |r - q|. The better of both wins; nothing is said of factors within 1/1.2..1.2.
    Source: least squares through the origin, and the Hodges-Lehmann idea of a shift.

    >>> unit_change(np.arange(100.0), np.arange(100.0) * 100).words
    'multiplied by 100'
    >>> unit_change(np.arange(100.0), np.arange(100.0) + 50).words
    'shifted by +50'
    >>> unit_change(np.arange(100.0), np.arange(100.0)) is None
    True
    """
    a, b = reference[np.isfinite(reference)], now[np.isfinite(now)]
    if len(a) < _FEWEST or len(b) < _FEWEST:
        return None
    q, r = np.quantile(a, _LEVELS), np.quantile(b, _LEVELS)
    apart = float(np.abs(r - q).sum())
    if apart == 0:
        return None
    found: list[UnitChange] = []
    square = float(q @ q)
    if square > 0:
        factor = float(q @ r) / square
        left = float(np.abs(r - factor * q).sum()) / apart
        if factor > 0 and abs(np.log(factor)) > np.log(_LEAST_FACTOR):
            found.append(UnitChange(kind="times", amount=factor, left=left))
    offset = float(np.median(r - q))
    left = float(np.abs(r - q - offset).sum()) / apart
    if abs(offset) > float(np.std(q)):
        found.append(UnitChange(kind="plus", amount=offset, left=left))
    found = [f for f in found if f.left <= _LEFT]
    return min(found, key=lambda f: f.left, default=None)
