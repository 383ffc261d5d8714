"""Do the same inputs lead elsewhere? Errors beyond those that the scores themselves announce."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Floats, binary, floats, same_length, weights_for

# Both must be passed: what matters in practice, and what chance does not do.
EXCESS, ERRORS = 0.02, 3.0
GAP = 0.03
_GAP_ERRORS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """Errors above the announced ones, the change of the calibration gap, and their limits."""

    excess: float
    excess_limit: float
    gap: float
    gap_limit: float

    @property
    def drifted(self) -> bool:
        """Whether either passes its limit."""
        return self.excess > self.excess_limit or abs(self.gap) > self.gap_limit


def concept_change(
    y: ArrayLike,
    chance: ArrayLike,
    decision: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    usual_gap: float = 0.0,
    gap_spread: float = 0.0,
) -> Concept:
    """Compare labels with what the calibrated chances of the same rows announce.

    Formula: announced error e_i = 1 - p_i where the decision is 1, p_i where it is 0: the reference
    error weighted to this week's inputs, because p carries them. excess = mean(wrong - e), limit
    max(0.02, 3 SE); gap = mean(y - p) - usual gap, limit max(0.03, 4 sd of the weekly gap, 3 SE).
    Source: importance-weighted expected loss under covariate shift, Sugiyama et al. (2007), JMLR 8;
    decomposition into X and Y|X shift, Cai, Namkoong and Yadlowsky (2023), DISDE.

    >>> p = np.full(1000, 0.2)
    >>> y = (np.arange(1000) % 5 == 0) * 1.0
    >>> concept_change(y, p, p >= 0.5).drifted, concept_change(1 - y, p, p >= 0.5).drifted
    (False, True)
    """
    truth, p, d = binary(y, "y"), floats(chance, "chance"), binary(decision, "decision")
    n = same_length(y=truth, chance=p, decision=d)
    w = weights_for(weights, n)
    if n == 0 or w.sum() <= 0:
        return Concept(excess=0.0, excess_limit=math.inf, gap=0.0, gap_limit=math.inf)
    beyond = (truth != d) - np.where(d == 1, 1 - p, p)
    excess, error = _mean(beyond, w)
    gap, gap_error = _mean(truth - p, w)
    return Concept(
        excess=excess,
        excess_limit=max(EXCESS, ERRORS * error),
        gap=gap - usual_gap,
        gap_limit=max(GAP, _GAP_ERRORS * gap_spread, ERRORS * gap_error),
    )


def _mean(values: Floats, w: Floats) -> tuple[float, float]:
    total = float(w.sum())
    mean = float(w @ values) / total
    return mean, math.sqrt(float((w * w) @ ((values - mean) ** 2))) / total
