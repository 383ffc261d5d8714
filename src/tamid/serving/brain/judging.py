"""From an outcome to an answer: can it be right, what is decided by it, in which band is it."""

from __future__ import annotations

from dataclasses import replace

from tamid.core.ladder import ABSTAIN
from tamid.core.values import Task
from tamid.serving.brain.jobs import Outcome
from tamid.serving.brain.voices import Voice
from tamid.serving.values import Answer, Served

# A calibrated chance may leave 0..1 by rounding; more than this is a broken model.
_ROUNDING = 1e-9
IMPOSSIBLE = "impossible answer"
UNSURE = "unsure"


def usable(score: float, served: Served) -> bool:
    """Say whether an answer can be right: finite; a chance within 0..1; a class that exists.

    The rule of :func:`tamid.core.ladder.usable`, for one number.
    """
    if served.task is Task.BINARY:
        return -_ROUNDING <= score <= 1 + _ROUNDING
    if served.task is Task.MULTICLASS:
        return 0 <= score < max(len(served.classes), 1) and score == int(score)
    return score - score == 0


def judged(served: Served, rung: str, voice: Voice, outcome: Outcome) -> Answer | str:
    """Return what a voice said as an answer without a name, or why it is none."""
    if not usable(outcome.score, served):
        return f"{rung}: {IMPOSSIBLE}"
    return given(served, rung, outcome.score, voice.number, voice, outcome)


def doubted(said: Answer | str, unsure: tuple[float, float]) -> Answer | str:
    """Return a model's answer, without its score where the contract leaves it to a person."""
    if isinstance(said, str) or said.score is None or not unsure[0] <= said.score <= unsure[1]:
        return said
    return abstained(f"{said.rung}: {UNSURE}")


def abstained(reason: str = "") -> Answer:
    """Return the answer that a person has to decide."""
    return Answer(id="", score=None, version=0, rung=ABSTAIN, reason=reason)


def given(
    served: Served,
    rung: str,
    score: float,
    number: int,
    voice: Voice | None = None,
    outcome: Outcome | None = None,
    age: float | None = None,
) -> Answer:
    """Return an answer without a name; a version's own threshold and edges count for its score."""
    task, threshold, edges = served.task, served.threshold, served.edges
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
        band=band(score, edges),
        age=age,
        explanation=outcome.explanation if outcome else {},
    )


def band(score: float, edges: tuple[tuple[str, float], ...]) -> str | None:
    """Return the name of the highest band that a score reaches."""
    for name, least in edges:
        if score >= least:
            return name
    return None


def named(answer: Answer, name: str, reason: str) -> Answer:
    """Return an answer under its name, with why no better rung gave it."""
    return replace(answer, id=name, reason=reason)
