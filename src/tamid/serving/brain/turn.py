"""One turn: the champion of a moment and the ladder below it, for requests that begin with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tamid.core.errors import TamidError, WorkerDied
from tamid.core.ladder import DEFAULT, LAST_SCORE, ON_ROWS, WITHHELD, Step
from tamid.core.values import Task
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.desk import Busy, Desk, Outcome, Restarting
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.lane import QuickLane, row_lane
from tamid.serving.seams import LastScores
from tamid.serving.values import Answer, Request, Row, Served

# Of the time that is left, the share a model gets while another that must compute stands below.
_SHARE = 0.6
# Seconds kept for the rungs that only look something up, and for writing the answer.
_MARGIN = 0.001
# What further rows of one request may take: the contract's time is that of one row.
_FREE_ROWS, _PER_ROW = 32, 0.0005
# A calibrated chance may leave 0..1 by rounding; more than this is a broken model.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A rung that computes: its desk, its breaker, its version (0: no model) and threshold."""

    number: int
    desk: Desk | Inline
    breaker: Breaker
    threshold: float | None = None
    edges: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True, eq=False)
class Ladder:
    """A turn that answers; see :class:`tamid.serving.seams.Turn` for its laws.

    `voices`: by rung. `lasts`: where last scores stand. `reason`: why the first rung is not the
    champion, "" if it is. `deadline`: seconds, instead of the contract's.
    """

    served: Served
    voices: Mapping[str, Voice]
    lasts: LastScores
    reason: str = ""
    deadline: float | None = None
    wall: Callable[[], float] = time.time
    retired: bool = False
    in_flight: int = 0
    on_idle: Callable[[], None] = field(default=lambda: None)

    def now(self, row: Row, name: str) -> Answer | None:
        """Answer at once if the first rung is compiled and well; None: take the ordinary road."""
        voice = self.voices.get(self.served.steps[0].rung)
        if voice is None or row.broken or not isinstance(voice.desk, Inline):
            return None
        model = voice.desk.quick
        if model is None or voice.breaker.state != "closed":
            return None
        try:
            score = model.score(row.values)
        except Exception:  # the ordinary road meets it again, and tells of it
            return None
        if not usable(score, self.served):
            return None
        binary = self.served.task is Task.BINARY
        score = min(max(score, 0.0), 1.0) if binary else score
        # As in `_given`, without its detours: this is the hot road.
        return Answer(
            id=name,
            score=score,
            version=voice.number,
            rung=self.served.steps[0].rung,
            reason=self.reason,
            decision=int(score >= voice.threshold) if voice.threshold is not None else None,
            band=_band(score, voice.edges),
        )

    def lane(self, unset: Any) -> QuickLane | None:
        """Return the shortest way to the first rung; None where it has none."""
        first = self.served.steps[0].rung
        voice = self.voices.get(first)
        model = voice.desk.quick if voice is not None and isinstance(voice.desk, Inline) else None
        rows = row_lane(model, self.served, unset) if model is not None else None
        if voice is None or rows is None:
            return None
        known, threshold, edges = voice.number, voice.threshold, voice.edges
        cuts = [least for _, least in edges] + ([] if threshold is None else [threshold])

        def like(score: float) -> Answer:
            decision = None if threshold is None else int(score >= threshold)
            return Answer(
                id="", score=score, version=known, rung=first, reason=self.reason,
                decision=decision, band=_band(score, edges),
            )  # fmt: skip

        return QuickLane(rows, self.served, voice.breaker, cuts, like)

    async def answers(self, request: Request) -> Sequence[Answer]:
        """Return an answer for each row, in order, within the deadline; it never raises."""
        self.in_flight += 1
        try:
            return await self._climb(request)
        finally:
            self.in_flight -= 1
            if self.retired and not self.in_flight:
                self.on_idle()

    async def _climb(self, request: Request) -> Sequence[Answer]:
        rows = request.rows
        late = max(0, len(rows) - _FREE_ROWS) * _PER_ROW
        end = request.arrived + (self.deadline or self.served.deadline) + late
        found: list[Answer | None] = [None] * len(rows)
        why = [self.reason] * len(rows)
        for place, step in enumerate(self.served.steps):
            asked = [i for i, answer in enumerate(found) if answer is None]
            if step.rung in ON_ROWS:
                for i in asked:
                    why[i] = why[i] or rows[i].broken
                asked = [i for i in asked if not rows[i].broken]
            if not asked:
                continue
            below = any(s.rung in ON_ROWS for s in self.served.steps[place + 1 :])
            outcomes = await self._heard(step, [rows[i] for i in asked], request, end, below)
            for i, outcome in zip(asked, outcomes, strict=True):
                if isinstance(outcome, Answer):
                    found[i] = _named(outcome, request.ids[i], why[i])
                elif outcome:
                    why[i] = f"{why[i]}, {outcome}" if why[i] else outcome
        return [
            answer or Answer(id=name, score=None, version=0, rung=WITHHELD, reason=reason)
            for answer, name, reason in zip(found, request.ids, why, strict=True)
        ]

    async def _heard(
        self, step: Step, rows: Sequence[Row], request: Request, end: float, below: bool
    ) -> Sequence[Answer | str]:
        """Return for each row an answer without a name, or why this rung has none."""
        try:
            if step.rung == DEFAULT:
                return [self._given(step.rung, step.value, 0) for _ in rows]
            if step.rung == LAST_SCORE:
                return [self._last(step, row) for row in rows]
            voice = self.voices.get(step.rung)
            if voice is None:
                return [f"{step.rung}: not loaded"] * len(rows)
            left = end - time.monotonic() - _MARGIN
            outcomes = await _asked(voice, rows, request, left * _SHARE if below else left)
            judged = [self._judged(step.rung, voice, outcome) for outcome in outcomes]
            # An answer that cannot be right is a failure like any other.
            right = all(isinstance(answer, Answer) for answer in judged)
            voice.breaker.good() if right else voice.breaker.bad()
            return judged
        except Exception as error:
            return [f"{step.rung}: {_cause(error)}"] * len(rows)

    def _judged(self, rung: str, voice: Voice, outcome: Outcome) -> Answer | str:
        if not usable(outcome.score, self.served):
            return f"{rung}: impossible answer"
        return self._given(rung, outcome.score, voice.number, voice, outcome)

    def _last(self, step: Step, row: Row) -> Answer | str:
        known = None if row.entity is None else self.lasts.get(row.entity)
        if known is None:
            return "last_score: none"
        score, number, made = known
        age = max(0.0, self.wall() - made)
        if step.max_age is not None and age > step.max_age.total_seconds():
            return "last_score: too old"
        if not usable(score, self.served):
            return "last_score: impossible answer"
        return self._given(step.rung, score, number, age=age)

    def _given(
        self,
        rung: str,
        score: float | None,
        number: int,
        voice: Voice | None = None,
        outcome: Outcome | None = None,
        age: float | None = None,
    ) -> Answer | str:
        if score is None:
            return f"{rung}: no value"
        served, task = self.served, self.served.task
        threshold, edges = served.threshold, served.edges
        if voice is not None and voice.number:
            threshold, edges = voice.threshold, voice.edges
        decision = None
        if task is Task.BINARY:
            score = min(max(score, 0.0), 1.0)
            decision = None if threshold is None else int(score >= threshold)
        elif task is Task.MULTICLASS:
            decision = int(score)
        return Answer(
            id="",
            score=score,
            version=number,
            rung=rung,
            classes=outcome.classes if outcome else {},
            decision=decision,
            band=_band(score, edges),
            age=age,
            explanation=outcome.explanation if outcome else {},
        )


def usable(score: float, served: Served) -> bool:
    """Say whether an answer can be right: finite; a chance within 0..1; a class that exists.

    The rule of :func:`tamid.core.ladder.usable`, for one number.
    """
    if served.task is Task.BINARY:
        return -_ROUNDING <= score <= 1 + _ROUNDING
    if served.task is Task.MULTICLASS:
        return 0 <= score < max(len(served.classes), 1) and score == int(score)
    return score - score == 0


def _band(score: float, edges: tuple[tuple[str, float], ...]) -> str | None:
    for name, least in edges:
        if score >= least:
            return name
    return None


async def _asked(
    voice: Voice, rows: Sequence[Row], request: Request, timeout: float
) -> Sequence[Outcome]:
    if timeout <= 0:
        raise TimeoutError
    if not voice.breaker.allows():
        raise _Open
    try:
        return await voice.desk.ask(
            rows, explain=request.explain, timeout=timeout, spent=request.spent
        )
    except (Busy, Restarting, asyncio.CancelledError):
        voice.breaker.spared()
        raise
    except Exception:
        voice.breaker.bad()
        raise


class _Open(Exception):
    """The breaker is open."""


def _cause(error: Exception) -> str:
    """Name a failure in few words that hold no value of anybody's row."""
    if isinstance(error, Busy):
        return "overload"
    if isinstance(error, Restarting):
        return "restarting"
    if isinstance(error, _Open):
        return "breaker open"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, WorkerDied):
        return "worker died"
    return "error" if isinstance(error, TamidError) else "server error"


def _named(answer: Answer, name: str, reason: str) -> Answer:
    return Answer(
        id=name,
        score=answer.score,
        version=answer.version,
        rung=answer.rung,
        reason=reason,
        classes=answer.classes,
        decision=answer.decision,
        band=answer.band,
        age=answer.age,
        explanation=answer.explanation,
    )
