"""Which rows belong together: the smallest unit whose paired differences do not hang together.

Rows of one day, one entity or one week may depend on each other; a test that takes them for
independent finds differences that are not there. The unit is chosen on the data:

- without time: entities (or rows, where every entity has one);
- with time, entities seen once: days, or weeks where neighbouring days still hang together;
- a panel (entities come back week after week): entities *and* the time unit; both are
  computed and the wider bound decides.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Bools, Floats, Ints, codes_of, group_sums

# Neighbouring units count as uncorrelated up to here (and up to a one-sided 20 % test).
_MAX_AUTOCORRELATION = 0.1
_Z_DOUBT = 0.84
# With fewer days than this their autocorrelation cannot be judged: take the week.
_MIN_DAYS = 10
# A panel: at least this share of the rows belongs to entities seen in more than one period.
_PANEL_SHARE = 0.1


class Unit(enum.StrEnum):
    """What is drawn as a whole."""

    ROW = "row"
    ENTITY = "entity"
    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Which entity, day and week each row belongs to; None where the data has no such thing.

    `day` and `week` are numbers that grow with time (ordinals); `entity` is any code.
    """

    entity: Ints | None = None
    day: Ints | None = None
    week: Ints | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """Rows numbered by the block they belong to."""

    unit: Unit
    codes: Ints
    count: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockPlan:
    """The units to draw (with two, the wider bound decides) and why these."""

    blocks: tuple[Blocks, ...]
    panel: bool
    autocorrelation: float | None
    entity_effect: float
    reason: str


def choose_blocks(influence: Floats, groups: Groups, *, entity_only: bool = False) -> BlockPlan:
    """Choose the units in which the paired difference is drawn.

    `influence` is each row's contribution to the difference. `entity_only` leaves time out: for
    the few weeks after a confirmed break, which no test over weeks could judge.
    The plan reports the autocorrelation of the time unit and the design effect of entities.

    >>> plan = choose_blocks(np.array([0.1, -0.1]), Groups(entity=np.array([7, 8])))
    >>> [b.unit.value for b in plan.blocks]
    ['row']
    """
    entity = _entity_blocks(groups, len(influence))
    effect = design_effect(influence, entity.codes, entity.count)
    if entity_only or (groups.day is None and groups.week is None):
        why = "judged by entity only" if entity_only else "no time column"
        return BlockPlan(
            blocks=(entity,), panel=False, autocorrelation=None, entity_effect=effect, reason=why
        )
    time, correlation, reason = _time_blocks(influence, groups)
    panel = entity.unit is Unit.ENTITY and _returning_share(entity.codes, time.codes) > _PANEL_SHARE
    if panel:
        reason += "; entities come back, so both are drawn and the wider bound decides"
    return BlockPlan(
        blocks=(entity, time) if panel else (time,),
        panel=panel, autocorrelation=correlation, entity_effect=effect, reason=reason,
    )  # fmt: skip


def autocorrelation(sums: Floats) -> Floats:
    """Return the lag-1 autocorrelation (last axis), its small-sample bias of -1/n taken away.

    Formula: r = sum (x_t - m)(x_{t+1} - m) / sum (x_t - m)^2, plus 1/n; 0 where nothing moves.
    Source: Kendall (1954), Biometrika 41 (the bias).

    >>> float(autocorrelation(np.array([1.0, -1.0, 1.0, -1.0])))
    -0.5
    """
    n = sums.shape[-1]
    if n == 0:
        return np.zeros(sums.shape[:-1])
    x = sums - sums.mean(axis=-1, keepdims=True)
    power, products = (x**2).sum(axis=-1), (x[..., 1:] * x[..., :-1]).sum(axis=-1)
    moves = power > 0
    found = np.divide(products, power, out=np.zeros(np.shape(power)), where=moves)
    return np.where(moves, found + 1.0 / n, 0.0)


def hang_together(sums: Floats) -> Bools:
    """Say of units in order of time (last axis) whether each depends on the one before it.

    Too few to tell do so: what is not shown to be independent is drawn as a whole.

    >>> bool(hang_together(np.arange(20.0))), bool(hang_together(np.tile([1.0, -1.0], 10)))
    (True, False)
    """
    n = sums.shape[-1]
    if n < _MIN_DAYS:
        return np.ones(sums.shape[:-1], dtype=bool)
    return np.asarray(autocorrelation(sums) > _limit(n))


def design_effect(influence: Floats, codes: Ints, count: int) -> float:
    """Return how many times the variance grows because rows of one unit hang together.

    Formula: sum_u (sum_{i in u} z_i)^2 / sum_i z_i^2; 1 for independent rows.
    Source: Kish (1965), Survey Sampling; Moulton (1986), J. of Econometrics 32.

    >>> design_effect(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]), 2)
    2.0
    """
    total = float(influence @ influence)
    sums = group_sums(influence, codes, count)
    return float(sums @ sums) / total if total > 0 else 1.0


def _entity_blocks(groups: Groups, n: int) -> Blocks:
    if groups.entity is not None:
        codes, count = codes_of(groups.entity)
        if count < n:
            return Blocks(unit=Unit.ENTITY, codes=codes, count=count)
    return Blocks(unit=Unit.ROW, codes=np.arange(n, dtype=np.int64), count=n)


def _time_blocks(influence: Floats, groups: Groups) -> tuple[Blocks, float, str]:
    weeks = None if groups.week is None else _blocks(Unit.WEEK, groups.week)
    if groups.day is not None:
        days = _blocks(Unit.DAY, groups.day)
        if weeks is None or days.count > weeks.count:
            sums = group_sums(influence, days.codes, days.count)
            r, limit = float(autocorrelation(sums)), _limit(days.count)
            if weeks is None:
                return days, r, f"days, neighbours correlated {r:+.2f}; there are no weeks"
            if not hang_together(sums):
                return days, r, f"days: neighbours are correlated {r:+.2f}, at most {limit:.2f}"
            doubt = f"{days.count} days" if days.count < _MIN_DAYS else f"correlated {r:+.2f}"
            return weeks, r, f"weeks, because days cannot stand alone ({doubt})"
    assert weeks is not None
    r = float(autocorrelation(group_sums(influence, weeks.codes, weeks.count)))
    return weeks, r, f"weeks: neighbours are correlated {r:+.2f}"


def _limit(count: int) -> float:
    return max(_MAX_AUTOCORRELATION, _Z_DOUBT / math.sqrt(count))


def _blocks(unit: Unit, values: Ints) -> Blocks:
    codes, count = codes_of(values)
    return Blocks(unit=unit, codes=codes, count=count)


def _returning_share(entity: Ints, period: Ints) -> float:
    """Return the share of rows whose entity occurs in more than one period."""
    if len(entity) == 0:
        return 0.0
    pairs = np.unique(entity * (int(period.max(initial=0)) + 1) + period)
    seen = np.bincount(pairs // (int(period.max(initial=0)) + 1), minlength=int(entity.max()) + 1)
    return float((seen[entity] > 1).mean())
