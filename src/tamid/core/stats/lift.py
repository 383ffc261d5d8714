"""What an offer brings: those who were to get it against those who were held back by lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tamid.core.stats.arrays import Bools, Floats, Ints
from tamid.core.stats.intervals import effective_trials, newcombe
from tamid.core.values import Interval

# Fewer independent rows a side say nothing of a difference that an offer could make: with 50 a side
# and one in five positive the interval is 31 points wide.
FEWEST = 50.0

Word = Literal["helps", "harms", "not shown", "too small to judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """The difference between both sides, turned so that more is better.

    `offered`, `held`: rows a side; `offered_share`, `held_share`: of them with the outcome;
    `enough`: whether both sides are large enough to be judged.
    """

    difference: Interval
    offered: int
    held: int
    offered_share: float
    held_share: float
    enough: bool

    @property
    def word(self) -> Word:
        """What the interval says."""
        return lift_word(self.difference, self.enough)


def lift_word(difference: Interval, enough: bool) -> Word:
    """Say what a difference shows.

    >>> lift_word(Interval(point=0.1, low=0.02, high=0.2), True)
    'helps'
    >>> lift_word(Interval(point=0.1, low=0.02, high=0.2), False)
    'too small to judge'
    """
    if not enough:
        return "too small to judge"
    if difference.low > 0:
        return "helps"
    return "harms" if difference.high < 0 else "not shown"


def lift(
    outcome: Floats,
    offered: Bools,
    entity: Ints,
    *,
    reduces: bool,
    weights: Floats | None = None,
) -> Lift:
    """Return the difference in the share with the outcome (n,) between offered and held back.

    `reduces`: the offer is to prevent the outcome. Rows of one entity hang together: each side
    counts as many rows as independent ones would be as uncertain.

    Formula: p_held - p_offered (turned where the outcome is wanted) with Newcombe's interval on
    Korn and Graubard's effective sizes over entities. All who were to get the offer count, whether
    it reached them or not (intention to treat), so that both sides differ by the lot alone.
    Source: Newcombe (1998), Statistics in Medicine 17; Korn and Graubard (1998), Survey
    Methodology 24; Fisher, Dixon, Herson et al. (1990) on intention to treat.

    >>> y = np.tile([1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0], 40)
    >>> offered = np.tile([True] * 5 + [False] * 5, 40)
    >>> found = lift(y, offered, np.arange(400), reduces=True)
    >>> round(found.difference.point, 2), found.word
    (0.2, 'helps')
    >>> lift(y[:40], offered[:40], np.arange(40), reduces=True).word
    'too small to judge'
    """
    w = np.ones(len(outcome)) if weights is None else weights
    sides = []
    for side in (offered, ~offered):
        hits, trials = effective_trials(outcome[side], w[side], entity[side])
        total = float(w[side].sum())
        share = float(w[side] @ outcome[side] / total) if total > 0 else float("nan")
        sides.append((hits, trials, share))
    (x1, n1, p1), (x0, n0, p0) = sides
    difference = newcombe(x0, n0, x1, n1) if reduces else newcombe(x1, n1, x0, n0)
    return Lift(
        difference=difference,
        offered=int(offered.sum()),
        held=int((~offered).sum()),
        offered_share=p1,
        held_share=p0,
        enough=min(n1, n0) >= FEWEST,
    )


def alike(score: Floats, offered: Bools, strata: int = 5) -> Floats:
    """Return weights (n,) by which the held back have the scores of the offered.

    Formula: poststratification over quantiles of the score of the offered; a stratum in which
    nobody is held back weighs nothing, on both sides. Source: Holt and Smith (1979), JRSS A 142.

    >>> score = np.array([0.1, 0.9, 0.1, 0.9, 0.9])
    >>> alike(score, np.array([True, True, False, False, False]), strata=2).tolist()
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """
    weights = np.zeros(len(score))
    if not offered.any():
        return weights
    cuts = np.quantile(score[offered], np.arange(1, strata) / strata)
    place = np.searchsorted(cuts, score, side="right")
    for stratum in np.unique(place):
        mine = place == stratum
        here, there = int((mine & offered).sum()), int((mine & ~offered).sum())
        if here and there:
            weights[mine & offered] = 1.0
            weights[mine & ~offered] = here / there
    return weights
