"""Did more entities stay away from a period than usually do?

Of n entities that had a row in the period before, k have none now and nobody said why. In the usual
period that lost most, k' of n' did. Losses vary with the world, so up to `MARGIN` times that share
counts as usual: a = MARGIN k' + 1/2 and b = max(n' - MARGIN k', 0) + 1/2 are what is known of the
usual chance (Jeffreys' prior), and the loss is beta-binomial under it: p = P(K >= k), n, a, b.

A loss is unusual at p < `LEVEL` / periods a year. Simulated (500 to 10,000 entities, usual losses
of 0.05 % to 3 %, a chance that varies from week to week by 20 %, lognormal) at most one week in a
thousand is told falsely after three usual weeks, none after twelve; at 30 % seven and one. Of 2,010
entities 8 are noticed where nobody is ever lost, 57 where 20 are usual.

Source: Skellam, A probability distribution derived from the binomial distribution by regarding the
probability of success as variable between the sets of trials, JRSS B 10 (1948) 257-261.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# Usual losses of a period may grow by this much before it is a matter of chance at all.
MARGIN = 1.5
# False alarms that are accepted in a year, if losses were as the model says.
LEVEL = 0.1
# Usual periods that must be known, and the most that are looked at.
FEWEST, MOST = 3, 12


def unusual_loss(
    lost: int, of: int, usual: Sequence[tuple[int, int]], periods_per_year: float
) -> bool:
    """Say whether `lost` of `of` entities are more than usual periods (lost, of) explain.

    >>> unusual_loss(30, 2010, [(0, 2010)] * 4, 52), unusual_loss(30, 2010, [(22, 2000)] * 4, 52)
    (True, False)
    """
    if len(usual) < FEWEST or not lost:
        return False
    most, size = max(usual, key=lambda u: u[0] / max(u[1], 1))
    if lost * size <= MARGIN * most * of:
        return False
    return loss_chance(lost, of, MARGIN * most, size) < LEVEL / periods_per_year


def loss_chance(lost: int, of: int, usually: float, size: int) -> float:
    """Return P(K >= lost) for K beta-binomial of `of`, after `usually` of `size` were lost.

    >>> round(loss_chance(1, 1, 1, 1), 2), loss_chance(0, 9, 1, 9)
    (0.75, 1.0)
    """
    a, b = usually + 0.5, max(size - usually, 0.0) + 0.5
    log = (
        math.lgamma(of + b) - math.lgamma(of + a + b) - math.lgamma(b) + math.lgamma(a + b)
    )  # of P(K = 0)
    below = 0.0
    for k in range(min(lost, of + 1)):
        below += math.exp(log)
        if k < of:
            log += math.log((of - k) * (k + a) / ((k + 1) * (of - k - 1 + b)))
    return max(0.0, 1.0 - below)
