"""Champion against challenger on the same rows: the difference, its bounds, and what they say.

The difference is turned so that positive always means "the challenger is better". Bounds are
one-sided at `alpha` each: a block bootstrap with many blocks, sign flips over blocks with few.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tamid.core.stats.arrays import Floats, codes_of, group_sums
from tamid.core.stats.blocks import BlockPlan, Blocks, Groups, Unit, choose_blocks
from tamid.core.stats.bootstrap import (
    DRAWS,
    blocks_needed,
    bootstrap_difference,
    sign_flip_bounds,
)
from tamid.core.stats.intervals import influence
from tamid.core.stats.metrics import Terms
from tamid.core.values import Interval

# Below this many blocks the bootstrap is too narrow (measured: 7 % for a nominal 5 % at 43 to 68
# blocks); sign flips keep their level with any number.
FEW_BLOCKS = 50
# Fewer rows, or fewer rows that the metric rests on, say nothing worth a decision. No thousand is
# asked for: the bounds say themselves what few rows cannot show (measured on independent rows with
# 20 % positives, F1, one-sided 5 %: 6 to 7 % wrong findings at 100 and 200 rows, 4 to 5 % at 1,000;
# a halved noise is found in 57 % at 100 rows, in 95 % at 200).
MIN_ROWS = 100
MIN_MASS_ROWS = 30
# A draw in which the metric cannot be measured is dropped; more than this share is no evidence.
_MAX_LOST_DRAWS = 0.05


class Finding(enum.StrEnum):
    """What the comparison shows about the challenger."""

    SUPERIOR = "superior"
    NON_INFERIOR = "non_inferior"
    EQUAL = "equal"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The one-sided bounds that one way of drawing gives."""

    unit: Unit
    blocks: int
    method: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Challenger minus champion, turned so that positive is better, and the finding.

    `difference` has one-sided bounds at `alpha` (level 1 - 2 alpha, two-sided).
    `decidable_after_weeks` counts further weeks; None when decided or when no week can help.
    """

    metric: str
    champion: float
    challenger: float
    difference: Interval
    margin: float
    finding: Finding
    bounds: tuple[Bound, ...]
    n: int
    blocks: int
    degraded: bool
    decidable_after_weeks: int | None
    message: str


def compare(
    champion: Terms,
    challenger: Terms,
    groups: Groups,
    *,
    margin: float,
    rng: Generator,
    alpha: float = 0.05,
    degraded: bool = False,
    draws: int = DRAWS,
) -> Comparison:
    """Judge the challenger on rows that both models scored out of time.

    superior: low > 0. non_inferior: low > -margin and point >= 0. worse: high < 0 and low <=
    -margin. equal: neither is shown, or both answer the same. undecided: too few rows or blocks to
    show anything.
    `degraded`: the champion is known to have failed and the rows are the weeks since; then only
    entities are drawn (one break is one time event: weeks cannot be told apart).

    Raises:
        ValueError: the two models' terms are of different metrics or rows.

    >>> from tamid.core.stats.metrics import terms
    >>> from tamid.core.values import Task
    >>> y = np.tile([0, 1], 200)
    >>> old = terms("f1", Task.BINARY, y, np.where(np.arange(400) % 5, y, 1 - y))
    >>> new = terms("f1", Task.BINARY, y, y)
    >>> compare(old, new, Groups(), margin=0.01, rng=np.random.default_rng(0)).finding.value
    'superior'
    """
    if champion.metric != challenger.metric or len(champion.rows) != len(challenger.rows):
        raise ValueError("champion and challenger must be measured by one metric on the same rows")
    counted = (champion.mass + challenger.mass > 0) | (champion.rows != 0).any(axis=1)
    sign = champion.metric.sign()
    old, new = champion.point(), challenger.point()
    point = sign * (new - old)
    plan = choose_blocks(
        sign * (influence(challenger) - influence(champion)), groups, entity_only=degraded
    )
    bounds = tuple(
        _bound(champion, challenger, blocks, point, alpha=alpha, rng=rng, draws=draws)
        for blocks in plan.blocks
    )
    low, high = min(b.low for b in bounds), max(b.high for b in bounds)
    enough = int(counted.sum()) >= MIN_MASS_ROWS and len(counted) >= MIN_ROWS
    finding = _finding(point, low, high, margin) if enough else Finding.UNDECIDED
    waiting = _weeks_missing(plan, groups, counted, alpha) if finding is Finding.UNDECIDED else None
    return Comparison(
        metric=champion.metric.name, champion=old, challenger=new,
        difference=Interval(point=point, low=low, high=high, level=1 - 2 * alpha),
        margin=margin, finding=finding, bounds=bounds, n=len(counted),
        blocks=min(b.blocks for b in bounds), degraded=degraded, decidable_after_weeks=waiting,
        message=_message(champion.metric.name, (old, new), (point, low, high), margin, finding,
                         bounds, waiting),
    )  # fmt: skip


def _bound(
    champion: Terms,
    challenger: Terms,
    blocks: Blocks,
    point: float,
    *,
    alpha: float,
    rng: Generator,
    draws: int,
) -> Bound:
    sign = champion.metric.sign()
    if blocks.count < FEW_BLOCKS:
        effects, shares = _block_effects(champion, challenger, blocks, point)
        low, high = sign_flip_bounds(effects, shares, rng, alpha)
        method = "sign flips"
    else:
        drawn = sign * bootstrap_difference(
            challenger, champion, blocks.codes, blocks.count, rng, draws
        )
        drawn = drawn[np.isfinite(drawn)]
        lost = 1.0 - len(drawn) / draws
        low, high = (
            (float(np.quantile(drawn, alpha)), float(np.quantile(drawn, 1 - alpha)))
            if lost <= _MAX_LOST_DRAWS
            else (-math.inf, math.inf)
        )
        method = "bootstrap"
    return Bound(unit=blocks.unit, blocks=blocks.count, method=method, low=low, high=high)


def _block_effects(
    champion: Terms, challenger: Terms, blocks: Blocks, point: float
) -> tuple[Floats, Floats]:
    """Split the difference over blocks: linearised parts that add up to the whole difference."""
    sign = champion.metric.sign()
    z = group_sums(sign * (influence(challenger) - influence(champion)), blocks.codes, blocks.count)
    shares = sum(
        group_sums(t.mass, blocks.codes, blocks.count) / (2.0 * max(float(t.mass.sum()), 1e-300))
        for t in (champion, challenger)
    )
    shares = np.asarray(shares, dtype=np.float64)
    return np.asarray(z + point * shares, dtype=np.float64), shares


def _finding(point: float, low: float, high: float, margin: float) -> Finding:
    if not math.isfinite(point) or not (math.isfinite(low) or math.isfinite(high)):
        return Finding.UNDECIDED
    if low > 0:
        return Finding.SUPERIOR
    if low == high == 0:  # the very same answers: nothing to gain by a change
        return Finding.EQUAL
    if high < 0 and low <= -margin:
        return Finding.WORSE
    return Finding.NON_INFERIOR if point >= 0 and low > -margin else Finding.EQUAL


def _weeks_missing(
    plan: BlockPlan, groups: Groups, counted: np.ndarray, alpha: float
) -> int | None:
    """Return how many further weeks bring enough blocks and enough rows, at the present rate."""
    if groups.week is None:
        return None
    weeks = codes_of(groups.week)[1]
    if weeks == 0:
        return blocks_needed(alpha)
    by_time = any(b.unit in (Unit.DAY, Unit.WEEK) for b in plan.blocks)
    needed = blocks_needed(alpha) if by_time else 1
    rate, mass_rate = len(counted) / weeks, float(counted.sum()) / weeks
    if mass_rate == 0:
        return None
    needed = max(needed, math.ceil(MIN_ROWS / rate), math.ceil(MIN_MASS_ROWS / mass_rate))
    return max(needed - weeks, 1)


def _message(
    name: str,
    points: tuple[float, float],
    difference: tuple[float, float, float],
    margin: float,
    finding: Finding,
    bounds: tuple[Bound, ...],
    waiting: int | None,
) -> str:
    drawn = " and ".join(f"{b.method} over {b.blocks} {_PLURAL[b.unit]}" for b in bounds)
    text = (
        f"{name} {_short(points[1])} against the champion's {_short(points[0])}, gain "
        f"{_short(difference[0], '+')} ({_short(difference[1], '+')} to "
        f"{_short(difference[2], '+')}; {drawn}), margin {margin:g}: {_SAYS[finding]}"
    )
    if waiting is None:
        return text
    return f"{text}; decidable in {waiting} more {'week' if waiting == 1 else 'weeks'}"


def _short(x: float, sign: str = "") -> str:
    return format(x, f"{sign}.3f" if abs(x) < 10 else f"{sign}.4g")


_PLURAL = {Unit.ROW: "rows", Unit.ENTITY: "entities", Unit.DAY: "days", Unit.WEEK: "weeks"}
_SAYS = {
    Finding.SUPERIOR: "shown to be better",
    Finding.NON_INFERIOR: "not worse than the margin allows, and no lower on the whole",
    Finding.EQUAL: "not distinguishable from the champion",
    Finding.WORSE: "shown to be worse",
    Finding.UNDECIDED: "too little evidence",
}
