"""Which periods a run may learn from, and which it is judged on."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate

from tamid.core.stats.distributions import normal_quantile
from tamid.core.stats.intervals import moved

# Periods of a routine run that are judged: enough for a reference, never more than a third.
MOST_JUDGED = 12
FEWEST_JUDGED = 4
JUDGED_SHARE = 3
# Sign flips over four weeks cannot reach 5 % (1 in 16), over five they can (1 in 32).
FEWEST_COMPARED = 5

# Fewer positives (or rows, where nothing is rare) than this are no evidence: with 100 a metric is
# known to about 5 points. Periods are judged until there are so many.
FEWEST_POSITIVES = 100
# So many periods that the champion has not learnt from can tell it from a candidate.
FEWEST_FRESH = 2

# "long" covers half a year of weeks, and as many more as it takes to hold so many rows; "short" is
# a third of it, and "decay" halves the weight of a row in half of it.
LONG, LONG_ROWS = 26, 20_000
_DECAY = "decay"
# What windows reached back before runs recorded it.
_BEFORE: Mapping[str, int] = {"long": 26, "short": 8}

# A window is to know the season of so many weeks ahead, or to reach back a year.
COMING = 4
YEAR = 52

# A first run needs this many matured periods: to fit, to tune and to judge one after another.
FEWEST_TO_START = 8

# So many values stand for a reference that has too few real periods.
PSEUDO_PERIODS = 26


def holdout(
    periods: Sequence[str], after: str = "", mass: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Return the latest periods, on which a routine run is judged.

    `after`: the last period that the champion learnt from. It knows the outcomes up to there, so
    only later periods can compare it with a candidate: the latest half of them is judged (if there
    are enough, at least so many that weeks can be told apart), the earlier ones are what the
    candidate knows better. Without two later periods the rule for a first run holds, and the caller
    must not take the champion's own answers for evidence. `mass`: the positives of each period;
    while they are too few for any metric, more periods are judged, up to a third of all or to all
    that the champion does not know.

    >>> holdout([f"p{i:02d}" for i in range(30)])[0]
    'p20'
    >>> holdout([f"p{i:02d}" for i in range(30)], after="p25")
    ('p28', 'p29')
    >>> len(holdout([f"p{i:02d}" for i in range(30)], after="p21"))
    5
    >>> periods = [f"p{i:02d}" for i in range(60)]
    >>> len(holdout(periods)), len(holdout(periods, mass=dict.fromkeys(periods, 6)))
    (12, 17)
    """
    ordered = sorted(periods)
    fresh = sum(p > after for p in ordered) if after else 0
    if fresh >= FEWEST_FRESH:
        least = FEWEST_COMPARED if fresh > FEWEST_COMPARED else 0
        count, most = min(MOST_JUDGED, max(least, fresh // 2)), fresh
    else:
        most = len(ordered) // JUDGED_SHARE
        count = max(FEWEST_JUDGED, min(MOST_JUDGED, most))
    if mass is not None:
        while count < most and sum(mass.get(p, 0) for p in ordered[-count:]) < FEWEST_POSITIVES:
            count += 1
    return tuple(ordered[-count:])


def reach(rows: Sequence[int]) -> dict[str, int]:
    """Return how many of the latest periods each window covers; of `decay` the half-life.

    `rows`: of each period, oldest first; where some are not known (0), periods alone are counted.

    >>> reach([1000] * 60), reach([500] * 60)
    ({'long': 26, 'short': 8, 'decay': 13}, {'long': 40, 'short': 13, 'decay': 20})
    """
    fewer = sum(total < LONG_ROWS for total in accumulate(reversed(rows))) if all(rows) else 0
    long = max(LONG, min(fewer + 1, len(rows)))
    return {"long": long, "short": long // 3, _DECAY: long // 2}


def windows(
    periods: Sequence[str], choice: str, back: Mapping[str, int] | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the candidate windows, or the one chosen, each with the periods it learns from.

    `back`: how far they reach; without it as they did before that was recorded. `decay:N` learns
    from all periods, the weight of a row halved every N of them. A window that would hold all there
    is, or hardly weigh, is none.

    >>> weeks = [f"p{i:02d}" for i in range(30)]
    >>> {name: len(span) for name, span in windows(weeks, "auto", reach([900] * 30)).items()}
    {'all': 30, 'long': 26, 'short': 8, 'decay:13': 30}
    >>> list(windows(weeks, "decay", reach([900] * 30))), list(windows(weeks, "auto"))
    (['decay:13'], ['all', 'long', 'short'])
    """
    ordered = tuple(sorted(periods))
    found = {"all": ordered}
    for name, length in (back or _BEFORE).items():
        if len(ordered) > length:
            decays = name == _DECAY
            found[f"{name}:{length}" if decays else name] = ordered if decays else ordered[-length:]
    chosen = offered_as(choice, found)
    return {chosen: found[chosen]} if chosen else found


def offered_as(name: str, candidates: Collection[str]) -> str:
    """Return the candidate that a window's name stands for, "" if there is none.

    A half-life moves with the rows: `decay` of today is what `decay:13` of last year was.

    >>> offered_as("decay:13", ["all", "decay:15"]), offered_as("long", ["all"])
    ('decay:15', '')
    """
    kind = name.partition(":")[0]
    return next((c for c in candidates if c == name or c.partition(":")[0] == kind), "")


def quarter(day: str) -> int:
    """Return the season of a day: the quarter of the year that its name says, from 0.

    >>> quarter("2026-01-04"), quarter("2025-12-28")
    (0, 3)
    """
    return (int(day[5:7]) - 1) // 3


def knows_season(
    coming: Collection[int], default: Collection[int], window: Collection[int], *, a_year: bool
) -> bool:
    """Say whether a window knows the seasons of the coming month, as far as the default does.

    What no window knows excludes none; `a_year`: the window reaches back a year, whatever it holds.

    >>> knows_season({3}, {0, 1, 2, 3}, {1, 2}, a_year=False)
    False
    >>> knows_season({3}, {1, 2}, {2}, a_year=False)
    True
    """
    return a_year or set(coming) & set(default) <= set(window)


def out_of_season(candidates: Mapping[str, Sequence[str]], today: str) -> tuple[str, ...]:
    """Return the windows that lack a season of the month after `today`, which the first one knows.

    A model that never saw summer must not go live in June because it did well in May. One window
    alone was not chosen, and is kept.

    >>> weeks = [f"2025-{m:02d}-{d:02d}" for m in range(1, 13) for d in (1, 8, 15, 22)]
    >>> out_of_season(windows(weeks[8:], "auto"), "2026-03-20")
    ('long', 'short')
    >>> out_of_season(windows(weeks[8:], "auto"), "2025-12-01")
    ()
    """
    if len(candidates) < 2 or not all(candidates.values()):
        return ()
    day = date.fromisoformat(today)
    ahead = {quarter((day + timedelta(weeks=k)).isoformat()) for k in range(COMING)}
    known = {name: {quarter(p) for p in span} for name, span in candidates.items()}
    default = next(iter(known.values()))
    spans = {n: _weeks(min(span), max(span)) for n, span in candidates.items()}
    return tuple(
        name
        for name, have in known.items()
        if not knows_season(ahead, default, have, a_year=spans[name] >= YEAR)
    )


def _weeks(first: str, last: str) -> int:
    """Return the weeks from the one that begins on a day to the one that begins on another."""
    return (date.fromisoformat(last) - date.fromisoformat(first)).days // 7 + 1


def pseudo_reference(
    point: float,
    error: float,
    periods: int,
    *,
    caution: float,
    sign: float,
    low: float,
    high: float,
) -> tuple[float, ...]:
    """Return what a healthy model's periods would show, told by few judged ones: normal quantiles.

    `point`, `error`: the metric over all of them, and its standard error; `caution`: by how many of
    those the reference is centred below the point; `sign`: +1 where larger is better; `low`,
    `high`: the metric's range. All steps are taken on the scale on which all values err alike: few
    errors by luck would otherwise make a high centre and a narrow spread at once.

    >>> values = pseudo_reference(0.9, 0.01, 4, caution=1.4, sign=1.0, low=0.0, high=1.0)
    >>> len(values), [round(f(values), 3) for f in (min, max)]
    (26, [0.838, 0.926])
    """
    if not (math.isfinite(point) and math.isfinite(error)):
        return ()
    levels = [(i + 0.5) / PSEUDO_PERIODS for i in range(PSEUDO_PERIODS)]
    steps = [math.sqrt(periods) * normal_quantile(level) - sign * caution for level in levels]
    return tuple(moved(point, step * error, low, high) for step in steps)
