"""Is a column stuck at one value, or does a week of nothing else happen by itself?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats, counted, floats, same_length

# A column is stuck when so many of its known values are one value (a few rows may come late), and
# of the rows that usually are another at most a tenth is left.
STUCK, _LEFT = 0.98, 0.1
# The chance, over all columns and lengths of a run, that a sound week is called stuck: once in two
# years if every column were as near to it as a column can be. Half of it is for single weeks.
_ALPHA = 0.01
# Fewer weeks before a run do not show what is usual.
_FEWEST = 8
# What becomes rare within so many weeks is not stuck when it is gone.
_LATELY = 4


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


def stuck_at(
    column: Sequence[Floats],
    now: Floats,
    columns: int,
    vouched: Collection[int] = (),
    rarer: Callable[[float], float] = lambda value: 1.0,
) -> tuple[bool, float, float]:
    """Say whether a column is stuck, with the share of its commonest value now and usually.

    `column`: its values in each reference week, oldest first, `now`: in this week; NaN is missing.
    `vouched`: places of weeks that a person found sound; a run that holds one is none. `rarer`:
    says of a value which share of the usual rows are another in a mix of sound rows like this week;
    so many are counted. Stuck: nearly all known values are one in the last m weeks (98 %, and of
    what usually is another at most a tenth), never before were they that one for so long, and by
    the spread of the weeks before the chance of it is below 2^-m of one in 100, divided by the
    number of `columns` looked at; m = 1, 2, ...

    Formula: q max(q, s)^((m - 1)(1 - r)), q the largest :func:`chance_of_so_many` of the run's
    weeks by those before it or by the last four of them, s the share of those before it that are as
    pure, r the correlation of a week's share with the next one's, one standard error higher,
    between 0 and 1.
    Source: effective number of autocorrelated values, Bayley and Hammersley (1946), J. R. Statist.
    Soc. Suppl. 8.

    >>> rng = np.random.default_rng(0)
    >>> past = [(rng.random(200) < 0.1) * 1.0 for _ in range(12)]
    >>> stuck_at(past, np.zeros(200), 20)[0], stuck_at(past, past[0], 20)[0]
    (True, False)
    >>> rare, none = [(rng.random(200) < 0.04) * 1.0 for _ in range(26)], np.zeros(200)
    >>> stuck_at(rare, none, 20)[0], stuck_at([*rare, none], none, 20)[0]
    (False, True)
    >>> stuck_at([*rare, none], none, 20, vouched=[26])[0]
    False
    """
    values, counts = counted(now)
    if not len(values):
        return False, 0.0, 0.0
    value, share = values[counts.argmax()], float(counts.max() / counts.sum())
    if share < STUCK:
        return False, share, 0.0
    rows = np.array([float((~np.isnan(w)).sum()) for w in (*column, now)])
    same = np.array([float((w == value).sum()) for w in (*column, now)])
    kept = np.flatnonzero(rows > 0)
    rows, same = rows[kept], same[kept]
    shares = same / rows
    usual = float(np.median(shares[:-1])) if len(shares) > 1 else 0.0
    pure = max(STUCK, 1.0 - _LEFT * (1.0 - usual))
    longest = _ends_with(shares >= pure)
    if not longest:
        return False, share, usual
    if np.isin(kept[-longest:], list(vouched)).any():
        return False, share, usual
    most = min(longest, len(rows) - _FEWEST)
    limit = _ALPHA / max(columns, 1)
    if not _rare(same, rows, most, limit):
        return False, share, usual
    # Only what is rare by itself is held against a mix of rows: that takes longer.
    same = rows - (rows - same) * rarer(float(value))
    return _rare(same, rows, most, limit), share, usual


def _rare(same: Floats, rows: Floats, most: int, limit: float) -> bool:
    """Say whether a run of up to `most` weeks at the end is rarer than its part of the budget."""
    return any(_chance_of_run(same, rows, m) * 2.0**m < limit for m in range(1, most + 1))


def _chance_of_run(same: Floats, rows: Floats, length: int) -> float:
    """Return the chance of the last weeks by those before them; 1 if these had such a run."""
    past, shares = slice(None, -length), same / rows
    as_pure = shares[past] >= shares[-length:].min()
    if _longest(as_pure) >= length:
        return 1.0
    lately = slice(-length - _LATELY, -length)
    hits = {(int(k), int(n)) for k, n in zip(same[-length:], rows[-length:], strict=True)}
    chance = max(
        chance_of_so_many(same[before], rows[before], *hit)
        for hit in hits
        for before in (past, lately)
    )
    more = (length - 1) * (1.0 - _likeness(shares[past]))
    return float(chance * max(chance, float(as_pure.mean())) ** more)


def _ends_with(pure: Bools) -> int:
    """Return how many weeks at the end are pure."""
    return next((i for i, p in enumerate(pure[::-1]) if not p), len(pure))


def _longest(pure: Bools) -> int:
    """Return the longest run of pure weeks."""
    return max((len(list(g)) for p, g in itertools.groupby(pure.tolist()) if p), default=0)


def _likeness(shares: Floats) -> float:
    """Return how far neighbouring weeks are alike: their correlation, one standard error higher."""
    if not shares.std() > 0:
        return 1.0
    apart = shares - shares.mean()
    found = float(apart[1:] @ apart[:-1] / (apart @ apart)) + 1.0 / math.sqrt(len(shares))
    return min(max(found, 0.0), 1.0)


def _log_share(a: float, b: float, k: int, n: int) -> float:
    """Return log P(K = k) of the beta-binomial."""
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    whole = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return ways + whole + math.lgamma(k + a) + math.lgamma(n - k + b) - math.lgamma(n + a + b)
