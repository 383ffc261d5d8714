"""Gaps between groups in how the model treats them, with intervals that know small groups.

A gap is a group's rate minus the rate of all others. It is always reported; it is flagged only
when the interval shows it, and it blocks only when the interval shows more than is allowed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import (
    Bools,
    Floats,
    binary,
    codes_of,
    group_sums,
    same_length,
    weights_for,
)
from tamid.core.stats.bootstrap import DRAWS, bootstrap_sums
from tamid.core.stats.intervals import effective_trials, newcombe
from tamid.core.values import Interval

Measure = Literal["equal_opportunity", "equalised_odds", "demographic_parity"]
Rate = Literal["true_positive", "false_positive", "selection"]

# Fewer relevant rows than this say nothing about a group (measured: a rule on the plain gap
# condemns a fair model in 30 % of cases at 30, in 68 % at 10).
TOO_SMALL = 30
# Fewer than this find a gap of 15 points only about half of the time.
LOW_POWER = 200
# A gap that the interval shows but that is no larger than this is no news.
_WORTH_A_FLAG = 0.05

_RATES: Mapping[Measure, tuple[Rate, ...]] = {
    "equal_opportunity": ("true_positive",),
    "equalised_odds": ("true_positive", "false_positive"),
    "demographic_parity": ("selection",),
}


class Standing(enum.StrEnum):
    """What can be said about one gap."""

    FINE = "fine"
    FLAG = "flag"
    BLOCK = "block"
    TOO_SMALL = "too_small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One group's rate against the others'; `gap` is signed, with its corrected interval.

    `n` counts the group's relevant rows (positives for true_positive, negatives for
    false_positive, all for selection), `n_effective` what they are worth after weights and
    repeats; `low_power` says that a gap may well be there unseen.
    """

    attribute: str
    group: str
    rate: Rate
    value: float
    others: float
    gap: Interval
    n: int
    n_effective: float
    standing: Standing
    low_power: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """By how much one group's gap is wider under the second of two models; negative: narrower."""

    attribute: str
    group: str
    rate: Rate
    change: Interval


def fairness_gaps(
    y: ArrayLike,
    called: ArrayLike,
    protected: Mapping[str, ArrayLike],
    *,
    measure: Measure = "equal_opportunity",
    max_gap: float = 0.05,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> tuple[Gap, ...]:
    """Compare each group of each protected attribute with all other rows.

    `called` is the 0/1 decision. Formula: Newcombe interval of the two rates on effective sample
    sizes (weights and rows that repeat in a cluster), at level 1 - (1 - level) / number of gaps
    (Bonferroni). flag: the interval leaves out 0 and the gap is above 0.05. block: the interval
    lies wholly beyond `max_gap`. too_small: under 30 relevant rows on either side, effective.
    Source: Hardt, Price and Srebro (2016), NeurIPS (the measures); Newcombe (1998).

    >>> y, sex = [1] * 400, ["f", "m"] * 200
    >>> gap = fairness_gaps(y, [1, 0] * 200, {"sex": sex})[0]
    >>> gap.group, gap.gap.point, gap.standing.value
    ('f', 1.0, 'block')
    """
    truth, decision = binary(y, "y"), binary(called, "called")
    same_length(y=truth, called=decision, **protected)
    w = weights_for(weights, len(truth))
    cluster = None if clusters is None else np.asarray(clusters)
    cells = _cells(protected, measure)
    corrected = 1.0 - (1.0 - level) / max(len(cells), 1)
    gaps = []
    for attribute, group, rate, inside in cells:
        relevant = _relevant(truth, rate) & (w > 0)
        gaps.append(
            _gap(
                (attribute, group, rate),
                decision, w, cluster, relevant & inside, relevant & ~inside, corrected, max_gap,
            )
        )  # fmt: skip
    return tuple(gaps)


def gap_changes(
    y: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    protected: Mapping[str, ArrayLike],
    *,
    rng: Generator,
    measure: Measure = "equal_opportunity",
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    level: float = 0.90,
    draws: int = DRAWS,
) -> tuple[Change, ...]:
    """Compare each group's gap under two models that decided on the same rows.

    `before`, `after`: 0/1 decisions. Formula: |gap after| - |gap before| with percentile bounds of
    a paired bootstrap over clusters (rows, where there are none), one-sided at (1 - level) / 2 /
    number of gaps (Bonferroni). Groups too small to judge are left out.
    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, ch. 13.

    >>> y, sex = [1] * 400, ["f", "m"] * 200
    >>> gap_changes(y, [1] * 400, [1, 0] * 200, {"sex": sex}, rng=np.random.default_rng(0))[0].group
    'f'
    """
    truth, old, new = binary(y, "y"), binary(before, "before"), binary(after, "after")
    same_length(y=truth, before=old, after=new, **protected)
    w = weights_for(weights, len(truth))
    codes, units = codes_of(np.arange(len(truth)) if clusters is None else np.asarray(clusters))
    found: list[tuple[str, str, Rate, Floats]] = []
    for attribute, group, rate, inside in _cells(protected, measure):
        sides = [_relevant(truth, rate) & (w > 0) & side for side in (inside, ~inside)]
        if min(int(side.sum()) for side in sides) < TOO_SMALL:
            continue
        columns = [w * side * part for side in sides for part in (1.0, old, new)]
        sums = group_sums(np.column_stack(columns), codes, units)
        both = np.concatenate([sums.sum(axis=0)[None], bootstrap_sums(sums, rng, draws)])
        found.append((attribute, group, rate, _widened(both)))
    tail = (1.0 - level) / 2 / max(len(found), 1)
    return tuple(
        Change(
            attribute=attribute, group=group, rate=rate,
            change=Interval(
                point=float(drawn[0]),
                low=float(np.nanquantile(drawn[1:], tail)),
                high=float(np.nanquantile(drawn[1:], 1 - tail)),
                level=level,
            ),
        )
        for attribute, group, rate, drawn in found
    )  # fmt: skip


def worst_gap(gaps: tuple[Gap, ...]) -> Gap | None:
    """Return the gap that weighs most: the worst standing, then the largest; None without groups.

    >>> worst_gap(()) is None
    True
    """
    order = [Standing.BLOCK, Standing.FLAG, Standing.FINE, Standing.TOO_SMALL]
    size = [abs(g.gap.point) if np.isfinite(g.gap.point) else 0.0 for g in gaps]
    ranked = sorted(zip(gaps, size, strict=True), key=lambda x: (order.index(x[0].standing), -x[1]))
    return ranked[0][0] if ranked else None


def _cells(
    protected: Mapping[str, ArrayLike], measure: Measure
) -> list[tuple[str, str, Rate, Bools]]:
    """List every gap there is: attribute, group, rate, and the rows of the group."""
    return [
        (attribute, str(group), rate, np.asarray(np.asarray(column) == group, dtype=np.bool_))
        for attribute, column in sorted(protected.items())
        for group in _groups(column)
        for rate in _RATES[measure]
    ]


def _widened(sums: Floats) -> Floats:
    """Return |gap after| - |gap before| of each draw; NaN where a side came out empty."""
    with np.errstate(invalid="ignore", divide="ignore"):
        inside, outside = sums[:, 1:3] / sums[:, :1], sums[:, 4:6] / sums[:, 3:4]
    gaps = np.abs(inside - outside)
    return np.asarray(gaps[:, 1] - gaps[:, 0], dtype=np.float64)


def _groups(column: ArrayLike) -> list[object]:
    """List the groups in an order that does not depend on the rows; the missing form none."""
    values = {v for v in np.asarray(column).tolist() if v is not None and v == v}
    return sorted(values, key=str)


def _relevant(truth: Floats, rate: Rate) -> Bools:
    if rate == "selection":
        return np.ones(len(truth), dtype=np.bool_)
    return np.asarray(truth == (1.0 if rate == "true_positive" else 0.0), dtype=np.bool_)


def _gap(
    name: tuple[str, str, Rate],
    called: Floats,
    w: Floats,
    clusters: np.ndarray | None,
    inside: Bools,
    outside: Bools,
    level: float,
    max_gap: float,
) -> Gap:
    sides = [
        effective_trials(called[s], w[s], None if clusters is None else clusters[s])
        for s in (inside, outside)
    ]
    (x1, n1), (x2, n2) = sides
    interval = newcombe(x1, n1, x2, n2, level)
    fewest = min(n1, n2)
    if fewest < TOO_SMALL:
        standing = Standing.TOO_SMALL
    elif interval.low > max_gap or interval.high < -max_gap:
        standing = Standing.BLOCK
    elif (interval.low > 0 or interval.high < 0) and abs(interval.point) > _WORTH_A_FLAG:
        standing = Standing.FLAG
    else:
        standing = Standing.FINE
    return Gap(
        attribute=name[0], group=name[1], rate=name[2],
        value=x1 / n1 if n1 > 0 else np.nan, others=x2 / n2 if n2 > 0 else np.nan,
        gap=interval, n=int(inside.sum()), n_effective=n1,
        standing=standing, low_power=fewest < LOW_POWER,
    )  # fmt: skip
