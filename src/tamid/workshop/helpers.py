"""The small helper models of monitoring: trees, fitted in the controller's own process."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.core.learning.model import Learner


def helper_learner() -> Callable[[Task], Learner] | None:
    """Return what makes helper models by task; None where LightGBM is not installed.

    Then what needs a fit stays unmeasured, and estimates without labels are never grade A.
    """
    return _trees if find_spec("lightgbm") is not None else None


def _trees(task: Task) -> Learner:
    from tamid.adapters import lightgbm

    # Fits of a few thousand rows: its interface to scikit-learn would cost more than they do.
    lightgbm.begin_to_predict()
    return lightgbm.LightGBMLearner(task, classes=2, threads=1)
