"""What a walk was worth, told afterwards with all labels: quality, regret, harm, false alarms.

Only here is looked ahead. A policy's quality is the metric over all weeks that it served, summed up
(not the mean of weekly values), from the first week that a model of the tensor could serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tamid.core.policies.board import Board, board
from tamid.core.policies.policy import QUALITY, ReplayPolicy, calendar, never
from tamid.core.policies.tensor import Tensor
from tamid.core.policies.walk import Run, Walk, tail, walk
from tamid.core.stats.arrays import Floats

# A promotion is looked at for so many weeks; beyond 1 point worse it did harm, below half a point
# better it was needless (points of a rate, hundredths of the reference for errors).
LOOKED_AT = 8
HARM, NEED = 0.01, 0.005
# The fixed policies that regret is taken against: trained every so many weeks, on each window.
CADENCES = (1, 4, 8, 13, 26)
_YEAR = 52.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Account:
    """One policy over the whole history.

    `quality` (T - first,): by week, NaN where a week has no truth. `overall`: over all weeks.
    `runs`, `releases`: how often was trained, and how often the new model was taken. `harmful`:
    releases worse than what they replaced; `needless`: runs whose model was no better;
    `false_alarms`: alarms of quality though, all labels known, the champion had not fallen by a
    point around that time. `regret`: 0 the best fixed
    policy in hindsight, 1 never training; NaN where these two are level.
    """

    walk: Walk
    quality: Floats
    overall: float
    runs: int
    releases: int
    harmful: int
    needless: int
    false_alarms: int
    years: float
    regret: float

    @property
    def name(self) -> str:
        """Return the policy's name."""
        return self.walk.policy.name

    def a_year(self, count: float) -> float:
        """Return a count per year of 52 weeks."""
        return count / self.years if self.years > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accounts:
    """Several policies over the same weeks, with the two that regret is measured between.

    `spread`: standard error of the difference between those two, over weeks; a regret means little
    where `best` is not better than `never` by two of them.
    """

    tables: Board
    accounts: tuple[Account, ...]
    best_fixed: str
    best: float
    never: float
    spread: float

    @property
    def telling(self) -> bool:
        """Say whether the best fixed policy is better than none beyond two standard errors."""
        sign = self.tables.tensor.sign
        return sign * (self.best - self.never) > 2 * self.spread

    def __getitem__(self, name: str) -> Account:
        """Return the account of a policy by name."""
        return next(a for a in self.accounts if a.name == name)


def compare(tensor: Tensor | Board, policies: Sequence[ReplayPolicy], since: int = 0) -> Accounts:
    """Walk policies over a tensor and settle their accounts, from the week `since` on.

    Raises:
        ValueError: a policy names a window that the tensor lacks.
    """
    tables = tensor if isinstance(tensor, Board) else board(tensor)
    walks = [walk(tables, policy) for policy in policies]
    return settle(tables, walks, since)


def fixed_policies(windows: Sequence[str]) -> tuple[ReplayPolicy, ...]:
    """Return the grid of fixed policies: each cadence on each window, without gates.

    >>> len(fixed_policies(("all", "short")))
    10
    """
    return tuple(
        calendar(f"every {weeks} w, {window}", weeks, window)
        for weeks in CADENCES
        for window in windows
    )


def settle(tables: Board, walks: Sequence[Walk], since: int = 0) -> Accounts:
    """Settle the accounts of walks over one tensor, from the week `since` on."""
    tensor = tables.tensor
    grid = {p.name: tail(walk(tables, p), since) for p in fixed_policies(tensor.windows)}
    totals = {name: overall(tables, one) for name, one in grid.items()}
    best = max(totals, key=lambda name: tensor.sign * totals[name])
    idle = tail(walk(tables, never()), since)
    floor = overall(tables, idle)
    later = _hindsight(tables)
    room = tensor.sign * (totals[best] - floor)
    return Accounts(
        tables=tables,
        accounts=tuple(
            _account(tables, tail(one, since), totals[best], room, later) for one in walks
        ),
        best_fixed=best,
        best=totals[best],
        never=floor,
        spread=_spread(tables, grid[best], idle),
    )


def quality(tables: Board, one: Walk) -> Floats:
    """Return the metric of what served, by week from the walk's first on."""
    return tables.tensor.measure.value(*_served(tables, one))


def overall(tables: Board, one: Walk) -> float:
    """Return the metric of what served, over all weeks together."""
    over, under = _served(tables, one)
    return float(tables.tensor.measure.value(over.sum(axis=0), under.sum(axis=0)))


def _served(tables: Board, one: Walk) -> tuple[Floats, Floats]:
    weeks = one.first + np.arange(len(one.origin))
    over, under = tables.week_parts
    return over[one.origin, one.window, weeks], under[one.origin, one.window, weeks]


def _spread(tables: Board, one: Walk, two: Walk) -> float:
    """Return the standard error of the difference of two walks, weeks drawn as blocks."""
    first, second = (tables.tensor.measure.influence(*_served(tables, w)) for w in (one, two))
    apart = np.nan_to_num(first - second)
    return float(np.sqrt((apart**2).sum()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Hindsight:
    """Quality (O, W, T), larger is better, over the weeks from t on, and from the last known on."""

    ahead: Floats
    around: Floats


def _hindsight(tables: Board) -> _Hindsight:
    delay = tables.tensor.delay
    return _Hindsight(ahead=_over(tables, 0, LOOKED_AT), around=_over(tables, -delay, LOOKED_AT))


def _over(tables: Board, start: int, end: int) -> Floats:
    """Return the quality of every model over the weeks t + start (included) to t + end."""
    tensor = tables.tensor
    weeks = np.arange(len(tensor.weeks))
    low, high = (np.clip(weeks + step, 0, len(weeks)) for step in (start, end))
    running = (
        np.concatenate([np.zeros_like(p[:, :, :1]), p.cumsum(axis=2)], axis=2)
        for p in tables.week_parts
    )
    return tensor.sign * tensor.measure.value(*(r[:, :, high] - r[:, :, low] for r in running))


def _account(tables: Board, one: Walk, best: float, room: float, later: _Hindsight) -> Account:
    tensor = tables.tensor
    value = overall(tables, one)
    gains = [(run, *_gained(tables, run, later)) for run in one.runs]
    return Account(
        walk=one,
        quality=quality(tables, one),
        overall=value,
        runs=len(one.runs),
        releases=one.releases,
        harmful=sum(run.live is not None and gain < -HARM * size for run, gain, size in gains),
        needless=sum(gain < NEED * size for _, gain, size in gains),
        false_alarms=sum(_false_alarm(tables, run, later) for run in one.runs),
        years=len(one.origin) / _YEAR,
        # Plus zero: the best policy itself must not have a regret of minus zero.
        regret=tensor.sign * (best - value) / room + 0.0 if room > 0 else float("nan"),
    )


def _gained(tables: Board, run: Run, later: _Hindsight) -> tuple[float, float]:
    """Return how much better the run's model was than the champion afterwards, and the scale."""
    start = min(run.week + tables.tensor.lag if run.live is None else run.live,
                len(tables.tensor.weeks) - 1)  # fmt: skip
    gain = later.ahead[run.origin, run.window, start] - later.ahead[*run.champion, start]
    scale = tables.scale[*run.champion, run.week]
    return float(gain), float(scale) if np.isfinite(scale) else 1.0


def _false_alarm(tables: Board, run: Run, later: _Hindsight) -> bool:
    """Say whether an alarm of quality was raised though the champion kept its promise."""
    if run.trigger != QUALITY:
        return False
    at = (*run.champion, run.week)
    fall = tables.tensor.sign * tables.reference[at] - later.around[at]
    return bool(fall < HARM * tables.scale[at])
