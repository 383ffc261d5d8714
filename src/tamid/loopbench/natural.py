"""Tier 1: the product's default policy against fixed cadences and windows, on history as it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamid.core.learning.model import Floats
from tamid.core.policies.board import board
from tamid.core.policies.policy import ReplayPolicy, calendar, never
from tamid.core.policies.walk import Walk, walk
from tamid.loopbench.fits import WINDOWS
from tamid.loopbench.service import Hindsight, Served, hindsight, served
from tamid.loopbench.tables import Table
from tamid.loopbench.world import WEEKS_A_YEAR

# The grid whose best member, known only in hindsight, is regret 0.
CADENCES = (1, 4, 8, 13, 26)
_ALL = "all"
# What a contract says that names no triggers.
_UNGROWN = "quality or age"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One policy on one set: mean loss a week, normalised regret (NaN if skipped), runs a year."""

    policy: str
    loss: float
    regret: float
    retrains: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Natural:
    """The default policy, the reference rows, and whether regret means anything on this set."""

    default: Row
    rows: tuple[Row, ...]
    best: str
    decidable: bool
    above_weekly: float
    hindsight: Hindsight
    course: Served


def natural(table: Table, policy: ReplayPolicy) -> Natural:
    """Walk the default policy and the grid over a filled table.

    NR = (E(policy) - E(best fixed)) / (E(never) - E(best fixed)); undecidable where never lies
    within two standard errors of the best.
    """
    tables = board(table.tensor())
    fixed = {
        f"{cadence}-weekly {window}": walk(tables, calendar(f"{cadence}", cadence, window))
        for cadence in CADENCES
        for window in WINDOWS
    }
    walks = {
        "never": walk(tables, never()),
        **fixed,
        _UNGROWN: walk(tables, ReplayPolicy(name=_UNGROWN)),
        "default": walk(tables, policy),
    }
    courses = {name: served(table, walked) for name, walked in walks.items()}
    means = {name: float(c.loss.mean()) for name, c in courses.items()}
    best = min(fixed, key=lambda name: means[name])
    span = means["never"] - means[best]
    doubt = _error(courses["never"].loss - courses[best].loss)
    decidable = span > 0 and span >= 2.0 * doubt

    def row(name: str) -> Row:
        regret = (means[name] - means[best]) / span if decidable else float("nan")
        return Row(policy=name, loss=means[name], regret=regret, retrains=_a_year(walks[name]))

    weekly, monthly = f"1-weekly {_ALL}", f"4-weekly {_ALL}"
    shown = dict.fromkeys(("never", weekly, monthly, best, _UNGROWN))
    return Natural(
        default=row("default"),
        rows=tuple(row(name) for name in shown),
        best=best,
        decidable=decidable,
        above_weekly=means["default"] - means[weekly],
        hindsight=hindsight(table, walks["default"]),
        course=courses["default"],
    )


def _a_year(walked: Walk) -> float:
    return len(walked.runs) / (len(walked.origin) / WEEKS_A_YEAR)


def _error(differences: Floats) -> float:
    """Return the standard error of the mean of weeks that hang together with their neighbours.

    Batches of four weeks; source: Law (2015), Simulation Modeling and Analysis, batch means.
    """
    batches = [b.mean() for b in np.array_split(differences, max(len(differences) // 4, 2))]
    return float(np.std(batches, ddof=1) / np.sqrt(len(batches)))
