"""One turn: the champion of a moment and the ladder below it, for requests that begin with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tamid.core.ladder import (
    ABSTAIN,
    CHAMPION,
    DEFAULT,
    LAST_SCORE,
    OF_MODELS,
    ON_ROWS,
    REDUCED,
    WITHHELD,
    Step,
    unsure,
)
from tamid.core.trial import CANARY
from tamid.core.values import Task
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.drilling import suffering
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.judging import abstained, band, doubted, given, judged, named, usable
from tamid.serving.brain.lane import QuickLane, row_lane
from tamid.serving.brain.trial import Trial
from tamid.serving.brain.voices import Voice, asked, cause
from tamid.serving.giving_way import by_turns
from tamid.serving.seams import LookUp
from tamid.serving.values import Answer, Request, Row, Served

# Of the time that is left, the share a model gets while another that must compute stands below.
_SHARE = 0.6
# Seconds kept for the rungs that only look something up, and for writing the answer.
_MARGIN = 0.001
# What further rows of one request may take: the contract's time is that of one row.
_FREE_ROWS, _PER_ROW = 32, 0.0005
# What the reasons of each row may take besides: they are asked for on purpose, and cost more.
_PER_REASON = 0.01
OVERLOAD = "overload"
_COMPUTES = (CANARY, *ON_ROWS)
_DOUBTED = (CANARY, *OF_MODELS)


@dataclass(slots=True, eq=False)
class Ladder:
    """A turn that answers; see :class:`tamid.serving.seams.Turn` for its laws.

    `voices`: by rung. `lasts`: where last scores stand. `reason`: why the first rung is not the
    champion, "" if it is. `deadline`: seconds, instead of the contract's. `trial`: the version on
    trial beside the champion. `control`: says whether an entity is in the control group, None
    where there is none. `drilled`: the breakers of a drill's own requests.
    """

    served: Served
    voices: Mapping[str, Voice]
    lasts: LookUp
    reason: str = ""
    deadline: float | None = None
    trial: Trial | None = None
    control: Callable[[str | None], bool | None] | None = None
    wall: Callable[[], float] = time.time
    retired: bool = False
    in_flight: int = 0
    drilled: dict[str, Breaker] = field(default_factory=dict)
    on_idle: Callable[[], None] = field(default=lambda: None)

    def now(self, row: Row, name: str) -> Answer | None:
        """Answer at once if the first rung is compiled and well; None: take the ordinary road."""
        rung, trial = self.served.steps[0].rung, self.trial
        voice = self.voices.get(rung)
        if trial is not None and trial.takes(row, name):
            rung, voice = CANARY, trial.voice
        if voice is None or row.broken or not isinstance(voice.desk, Inline):
            return None
        model = voice.desk.quick
        if model is None or voice.breaker.state != "closed":
            return None
        started = time.monotonic() if trial is not None else 0.0
        try:
            score = model.score(row.values)
        except Exception:  # the ordinary road meets it again, and tells of it
            return None
        low, high = unsure(self.served.steps)
        if not usable(score, self.served) or low <= score <= high:
            return None
        binary = self.served.task is Task.BINARY
        score = min(max(score, 0.0), 1.0) if binary else score
        # As in `given`, without its detours: this is the hot road.
        answer = Answer(
            id=name,
            score=score,
            version=voice.number,
            rung=rung,
            reason=self.reason,
            decision=int(score >= voice.threshold) if voice.threshold is not None else None,
            band=band(score, voice.edges),
            control=self.control(row.entity) if self.control is not None else None,
        )
        if trial is not None:
            end = started + self.within(1)
            trial.heard(rung, (answer,), time.monotonic() - started, end)
            trial.beside((row,))
        return answer

    def lane(self, unset: Any) -> QuickLane | None:
        """Return the shortest way to the first rung; None where it has none.

        A trial and a control group ask for more than the rung: they take the longer way.
        """
        if self.trial is not None or self.control is not None:
            return None
        first = self.served.steps[0].rung
        voice = self.voices.get(first)
        model = voice.desk.quick if voice is not None and isinstance(voice.desk, Inline) else None
        rows = row_lane(model, self.served, unset) if model is not None else None
        whole = row_lane(model, self.served, None) if model is not None else None
        if voice is None or rows is None or whole is None:
            return None
        known, threshold, edges = voice.number, voice.threshold, voice.edges
        cuts = [least for _, least in edges] + ([] if threshold is None else [threshold])

        def like(score: float) -> Answer:
            decision = None if threshold is None else int(score >= threshold)
            return Answer(
                id="", score=score, version=known, rung=first, reason=self.reason,
                decision=decision, band=band(score, edges),
            )  # fmt: skip

        return QuickLane(rows, whole, self.served, voice.breaker, cuts, like)

    def within(self, rows: int, *, explain: bool = False) -> float:
        """Return the seconds that a request for so many rows, or their reasons, too, may take."""
        late = max(0, rows - _FREE_ROWS) * _PER_ROW + explain * rows * _PER_REASON
        return (self.deadline or self.served.deadline) + late

    async def answers(self, request: Request) -> Sequence[Answer]:
        """Return an answer for each row, in order, within the deadline; it never raises."""
        with self.held():
            return await self._climb(request)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the versions of this turn loaded meanwhile."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.retired and not self.in_flight:
                self.on_idle()

    def shed(self, request: Request) -> Sequence[Answer]:
        """Answer at once from what computes nothing: more is asked than can be worked on."""
        why = [f"{self.reason}, {OVERLOAD}" if self.reason else OVERLOAD] * len(request.rows)
        found: list[Answer | None] = [None] * len(request.rows)
        for step in self.served.steps:
            if step.rung not in ON_ROWS:
                places = [i for i, answer in enumerate(found) if answer is None]
                heard = self._known(step, [request.rows[i] for i in places])
                _take(found, why, places, self._sure(step, heard))
        return list(map(self._named(request, found, why), range(len(found))))

    async def _climb(self, request: Request) -> Sequence[Answer]:
        rows = request.rows
        end = request.arrived + self.within(len(rows), explain=request.explain)
        found: list[Answer | None] = [None] * len(rows)
        why = [self.reason] * len(rows)
        steps = self.served.steps
        if self.trial is not None and self.trial.stage == CANARY:
            steps = (Step(rung=CANARY), *steps)
        for place, step in enumerate(steps):
            places = [i for i, answer in enumerate(found) if answer is None]
            if step.rung in _COMPUTES:
                for i in places:
                    why[i] = why[i] or rows[i].broken
                places = [i for i in places if _fit(rows[i], step.rung)]
            if step.rung == CANARY and self.trial is not None:
                places = [i for i in places if self.trial.takes(rows[i], request.ids[i])]
            if not places:
                continue
            below = any(s.rung in _COMPUTES for s in steps[place + 1 :])
            asked_for = [rows[i] for i in places]
            heard = await self._heard(step, asked_for, request, end, below)
            _take(found, why, places, self._sure(step, heard))
        return await by_turns(self._named(request, found, why), range(len(rows)))

    def _named(
        self, request: Request, found: Sequence[Answer | None], why: Sequence[str]
    ) -> Callable[[int], Answer]:
        """Return what gives the answer of a row its name; what nobody answered is withheld."""
        control = self.control

        def one(place: int) -> Answer:
            answer = found[place] or Answer(id="", score=None, version=0, rung=WITHHELD)
            answer = named(answer, request.ids[place], why[place])
            if control is None:
                return answer
            return replace(answer, control=control(request.rows[place].entity))

        return one

    async def _heard(
        self, step: Step, rows: Sequence[Row], request: Request, end: float, below: bool
    ) -> Sequence[Answer | str]:
        """Return for each row an answer without a name, or why this rung has none."""
        faults = request.faults or {}
        if step.rung not in _COMPUTES:
            if faults.get(step.rung):
                return [f"{step.rung}: error"] * len(rows)
            return self._known(step, rows)
        trial = self.trial
        voice = self.voices.get(step.rung)
        if step.rung == CANARY and trial is not None:
            voice = trial.voice
        if voice is None:
            return [f"{step.rung}: not loaded"] * len(rows)
        if request.faults is not None:
            voice, trial = suffering(voice, step.rung, faults, self.drilled), None
        started = time.monotonic()
        left = end - started - _MARGIN
        found: Sequence[Answer | str]
        try:
            given_time = left * _SHARE if below else left
            outcomes = await asked(voice, rows, request.explain, given_time, request.spent)
            found = await by_turns(partial(judged, self.served, step.rung, voice), outcomes)
            # An answer that cannot be right is a failure like any other.
            right = all(isinstance(answer, Answer) for answer in found)
            voice.breaker.good() if right else voice.breaker.bad()
        except Exception as error:
            found = [f"{step.rung}: {cause(error)}"] * len(rows)
        if trial is not None:
            trial.heard(step.rung, found, time.monotonic() - started, end)
            if step.rung == CHAMPION:
                trial.beside(rows)
        return found

    def _sure(self, step: Step, heard: Sequence[Answer | str]) -> Sequence[Answer | str]:
        """Leave to a person what a model is unsure of, if the contract says so."""
        doubt = unsure(self.served.steps)
        if step.rung not in _DOUBTED or doubt[0] > doubt[1]:
            return heard
        return [doubted(said, doubt) for said in heard]

    def _known(self, step: Step, rows: Sequence[Row]) -> Sequence[Answer | str]:
        """Ask a rung that computes nothing."""
        try:
            if step.rung == LAST_SCORE:
                return [self._last(step, row) for row in rows]
            if step.rung == DEFAULT and step.value is not None:
                return [given(self.served, step.rung, step.value, 0) for _ in rows]
            if step.rung == ABSTAIN:
                return [abstained() for _ in rows]
            return [f"{step.rung}: no value"] * len(rows)
        except Exception as error:
            return [f"{step.rung}: {cause(error)}"] * len(rows)

    def _last(self, step: Step, row: Row) -> Answer | str:
        known = None if row.entity is None else self.lasts.get(row.entity)
        if known is None or known.score is None:
            return "last_score: none"
        score, number = known.score, known.version
        age = max(0.0, self.wall() - known.made)
        if step.max_age is not None and age > step.max_age.total_seconds():
            return "last_score: too old"
        if not usable(score, self.served):
            return "last_score: impossible answer"
        return given(self.served, step.rung, score, number, age=age)


def _fit(row: Row, rung: str) -> bool:
    """Say whether a row has what a rung that computes needs of it."""
    return not row.broken or (row.partly and rung == REDUCED)


def _take(
    found: list[Answer | None],
    why: list[str],
    places: Sequence[int],
    heard: Sequence[Answer | str],
) -> None:
    """Put what a rung said where it belongs: answers, or reasons for the next one."""
    for i, said in zip(places, heard, strict=True):
        reason = said.reason if isinstance(said, Answer) else said
        if reason:
            why[i] = f"{why[i]}, {reason}" if why[i] else reason
        if isinstance(said, Answer):
            found[i] = said
