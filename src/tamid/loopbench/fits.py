"""Models and their answers, made when first asked for and kept by the digest of what went in.

Worlds that share their history up to an event share its fits: the key of a fit is the content of
the weeks that it learnt from, not the name of the world.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tamid.core.learning.model import FeatureTable, Floats, Ints, Learner, Model, Param
from tamid.core.learning.splits import DECAY, window_weights
from tamid.core.stats.threshold import best_for_f1
from tamid.core.values import Task
from tamid.core.windows import reach
from tamid.loopbench.world import World

# One setting for all sets.
PARAMS: dict[str, Param] = {"num_iterations": 60}
SEED = 1
# What a run of the product chooses among, and the grid as well.
WINDOWS = ("all", "long", "short", "decay")
# Enough rows to place a threshold to within a percent of the scores.
_ROWS_FOR_THRESHOLD = 3000
# The calibrated middle, where no better threshold can be had.
_MIDDLE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fitted:
    """A model with its key, the threshold for F1, what it cost and the importance of columns."""

    key: bytes
    model: Model
    threshold: float
    seconds: float
    importance: Floats


@dataclass(slots=True, kw_only=True, eq=False)
class Fits:
    """The bench's store of fits; not shared between processes.

    `clock` measures CPU seconds. `seconds` is the sum of all fits made, `made` their number.
    """

    learner: Learner
    clock: Callable[[], float]
    seconds: float = 0.0
    made: int = 0
    _models: dict[bytes, Fitted] = field(default_factory=dict)
    _answers: dict[tuple[bytes, bytes], NDArray[np.float32]] = field(default_factory=dict)
    _digests: dict[int, tuple[World, list[bytes], list[bytes]]] = field(default_factory=dict)

    def fitted(self, world: World, weeks: Sequence[int], weighed: str = "") -> Fitted:
        """Return the model that learns the told labels of these weeks, by age if so `weighed`."""
        taught, _ = self._known(world)
        content = b"".join([weighed.encode(), *(taught[w] for w in weeks)])
        key = hashlib.blake2b(content, digest_size=16).digest()
        if key not in self._models:
            self._models[key] = self._fit(world, weeks, weighed, key)
        return self._models[key]

    def answers(self, world: World, fitted: Fitted, week: int) -> Floats:
        """Return the model's scores of a week: (n,) chances or numbers, (n, k) chances."""
        _, seen = self._known(world)
        key = (fitted.key, seen[week])
        if key not in self._answers:
            found = fitted.model.predict(_table(world, _index(world, [week])))
            self._answers[key] = np.asarray(found, dtype=np.float32)
        return self._answers[key].astype(np.float64)

    def prepare(self, world: World, fitted: Fitted, weeks: Sequence[int]) -> None:
        """Answer all of these weeks in one call; a call a week costs more than its rows."""
        _, seen = self._known(world)
        missing = [w for w in weeks if (fitted.key, seen[w]) not in self._answers]
        if not missing:
            return
        found = np.asarray(
            fitted.model.predict(_table(world, _index(world, missing))), dtype=np.float32
        )
        ends = np.cumsum(np.diff(world.start)[np.asarray(missing)])[:-1]
        for week, part in zip(missing, np.split(found, ends), strict=True):
            self._answers[fitted.key, seen[week]] = part

    def forget(self) -> None:
        """Drop all that was kept, when a set is done."""
        self._models.clear()
        self._answers.clear()
        self._digests.clear()

    def _known(self, world: World) -> tuple[list[bytes], list[bytes]]:
        held = self._digests.get(id(world))
        if held is None:
            taught, seen = [], []
            for week in range(world.weeks):
                rows = world.rows(week)
                content = hashlib.blake2b(world.values[rows].tobytes(), digest_size=16)
                seen.append(content.digest())
                content.update(world.told[rows].tobytes())
                taught.append(content.digest())
            # The world is kept with its digests, so that its id is not given to another.
            held = self._digests[id(world)] = (world, taught, seen)
        return held[1], held[2]

    def _fit(self, world: World, weeks: Sequence[int], weighed: str, key: bytes) -> Fitted:
        rows = _index(world, weeks)
        table, y = _table(world, rows), world.told[rows]
        period = np.repeat(np.asarray(weeks), np.diff(world.start)[np.asarray(weeks)])
        none, one = np.zeros(len(rows), dtype=bool), np.ones(len(rows))
        weight = window_weights(weighed, period, none, one)
        begun = self.clock()
        model = self.learner.fit(table, y, weight, PARAMS, SEED)
        spent = self.clock() - begun
        self.seconds += spent
        self.made += 1
        threshold = _MIDDLE
        if world.task is Task.BINARY and 0 < y.mean() < 1:
            some = slice(max(len(rows) - _ROWS_FOR_THRESHOLD, 0), None)
            threshold = best_for_f1(y[some], model.predict(_table(world, rows[some]))).threshold
        return Fitted(
            key=key, model=model, threshold=threshold, seconds=spent, importance=model.importance()
        )


def spans(weeks: Ints, rows: Ints) -> dict[str, tuple[str, Ints]]:
    """Return how each window weighs and what it learns from, of the weeks that are known.

    `rows`: of each of these weeks. A window that would be as another is left out.

    >>> {n: (w, len(span)) for n, (w, span) in spans(np.arange(20), np.full(20, 900)).items()}
    {'all': ('', 20), 'short': ('', 8), 'decay': ('decay:13', 20)}
    """
    found = {WINDOWS[0]: ("", weeks)}
    for name, length in reach(rows.tolist()).items():
        if len(weeks) > length:
            whole = name == DECAY
            found[name] = (f"{DECAY}:{length}", weeks) if whole else ("", weeks[-length:])
    return found


def losses(world: World, answers: Floats, week: int, *, told: bool = False) -> Floats:
    """Return each row's loss: 0 or 1, or the absolute error as a share of the world's scale."""
    y = (world.told if told else world.y)[world.rows(week)]
    if world.task is Task.REGRESSION:
        return np.abs(answers - y) / world.scale
    called = answers.argmax(axis=1) if answers.ndim == 2 else answers >= _MIDDLE
    return np.asarray(called != y, dtype=np.float64)


def _index(world: World, weeks: Sequence[int]) -> Ints:
    parts = [np.arange(world.start[w], world.start[w + 1]) for w in weeks]
    return np.concatenate(parts).astype(np.int64)


def _table(world: World, rows: Ints) -> FeatureTable:
    values = world.values[rows]
    for j, feature in enumerate(world.features):
        if feature.kind == "category":
            # A word that the vocabulary lacks is missing, as the product's encoder has it.
            values[:, j] = np.where(values[:, j] < len(feature.categories), values[:, j], np.nan)
    return FeatureTable(features=world.features, values=values)
