"""From a world to the product's performance tensor, filled where a policy looks.

A cell that no decision reads need not be fitted. `courses` walks a policy over a tensor whose
later origins are empty, fills the origins that the policy trained at (and those that judge them),
and walks again until nothing new is asked for: a walk reads nothing later than its week, so its
past never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from tamid.core.learning.model import Floats, Ints
from tamid.core.policies.board import JUDGED, board
from tamid.core.policies.policy import ReplayPolicy
from tamid.core.policies.tensor import Tensor
from tamid.core.policies.walk import Walk, walk
from tamid.core.values import Task
from tamid.loopbench.fits import WINDOWS, Fits, Fitted, losses, spans
from tamid.loopbench.world import DEPLOY_LAG, World

# A week is cut into so many blocks in order of its rows (days, where there are seven).
_BLOCKS = 4
_TERMS = ("rows", "mass", "loss", "tp", "fp", "fn")

Stop = Callable[[], bool]


@dataclass(slots=True, kw_only=True, eq=False)
class Table:
    """A world's tensor in the making.

    `barred`: weeks that no model may learn from, with the week from which that holds (what was
    learnt before it was known stays learnt). `closed`: places of origins at which nothing may be
    trained. `last`: the week from which on nothing is looked at, `ended`: from which on there was
    no time to train (0: all weeks are).
    """

    world: World
    fits: Fits
    origins: Ints
    barred: dict[int, int] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    last: int = 0
    ended: int = 0
    _sums: Floats = field(init=False)
    _done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        weeks = self.world.weeks
        self.last, self.ended = self.last or weeks, self.ended or weeks
        self.close(min(self.last, self.ended), weeks)
        shape = (len(self.origins), len(WINDOWS), self.world.weeks, _BLOCKS, len(_TERMS))
        self._sums = np.zeros(shape)

    def fill(self, places: Iterable[int]) -> None:
        """Fit the models of these origins and score them on all later weeks."""
        for place in places:
            if place in self._done:
                continue
            self._done.add(place)
            known = self.known(place)
            for w, (weighed, span) in self._windows(known).items():
                fitted = self.fits.fitted(self.world, span.tolist(), weighed)
                later = range(int(known[-1]) + 1, self.last)
                self.fits.prepare(self.world, fitted, later)
                for week in later:
                    self._sums[place, w, week] = self._cell(fitted, week)

    def bar(self, weeks: Iterable[int], since: int) -> None:
        """Let no model of origin `since` or later learn from these weeks."""
        for week in weeks:
            self.barred.setdefault(week, since)

    def close(self, begin: int, end: int) -> None:
        """Forbid training in the weeks from `begin` to before `end`."""
        ahead = (self.origins >= begin) & (self.origins < end)
        self.closed |= {int(place) for place in np.flatnonzero(ahead)}

    def end(self, place: int) -> None:
        """Let no model of this origin or a later one be made: there is no time for them."""
        self.ended = min(self.ended, int(self.origins[place]))
        self.close(self.ended, self.world.weeks)

    def unfilled(self, place: int) -> list[int]:
        """Return what a run at this origin rests on and is not there yet: it, and its judges."""
        week = int(self.origins[place])
        recipe = int(np.searchsorted(self.origins, week - JUDGED, side="right")) - 1
        return [p for p in (place, max(recipe, 0)) if p not in self._done]

    def known(self, place: int) -> Ints:
        """Return the weeks whose labels a model of this origin learns from."""
        now = int(self.origins[place])
        weeks = self.world.matured(now)
        never = self.world.weeks
        kept = np.asarray(
            [w for w in weeks if self.barred.get(int(w), never) > now], dtype=np.int64
        )
        return kept if len(kept) else weeks

    def model(self, place: int, window: int) -> Fitted:
        """Return the model of an origin and window."""
        weighed, span = self._windows(self.known(place))[window]
        return self.fits.fitted(self.world, span.tolist(), weighed)

    def tensor(self) -> Tensor:
        """Return the tensor as far as it is filled."""
        begins = np.full((len(self.origins), len(WINDOWS)), -1, dtype=np.int64)
        for place in range(len(self.origins)):
            if place in self.closed:
                continue
            for w, (_, span) in self._windows(self.known(place)).items():
                begins[place, w] = int(span[0])
        regression = self.world.task is Task.REGRESSION
        return Tensor(
            metric="mae" if regression else "accuracy",
            higher_is_better=not regression,
            weeks=tuple(f"{t:04d}" for t in range(self.world.weeks)),
            windows=WINDOWS,
            origins=self.origins,
            begins=begins,
            terms=_TERMS,
            sums=self._sums,
            delay=int(self.world.lag.max()),
            lag=DEPLOY_LAG,
        )

    def _windows(self, known: Ints) -> dict[int, tuple[str, Ints]]:
        found = spans(known, np.diff(self.world.start)[known])
        return {w: found[name] for w, name in enumerate(WINDOWS) if name in found}

    def _cell(self, fitted: Fitted, week: int) -> Floats:
        answers = self.fits.answers(self.world, fitted, week)
        loss = losses(self.world, answers, week, told=True)
        parts = [np.ones(len(loss)), np.ones(len(loss)), loss]
        if self.world.task is Task.BINARY:
            y = self.world.told[self.world.rows(week)] == 1
            called = answers >= fitted.threshold
            parts += [y & called, ~y & called, y & ~called]
        else:
            parts += [np.zeros(len(loss))] * 3
        block = np.arange(len(loss)) * _BLOCKS // max(len(loss), 1)
        return np.stack(
            [np.bincount(block, weights=part, minlength=_BLOCKS) for part in parts], axis=1
        )


def course(table: Table, policy: ReplayPolicy, stop: Stop = lambda: False) -> Walk:
    """Walk a policy, filling what it asks for; from `stop` on nothing is trained."""
    table.fill([0])
    while True:
        walked = walk(board(table.tensor()), policy)
        place = next((run.origin for run in walked.runs if table.unfilled(run.origin)), None)
        if place is None:
            return walked
        if stop():
            table.end(place)
        else:
            table.fill(table.unfilled(place))


def fill_all(table: Table, stop: Stop, tell: Callable[[int, int], None]) -> int:
    """Fill every origin until `stop`; those left are closed. Return how many are there."""
    for place in range(len(table.origins)):
        if place > 1 and stop():
            table.closed |= set(range(place, len(table.origins)))
            return place
        table.fill([place])
        tell(place + 1, len(table.origins))
    return len(table.origins)


def origins_of(world: World, step: int) -> Ints:
    """Return every `step`-th week from the first in which a model goes live."""
    return np.arange(world.warm_up - DEPLOY_LAG, world.weeks - DEPLOY_LAG, step, dtype=np.int64)
