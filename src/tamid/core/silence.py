"""Periods of which no label came: a feed that fell silent is no news that nothing happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# The number of the loop's rules (`signals.RULES`) since which this one holds.
SILENCE = 1

# So many periods with labels must have gone before; each with so many labels that none at all
# would come once in a million periods by chance: exp(-14) < 1e-6 for counts of rare events.
_BEFORE = 4
_FEWEST = 14.0


def silent(heard: Mapping[str, float], periods: Sequence[str]) -> tuple[str, ...]:
    """Return those of `periods` (due, oldest first) whose labels are missing altogether.

    `heard`: labels that came, per period. A period is silent if none came of it, though the last
    four periods with labels had 14 or more each. However long the silence lasts, each of its
    periods is named, and none any more once labels of it come.

    >>> came = {"1": 60.0, "2": 55.0, "3": 71.0, "4": 58.0, "6": 60.0}
    >>> silent(came, ["1", "2", "3", "4", "5", "6", "7"])
    ('5', '7')
    >>> silent({p: n / 10 for p, n in came.items()}, ["1", "2", "3", "4", "5"])
    ()
    """
    found: list[str] = []
    usual: list[float] = []
    for period in periods:
        count = heard.get(period, 0.0)
        if not count and len(usual) >= _BEFORE and min(usual[-_BEFORE:]) >= _FEWEST:
            found.append(period)
        else:
            usual.append(count)
    return tuple(found)
