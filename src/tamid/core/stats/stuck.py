"""Is a column stuck at one value, or does a week of nothing else happen by itself?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Floats, counted, floats, same_length

# A column is stuck when so many of its known values are one value; a few rows may come late.
STUCK = 0.98
# The chance, over all columns of a week, that a sound one is called stuck: once in four years if
# every column were as near to it as a column can be.
_ALPHA = 0.005


def chance_of_so_many(same: ArrayLike, rows: ArrayLike, hit: int, now: int) -> float:
    """Return the chance that `hit` or more of `now` rows have a value that `same` of `rows` had.

    Formula: upper tail of the beta-binomial. With p = (sum k + 1/2) / (sum n + 1) and m = mean 1/n
    over the weeks, rho = (var(k / n) / (p (1 - p)) - m) / (1 - m) is the correlation of rows within
    a week, at least 1 / sum n; a = p (1 / rho - 1), b = (1 - p) (1 / rho - 1);
    P(K = k) = C(now, k) B(k + a, now - k + b) / B(a, b). The variance is that about p with the
    number of weeks less two below it, so that few weeks err towards a wider spread.
    Source: Williams (1975), Biometrics 31 (beta-binomial, by moments: Kleinman 1973, JASA 68).

    Weeks that are alike make it p^now; weeks that differ make a pure week far less surprising:

    >>> round(chance_of_so_many([90] * 10, [100] * 10, 100, 100), 5)
    4e-05
    >>> round(chance_of_so_many([99, 81] * 5, [100] * 10, 100, 100), 3)
    0.101
    """
    k, n = floats(same, "same"), floats(rows, "rows")
    same_length(same=k, rows=n)
    k, n = k[n > 0], n[n > 0]
    if now <= 0 or hit <= 0 or len(n) < 3:
        return 1.0
    p = float((k.sum() + 0.5) / (n.sum() + 1.0))
    apart = float(((k / n - p) ** 2).sum()) / (len(n) - 2)
    by_chance = float((1.0 / n).mean())
    rho = (apart / (p * (1.0 - p)) - by_chance) / max(1.0 - by_chance, 1e-9)
    rho = min(max(rho, 1.0 / float(n.sum())), 0.999)
    a, b = p * (1.0 / rho - 1.0), (1.0 - p) * (1.0 / rho - 1.0)
    tail = math.fsum(math.exp(_log_share(a, b, x, now)) for x in range(hit, now + 1))
    return min(tail, 1.0)


def stuck_at(column: list[Floats], now: Floats, columns: int) -> tuple[bool, float, float]:
    """Say whether a column is stuck, with the share of its commonest value now and usually.

    `column`: its values in each reference week, `now`: in this week; NaN is missing. Stuck: nearly
    all known values are one, in no reference week were they that one, and by the spread of the
    weeks the chance of it is below one in 200, divided by the number of `columns` looked at.

    >>> rng = np.random.default_rng(0)
    >>> past = [(rng.random(200) < 0.1) * 1.0 for _ in range(12)]
    >>> stuck_at(past, np.zeros(200), 20)[0], stuck_at(past, past[0], 20)[0]
    (True, False)
    """
    values, counts = counted(now)
    if not len(values):
        return False, 0.0, 0.0
    known = int(counts.sum())
    value, share = values[counts.argmax()], float(counts.max() / known)
    if share < STUCK:
        return False, share, 0.0
    rows = np.array([float((~np.isnan(w)).sum()) for w in column])
    same = np.array([float((w == value).sum()) for w in column])
    past = (same / np.maximum(rows, 1.0))[rows > 0]
    if not len(past) or float(past.max()) >= STUCK:
        return False, share, 0.0
    chance = chance_of_so_many(same, rows, int(counts.max()), known)
    return chance < _ALPHA / max(columns, 1), share, float(np.median(past))


def _log_share(a: float, b: float, k: int, n: int) -> float:
    """Return log P(K = k) of the beta-binomial."""
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    whole = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return ways + whole + math.lgamma(k + a) + math.lgamma(n - k + b) - math.lgamma(n + a + b)
