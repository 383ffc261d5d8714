"""What each feature is worth: its benefit with an interval, its cost, and how early it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from tamid.core.learning.model import Bools, Ints
from tamid.core.stats.arrays import group_sums
from tamid.core.stats.bootstrap import bootstrap_sums
from tamid.core.stats.metrics import Terms
from tamid.core.values import Interval

Source = Literal["column", "aggregate", "code"]
# 400 draws put a 95 % bound within a sixth of a standard error: enough to rank features by.
_DRAWS = 400
# An older value is as good as known while it keeps this share of the benefit.
KEPT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """What is left of a feature's benefit if it is `periods` older, as a share of it."""

    periods: int
    kept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """What one feature is worth.

    `benefit`: how much worse the metric gets when the feature's values are dealt out at random, on
    rows that were not fitted on; None: not measured. `nulls`: share of rows without a value.
    `ms`: time to compute it for 1,000 rows; None where it is joined before the run. `lead`: how
    many periods earlier it already told half as much; None: not measured. The row's own moment lies
    up to the label's horizon before the outcome, in any case.
    """

    feature: str
    source: Source
    share: float
    nulls: float
    benefit: Interval | None = None
    ms: float | None = None
    ageing: tuple[Aged, ...] = ()
    lead: int | None = None


def gains(
    base: Terms, dealt: Mapping[str, Terms], entity: Ints, rng: Generator
) -> Mapping[str, Interval]:
    """Return, by feature, metric(as it is) - metric(dealt out), turned so that more is better.

    Formula: permutation importance; the 95 % interval draws whole entities, the same ones for all
    features, so that features can be compared. Source: Breiman (2001), Machine Learning 45; Fisher,
    Rudin and Dominici (2019), JMLR 20; Efron (1979) for the draws.

    >>> from tamid.core.stats.metrics import terms
    >>> from tamid.core.values import Task
    >>> y = np.array([1.0, 0.0] * 50)
    >>> good, poor = (terms("accuracy", Task.BINARY, y, s) for s in (y, np.zeros(100)))
    >>> found = gains(good, {"a": poor, "b": good}, np.arange(100), np.random.default_rng(0))
    >>> found["a"].point, found["a"].low > 0.3, found["b"].high
    (0.5, True, 0.0)
    """
    sign, width = base.metric.sign(), base.rows.shape[1]
    names = list(dealt)
    rows = np.concatenate([base.rows, *(dealt[n].rows for n in names)], axis=1)
    units = int(entity.max(initial=-1)) + 1
    totals = bootstrap_sums(group_sums(rows, entity, units), rng, _DRAWS)
    whole = base.value(totals[:, :width])
    found = {}
    for place, name in enumerate(names, 1):
        other = dealt[name].value(totals[:, place * width : (place + 1) * width])
        drawn = sign * (whole - other)
        drawn = drawn[np.isfinite(drawn)]
        point = sign * (base.point() - dealt[name].point())
        low, high = np.quantile(drawn, [0.025, 0.975]) if len(drawn) else (-np.inf, np.inf)
        found[name] = Interval(
            point=point, low=min(float(low), point), high=max(float(high), point)
        )
    return found


def earlier(entity: Ints, period: Ints, rows: Ints, lag: int) -> tuple[Ints, Bools]:
    """Return, for some rows, their entity's row `lag` periods before, and where there is one.

    >>> entity, period = np.array([0, 0, 1]), np.array([0, 1, 1])
    >>> before, there = earlier(entity, period, np.array([1, 2]), 1)
    >>> int(before[0]), there.tolist()
    (0, [True, False])
    """
    width = int(period.max(initial=0)) + 1
    keys = entity * width + period
    order = np.argsort(keys, kind="stable")
    wanted = keys[rows] - lag
    place = np.minimum(np.searchsorted(keys[order], wanted), len(keys) - 1)
    found = order[place]
    there = (keys[found] == wanted) & (period[rows] >= lag)
    return found.astype(np.int64), np.asarray(there)


def kept_share(base: float, dealt: float, aged: float) -> float:
    """Return what share of a benefit an older value keeps: 1 all of it, 0 none.

    >>> kept_share(0.8, 0.6, 0.7)
    0.5
    """
    gain = base - dealt
    return round((aged - dealt) / gain, 6) if gain else float("nan")


def lead_of(ageing: Sequence[Aged]) -> int | None:
    """Return how many periods earlier a feature told at least half as much, without a gap.

    >>> lead_of([Aged(periods=1, kept=0.9), Aged(periods=2, kept=0.6), Aged(periods=4, kept=0.1)])
    2
    >>> lead_of([Aged(periods=1, kept=0.2)]), lead_of([])
    (0, None)
    """
    if not ageing:
        return None
    lead = 0
    for one in sorted(ageing, key=lambda a: a.periods):
        if not one.kept >= KEPT:
            break
        lead = one.periods
    return lead
