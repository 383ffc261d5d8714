"""The ladder: which rung answers for a row when a better one cannot.

champion, then what the contract lists under `service.fallback` (previous, reduced, last_score,
rule, default, or abstain); what no rung can answer is *withheld*. `reduced` is the champion's
second model, which does without some columns: it answers also for rows that break the contract in
these alone. Whoever abstains gives no score and leaves the row to a person: it waits in the queue
of reviews. An answer that cannot be right (not a number, a chance outside 0..1) counts as none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from tamid.core.contract.model import Rung
from tamid.core.values import Task

CHAMPION = "champion"
PREVIOUS = "previous"
REDUCED = "reduced"
LAST_SCORE = "last_score"
RULE_RUNG = "rule"
DEFAULT = "default"
ABSTAIN = "abstain"
WITHHELD = "withheld"

# Rungs that run a model or code on the row itself: only for rows that keep the contract. To
# `reduced` a row keeps it that breaks it only in the columns that this model does without.
ON_ROWS = (CHAMPION, PREVIOUS, REDUCED, RULE_RUNG)

# Rungs whose score a model gives on the row itself.
BY_MODELS = (CHAMPION, PREVIOUS, REDUCED)

# Rungs whose score is a model's: it may be one that the contract leaves to a person.
OF_MODELS = (*BY_MODELS, LAST_SCORE)

# A calibrated chance may leave 0..1 by rounding; more than this is a broken model.
_ROUNDING = 1e-9

Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung to ask, with what it needs."""

    rung: str
    max_age: timedelta | None = None
    code: str | None = None
    value: float | None = None
    unsure: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The answers so far: `score` (n,), NaN where none; `place` (n,) of the step, -1 where none."""

    score: Scores
    place: npt.NDArray[np.int64]

    @property
    def open(self) -> Mask:
        """Rows that nobody has answered yet, (n,)."""
        return self.place < 0


def ladder(fallback: Sequence[Rung], first: str = CHAMPION) -> tuple[Step, ...]:
    """Return the steps in the order in which they are asked; `first` is moved to the front.

    A `first` that the contract does not list changes nothing.

    >>> [s.rung for s in ladder((Rung(kind="previous"), Rung(kind="default", value=0.2)))]
    ['champion', 'previous', 'default']
    >>> [s.rung for s in ladder((Rung(kind="previous"),), first="previous")]
    ['previous', 'champion']
    """
    below = [
        Step(rung=r.kind, max_age=r.max_age, code=r.code, value=r.value, unsure=r.unsure)
        for r in fallback
    ]
    steps = [Step(rung=CHAMPION), *below]
    return tuple(sorted(steps, key=lambda step: step.rung != first))


def unsure(steps: Sequence[Step]) -> tuple[float, float]:
    """Return from where to where a model's score is left to a person; endless apart for none.

    >>> unsure(ladder((Rung(kind="abstain", unsure=(0.4, 0.6)),)))
    (0.4, 0.6)
    >>> low, high = unsure(ladder((Rung(kind="abstain"),)))
    >>> any(low <= score <= high for score in (0.0, 0.5, 1.0))
    False
    """
    for step in steps:
        if step.rung == ABSTAIN and step.unsure is not None:
            return step.unsure[0], step.unsure[1]
    return float("inf"), float("-inf")


def leave(answers: Answers, place: int) -> Answers:
    """Return the answers after step `place` abstained for all rows that were open.

    >>> leave(nobody(1), 2).open.tolist(), leave(nobody(1), 2).score.tolist()
    ([False], [nan])
    """
    return replace(answers, place=np.where(answers.open, place, answers.place))


def nobody(rows: int) -> Answers:
    """Return the answers before anybody was asked."""
    return Answers(score=np.full(rows, np.nan), place=np.full(rows, -1, dtype=np.int64))


def usable(scores: Scores, task: Task) -> Mask:
    """Say which answers can be right, (n,): finite; a chance within 0..1; a class that exists."""
    finite: Mask = np.isfinite(scores)
    if task is Task.REGRESSION:
        return finite
    checked = np.where(finite, scores, -1.0)
    possible: Mask = (checked >= -_ROUNDING) & (checked <= 1 + _ROUNDING)
    if task is Task.MULTICLASS:
        possible = (checked >= 0) & (checked == np.floor(checked))
    return possible & finite


def fill(answers: Answers, place: int, asked: Mask, scores: Scores, task: Task) -> Answers:
    """Return the answers after step `place` gave `scores` (k,) for the k rows of `asked`.

    Laws: a row that has an answer keeps it; what is not usable stays open for the next step.

    >>> one = fill(nobody(2), 0, np.array([True, True]), np.array([0.3, np.nan]), Task.BINARY)
    >>> two = fill(one, 1, one.open, np.array([0.9]), Task.BINARY)
    >>> two.score.tolist(), two.place.tolist()
    ([0.3, 0.9], [0, 1])
    """
    right = usable(scores, task)
    rows = np.flatnonzero(asked)
    keep = right & (answers.place[rows] < 0)
    score, place_of = answers.score.copy(), answers.place.copy()
    given = np.clip(scores, 0.0, 1.0) if task is Task.BINARY else scores
    score[rows[keep]] = given[keep]
    place_of[rows[keep]] = place
    return replace(answers, score=score, place=place_of)
