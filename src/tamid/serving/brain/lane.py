"""The shortest way to the first rung's answer: a compiled version that is well, and plain rows."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any

from tamid.core.compiled.lane import Laid, Rule
from tamid.core.ladder import unsure
from tamid.core.values import Task
from tamid.ports import LanedModel, RowForm, RowLane, RowModel
from tamid.serving.brain.breaker import Breaker
from tamid.serving.values import Answer, Served

# A calibrated chance may leave 0..1 by rounding; more than this is a broken model.
_ROUNDING = 1e-9


class QuickLane:
    """Scores rows as tuples in the order of the inputs; see :class:`tamid.serving.seams.Lane`.

    What an answer says beside its score depends on between which of a few cuts the score lies, so
    that it is made once for each such place.
    """

    def __init__(
        self, rows: RowLane, whole: RowLane, served: Served, breaker: Breaker, cuts: list[float],
        like: Callable[[float], Answer],
    ) -> None:  # fmt: skip
        """Stand before a model's own lanes; to `whole` a value that did not come is not plain."""
        self._score, self._scores, self._breaker = rows.score, rows.scores, breaker
        self._form = whole.form
        self._cuts = sorted(cuts)
        chance = served.task is Task.BINARY
        self._least = -_ROUNDING if chance else float("-inf")
        self._most = 1 + _ROUNDING if chance else float("inf")
        self._chance = chance
        self._low, self._high = unsure(served.steps)
        first = self._cuts[0] - 1 if self._cuts else 0.0
        self.kinds = tuple(like(cut) for cut in (first, *self._cuts))
        self.kind: Callable[[float], int] = partial(bisect_right, self._cuts)
        self.whole = self._quickest(whole.score)

    def score(self, values: tuple[Any, ...]) -> float | None:
        """Return a usable score; None: the ordinary road."""
        if self._breaker.failing:
            return None
        return self._usable(self._score(values))

    def scores(self, rows: list[tuple[Any, ...]]) -> list[float] | None:
        """Return the usable score of each; None if one of them must take the ordinary road."""
        if self._breaker.failing:
            return None
        found = []
        for score in self._scores(rows):
            usable = self._usable(score)
            if usable is None:
                return None
            found.append(usable)
        return found

    def _quickest(
        self, score_of: Callable[[tuple[Any, ...]], float | None]
    ) -> Callable[[tuple[Any, ...]], float | None]:
        """Return :meth:`score` as one function, to which a score that has to be cut is none."""
        breaker, (least, most), low, high = self._breaker, self._plain(), self._low, self._high

        def whole(values: tuple[Any, ...]) -> float | None:
            if breaker.failing:
                return None
            score = score_of(values)
            if score is None or not least <= score <= most or low <= score <= high:
                return None
            return score

        return whole

    def form(self, laid: Laid) -> RowForm | None:
        """Return a form whose scores are usable; None where the model reads no bytes."""
        made = self._form(laid)
        if made is None:
            return None
        return _UsableForm(made, self._breaker, self._plain(), (self._low, self._high))

    def _plain(self) -> tuple[float, float]:
        """Return the least and the largest score that need not be looked at again."""
        return (0.0, 1.0) if self._chance else (-sys.float_info.max, sys.float_info.max)

    def _usable(self, score: float | None) -> float | None:
        if score is None or not self._least <= score <= self._most or score - score != 0:
            return None
        if self._low <= score <= self._high:  # a person decides
            return None
        if self._chance and not 0.0 <= score <= 1.0:
            return min(max(score, 0.0), 1.0)
        return score


class _UsableForm:
    """A form to which a score that has to be cut, or decided by a person, is none."""

    __slots__ = ("_breaker", "_high", "_least", "_low", "_most", "_score", "read")

    def __init__(
        self,
        form: RowForm,
        breaker: Breaker,
        plain: tuple[float, float],
        unsure: tuple[float, float],
    ) -> None:
        self.read, self._score, self._breaker = form.read, form.score, breaker
        (self._least, self._most), (self._low, self._high) = plain, unsure

    def score(self) -> float | None:
        """Return a usable score; None: the ordinary road."""
        if self._breaker.failing:
            return None
        score = self._score()
        if score is None or not self._least <= score <= self._most:
            return None
        return None if self._low <= score <= self._high else score


def row_lane(model: RowModel, served: Served, unset: Any) -> RowLane | None:
    """Return a model's own lane under what the contract says of the inputs; None: it has none."""
    if not isinstance(model, LanedModel):
        return None
    rules = [
        Rule(
            name=i.name,
            kind=i.kind,
            nullable=i.nullable or i.name == served.time,
            low=i.min,
            high=i.max,
            allowed=i.allowed,
        )
        for i in served.inputs
    ]
    return model.lane(rules, unset)
