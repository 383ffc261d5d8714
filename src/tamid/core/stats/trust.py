"""How far an estimate without labels may be trusted: grades A, B and C, each with its reasons.

A grade is about the estimator in this week, not about the model. Nothing may be triggered or
blocked on an estimate of grade C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats, floats, same_length

Grade = Literal["A", "B", "C"]

# Estimates that have met their truth before skill is believed, for and against.
FEWEST_WEEKS = 8
# A classifier that tells this week's rows from the reference's better than this: few rows in
# common (.9), or none to learn a chance from (.95). Measured: .85 to .999 on eight of ten sets.
FOREIGN, ALIEN = 0.9, 0.95
# Share of rows with a value that the reference never had, above which chances are extrapolated.
OUTSIDE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A grade, the word for it and why it is not better (for A: why it is A)."""

    grade: Grade
    word: Literal["verified", "unverified", "blind"]
    reasons: tuple[str, ...]


def skill(estimates: ArrayLike, realised: ArrayLike, baseline: ArrayLike) -> float:
    """Return by what share estimates were nearer to the truth than assuming the recent past.

    Formula: 1 - MAE(estimate) / MAE(mean of the 4 latest matured periods, as known then); above 0
    the estimate is worth its name. NaN without periods; a baseline that is never wrong is only
    equalled (0) or missed (minus infinity). Source: skill score, Murphy (1988), Monthly Weather
    Review 116.

    >>> skill([0.7, 0.6], [0.7, 0.5], [0.8, 0.8])
    0.75
    """
    e, r, b = floats(estimates, "estimates"), floats(realised, "realised"), floats(baseline, "b")
    if not same_length(estimates=e, realised=r, baseline=b):
        return math.nan
    mine, theirs = float(np.abs(e - r).mean()), float(np.abs(b - r).mean())
    if theirs == 0:
        return 0.0 if mine == 0 else -math.inf
    return round(1 - mine / theirs, 12)


def outside_share(reference: Floats, now: Floats, category: Bools) -> float:
    """Return the share of rows with a value that the reference never had, beyond what chance gives.

    `reference` (n, f), `now` (m, f), NaN where missing; `category` (f,): True where numbers are
    codes of words. Outside is a number beyond the least or the largest, a word never seen, a gap
    where there was none. Formula: share - 2 q / (n + 1) for q columns of numbers, since of n + 1
    exchangeable numbers the newest is an extreme with chance 2 / (n + 1). NaN without rows.
    Source: order statistics, David and Nagaraja (2003).

    >>> outside_share(np.array([[1.0], [2.0], [3.0]] * 100), np.array([[2.0], [9.0]]),
    ...               np.array([False])).__round__(2)
    0.49
    """
    if not len(reference) or not len(now):
        return math.nan
    gone = np.isnan(reference)
    low = np.where(gone, np.inf, reference).min(axis=0)
    high = np.where(gone, -np.inf, reference).max(axis=0)
    strange = np.where(np.isnan(now), ~gone.any(axis=0), (now < low) | (now > high))
    for column in np.flatnonzero(category):
        known = np.isin(now[:, column], reference[:, column])
        strange[:, column] = np.where(np.isnan(now[:, column]), strange[:, column], ~known)
    numbers = int((~category).sum())
    by_chance = 2 * numbers / (len(reference) + 1)
    return max(float(strange.any(axis=1).mean()) - by_chance, 0.0)


def trust(
    *,
    weeks: int,
    skill: float = math.nan,
    domain_auc: float = math.nan,
    outside: float = math.nan,
    bug_open: bool = False,
) -> Trust:
    """Grade an estimate.

    `weeks`: matured periods on which `skill` rests; `domain_auc`: how well a classifier tells this
    week from the reference; `outside`: share of rows outside the reference's range or categories;
    `bug_open`: a suspected data bug is not settled. NaN: not measured, which never makes an A.

    >>> trust(weeks=12, skill=0.4, domain_auc=0.7, outside=0.0).grade
    'A'
    >>> trust(weeks=3, domain_auc=0.97).reasons
    ('rows of this week and of the reference are told apart with AUC 0.97, above 0.95',)
    """
    blind = _blind(weeks, skill, domain_auc, outside, bug_open=bug_open)
    if blind:
        return Trust(grade="C", word="blind", reasons=blind)
    open_ = _unverified(weeks, skill, domain_auc, outside)
    if open_:
        return Trust(grade="B", word="unverified", reasons=open_)
    proof = f"on {weeks} matured periods {skill:.0%} nearer than the mean of the last four"
    return Trust(grade="A", word="verified", reasons=(proof,))


def blind_sentence(first_truth: str) -> str:
    """Return what is said in place of an estimate of grade C.

    >>> blind_sentence("2026-03-01")
    'We cannot estimate performance this week; first real number on 2026-03-01.'
    """
    return f"We cannot estimate performance this week; first real number on {first_truth}."


def _blind(
    weeks: int, skill: float, domain_auc: float, outside: float, *, bug_open: bool
) -> tuple[str, ...]:
    found = []
    if weeks >= FEWEST_WEEKS and not math.isnan(skill) and skill <= 0:
        found.append(
            f"on {weeks} matured periods the estimate was no nearer than the mean of the last four"
        )
    if domain_auc > ALIEN:
        found.append(f"{_apart(domain_auc)}, above {ALIEN:g}")
    if outside > OUTSIDE:
        share = f"{outside:.0%} of the rows have values that the reference never had"
        found.append(f"{share}, above {OUTSIDE:.0%}")
    if bug_open:
        found.append("a suspected data bug is not settled")
    return tuple(found)


def _unverified(weeks: int, skill: float, domain_auc: float, outside: float) -> tuple[str, ...]:
    found = []
    if weeks < FEWEST_WEEKS or math.isnan(skill):
        found.append(f"{weeks} of {FEWEST_WEEKS} estimates have met their truth")
    if math.isnan(domain_auc):
        found.append("how far this week's rows are from the reference was not measured")
    elif domain_auc > FOREIGN:
        found.append(f"{_apart(domain_auc)}, above {FOREIGN:g}")
    if math.isnan(outside):
        found.append("values outside the reference were not counted")
    return tuple(found)


def _apart(domain_auc: float) -> str:
    return f"rows of this week and of the reference are told apart with AUC {domain_auc:.2f}"
