"""One history as arrays: rows in weeks, what is true of them and what the labels say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tamid.core.learning.model import Feature, Floats, Ints
from tamid.core.values import Task

# Deployed one week after it was fitted.
DEPLOY_LAG = 1
# Weeks until a label is in: real time, and sets that are merely cut into chunks.
DELAY_TIME, DELAY_CHUNKS = 4, 2
# Weeks of history before the first model goes live; short sets have fewer to spare.
WARM_UP, WARM_UP_SHORT, SHORT_HISTORY = 30, 20, 80
WEEKS_A_YEAR = 52.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """Rows sorted by week. `y` is true, `told` what the labels say, `lag` when they say it.

    `values` is (n, f) float64: a category is the index of its word, NaN is missing. `start` holds
    T + 1 offsets: week t is the rows start[t] to start[t + 1]. `lag[t]` is in weeks: the labels of
    week t may be used from week t + lag[t] + 1 on. `scale` turns a regression's error into a share
    of the error of always answering the median; 1 otherwise.
    """

    name: str
    task: Task
    classes: int
    features: tuple[Feature, ...]
    values: Floats
    y: Floats
    told: Floats
    start: Ints
    lag: Ints
    delay: int
    warm_up: int
    scale: float = 1.0

    @property
    def weeks(self) -> int:
        """Return the number of weeks."""
        return len(self.start) - 1

    def rows(self, week: int) -> slice:
        """Return the rows of a week."""
        return slice(int(self.start[week]), int(self.start[week + 1]))

    def matured(self, now: int) -> Ints:
        """Return the weeks whose labels may be used at the check of week `now`.

        >>> import numpy as np
        >>> w = blank(weeks=6, delay=2)
        >>> w.matured(4).tolist()
        [0, 1]
        """
        weeks = np.arange(min(now, self.weeks))
        return weeks[weeks + self.lag[: len(weeks)] + 1 <= now]


def blank(*, weeks: int, delay: int) -> World:
    """Return a world of one row a week and no meaning, for examples and tests."""
    return World(
        name="blank", task=Task.BINARY, classes=2, features=(Feature(name="x"),),
        values=np.zeros((weeks, 1)), y=np.zeros(weeks), told=np.zeros(weeks),
        start=np.arange(weeks + 1), lag=np.full(weeks, delay), delay=delay, warm_up=0,
    )  # fmt: skip


def thinned(world: World, most: int, rng: np.random.Generator) -> World:
    """Return the world with at most `most` rows a week, drawn at random, order kept."""
    keep: list[Ints] = []
    sizes = [0]
    for week in range(world.weeks):
        span = world.rows(week)
        rows = np.arange(span.start, span.stop)
        if len(rows) > most:
            rows = np.sort(rng.choice(rows, size=most, replace=False))
        keep.append(rows)
        sizes.append(sizes[-1] + len(rows))
    return taken(world, np.concatenate(keep), np.asarray(sizes))


def weeks_permuted(world: World, rng: np.random.Generator) -> World:
    """Return the world with whole weeks in random order: every alarm on it is false."""
    order = rng.permutation(world.weeks)
    rows = np.concatenate([np.arange(world.start[w], world.start[w + 1]) for w in order])
    start = np.concatenate([[0], np.cumsum(np.diff(world.start)[order])])
    return replace(taken(world, rows, start), name=f"{world.name}~weeks")


def rows_permuted(world: World, rng: np.random.Generator) -> World:
    """Return the world with all rows in random order: stationary, each week like each other."""
    rows = rng.permutation(len(world.y))
    return replace(taken(world, rows, world.start), name=f"{world.name}~rows")


def taken(world: World, rows: Ints, start: Ints) -> World:
    """Return the world made of these rows, cut into weeks at `start`."""
    return replace(
        world, values=world.values[rows], y=world.y[rows], told=world.told[rows], start=start
    )
