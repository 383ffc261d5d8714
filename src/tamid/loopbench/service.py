"""What a walk did to those who were served: true loss and F1 of every week, judged in hindsight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamid.core.learning.model import Floats
from tamid.core.policies.walk import Walk
from tamid.core.values import Task
from tamid.loopbench.fits import Fitted, losses
from tamid.loopbench.tables import Table
from tamid.loopbench.world import WEEKS_A_YEAR, World

# A promotion is looked back at over so many weeks.
LOOK_BACK = 8
# Worse by more than this harms; better by less was not needed.
_HARM, _NEED = 0.01, 0.005
_SURE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """Week by week from `first`: mean true loss, its standard error and F1 (NaN unless binary)."""

    first: int
    loss: Floats
    error: Floats
    f1: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """Runs of a walk, looked back at: `harmful_sure` are harmful beyond two standard errors."""

    years: float
    runs: int
    promoted: int
    harmful: int
    harmful_sure: int
    needless: int


def served(table: Table, walked: Walk) -> Served:
    """Return what the walk's models did in the weeks that they served, held against the truth."""
    weeks = range(walked.first, table.last)
    rows = []
    for place, week in enumerate(weeks):
        fitted = table.model(int(walked.origin[place]), int(walked.window[place]))
        rows.append(_week(table, fitted, week))
    loss, error, f1 = np.asarray(rows).T
    return Served(first=walked.first, loss=loss, error=error, f1=f1)


def hindsight(table: Table, walked: Walk, since: int = 0) -> Hindsight:
    """Look back at every run from week `since` on: did what it changed help or harm?

    A run that ended without a release changed nothing and was needless.
    """
    promoted = harmful = sure = needless = 0
    runs = [run for run in walked.runs if run.week >= since]
    for run in runs:
        if run.live is None:
            needless += 1
            continue
        promoted += 1
        gain, error = _gain(table, (run.origin, run.window), run.champion, run.live)
        harmful += gain < -_HARM
        sure += gain < -max(_HARM, _SURE * error)
        needless += not gain > _NEED
    years = (table.last - max(walked.first, since)) / WEEKS_A_YEAR
    return Hindsight(
        years=years, runs=len(runs), promoted=promoted, harmful=harmful, harmful_sure=sure,
        needless=needless,
    )  # fmt: skip


def _gain(
    table: Table, new: tuple[int, int], old: tuple[int, int], live: int
) -> tuple[float, float]:
    """Return by how much the new model's true loss is below the old one's, and the error of it."""
    differences = [
        _loss(table, table.model(*old), week) - _loss(table, table.model(*new), week)
        for week in range(live, min(live + LOOK_BACK, table.last))
    ]
    if not differences:
        return 0.0, 0.0
    rows = np.concatenate(differences)
    return float(rows.mean()), float(rows.std() / max(len(rows), 1) ** 0.5)


def _loss(table: Table, fitted: Fitted, week: int) -> Floats:
    return losses(table.world, table.fits.answers(table.world, fitted, week), week)


def _week(table: Table, fitted: Fitted, week: int) -> tuple[float, float, float]:
    world = table.world
    answers = table.fits.answers(world, fitted, week)
    loss = losses(world, answers, week)
    error = float(loss.std()) / max(len(loss), 1) ** 0.5
    return float(loss.mean()), error, _f1(world, fitted, answers, week)


def _f1(world: World, fitted: Fitted, answers: Floats, week: int) -> float:
    if world.task is not Task.BINARY:
        return float("nan")
    y, called = world.y[world.rows(week)] == 1, answers >= fitted.threshold
    whole = float(y.sum() + called.sum())
    return 2.0 * float((y & called).sum()) / whole if whole > 0 else float("nan")
