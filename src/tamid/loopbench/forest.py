"""The streaming reference: River's adaptive random forest, which learns labels as they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tamid.core.errors import MissingExtra
from tamid.core.learning.model import Floats
from tamid.core.values import Task
from tamid.loopbench.world import World

# The size at which the literature reports it.
_TREES = 10
_SEED = 1


def forest_loss(world: World, stop: Callable[[], bool]) -> Floats | None:
    """Return its mean loss a week from the first served week on, at the loop's own label delay.

    Week t is answered by a forest that has learnt all labels that were in at its start, one by
    one. None if `stop` says so before the end. Source: Gomes et al. (2017), Machine Learning 106.

    Raises:
        MissingExtra: River is not installed.
    """
    forest = _forest(world)
    found: list[float] = []
    names = [f.name for f in world.features]
    learnt: set[int] = set()
    for week in range(world.warm_up, world.weeks):
        for known in world.matured(week):
            if int(known) not in learnt:
                learnt.add(int(known))
                _learn(forest, world, int(known), names)
        found.append(_answer(forest, world, week, names))
        if stop():
            return None
    return np.asarray(found)


def _forest(world: World) -> Any:
    try:
        from river import forest
    except ImportError as error:
        raise MissingExtra(
            "River is not installed", fix="pip install --group bench, or leave the row out"
        ) from error
    if world.task is Task.REGRESSION:
        return forest.ARFRegressor(n_models=_TREES, seed=_SEED)
    return forest.ARFClassifier(n_models=_TREES, seed=_SEED)


def _learn(forest: Any, world: World, week: int, names: list[str]) -> None:
    span = world.rows(week)
    for values, y in zip(world.values[span], world.told[span], strict=True):
        truth = float(y) if world.task is Task.REGRESSION else int(y)
        forest.learn_one(_row(names, values), truth)


def _answer(forest: Any, world: World, week: int, names: list[str]) -> float:
    span = world.rows(week)
    total = 0.0
    for values, y in zip(world.values[span], world.y[span], strict=True):
        said = forest.predict_one(_row(names, values))
        if world.task is Task.REGRESSION:
            total += abs(float(said or 0.0) - float(y)) / world.scale
        else:
            total += said != int(y)
    return float(total / max(span.stop - span.start, 1))


def _row(names: list[str], values: Floats) -> dict[str, float]:
    # The trees of River know no missing value.
    return dict(zip(names, np.nan_to_num(values, nan=-1.0).tolist(), strict=True))
