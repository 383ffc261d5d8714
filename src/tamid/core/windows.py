"""Which periods a run may learn from, and which it is judged on."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tamid.core.stats.distributions import normal_quantile

# Periods of a routine run that are judged: enough for a reference, never more than a third.
MOST_JUDGED = 12
FEWEST_JUDGED = 4
JUDGED_SHARE = 3
# Sign flips over four weeks cannot reach 5 % (1 in 16), over five they can (1 in 32).
FEWEST_COMPARED = 5

# "long" covers half a year of weeks, "short" two months: a season, and what happened lately.
LONG = 26
SHORT = 8

# A first run needs this many matured periods: to fit, to tune and to judge one after another.
FEWEST_TO_START = 8

# So many values stand for a reference that has too few real periods.
PSEUDO_PERIODS = 26


def holdout(periods: Sequence[str], after: str = "") -> tuple[str, ...]:
    """Return the latest periods, on which a routine run is judged.

    `after`: the last period that the champion learnt from. It knows the outcomes up to there, so
    only later periods can compare it with a candidate: the latest half of them is judged (if there
    are enough, at least so many that weeks can be told apart), the earlier ones are what the
    candidate knows better. Without two later periods nothing is fair, and the rule for a first run
    holds.

    >>> holdout([f"p{i:02d}" for i in range(30)])[0]
    'p20'
    >>> holdout([f"p{i:02d}" for i in range(30)], after="p25")
    ('p28', 'p29')
    >>> len(holdout([f"p{i:02d}" for i in range(30)], after="p21"))
    5
    """
    ordered = sorted(periods)
    fresh = sum(p > after for p in ordered) if after else 0
    if fresh >= 2:
        least = FEWEST_COMPARED if fresh > FEWEST_COMPARED else 0
        return tuple(ordered[-min(MOST_JUDGED, max(least, fresh // 2)) :])
    count = max(FEWEST_JUDGED, min(MOST_JUDGED, len(ordered) // JUDGED_SHARE))
    return tuple(ordered[-count:])


def windows(periods: Sequence[str], choice: str) -> dict[str, tuple[str, ...]]:
    """Return the candidate windows: all periods, the last 26, the last 8; or the one chosen.

    >>> sorted(windows([f"p{i:02d}" for i in range(30)], "auto"))
    ['all', 'long', 'short']
    """
    ordered = tuple(sorted(periods))
    found = {"all": ordered}
    if len(ordered) > LONG:
        found["long"] = ordered[-LONG:]
    if len(ordered) > SHORT:
        found["short"] = ordered[-SHORT:]
    if choice in found:
        return {choice: found[choice]}
    return found


def pseudo_reference(point: float, error: float) -> tuple[float, ...]:
    """Return values that a healthy model's periods would show: normal quantiles around a point.

    Used where too few real periods exist; the rate of false alarms is then approximate.

    >>> values = pseudo_reference(0.8, 0.01)
    >>> len(values), round(sum(values) / len(values), 3)
    (26, 0.8)
    """
    if not (math.isfinite(point) and math.isfinite(error)):
        return ()
    levels = [(i + 0.5) / PSEUDO_PERIODS for i in range(PSEUDO_PERIODS)]
    return tuple(point + error * normal_quantile(level) for level in levels)
