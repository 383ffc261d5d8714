"""What can be said of a period before its labels come: the estimate, and what it is worth."""

from __future__ import annotations

import math

from tamid.core.estimates import SIGNAL, record_of, trust_of
from tamid.core.events import Measured
from tamid.core.stats.trust import blind_sentence
from tamid.core.view.scene import Scene, number, share, spread
from tamid.core.view.snapshot import EstimateCard


def estimate_card(scene: Scene) -> EstimateCard | None:
    """Return the champion's newest estimate whose period is not measured yet, None if none is."""
    champion = scene.state.champion
    made = scene.state.measured.get(f"{SIGNAL}@{champion}", {})
    known = max(scene.state.measured.get(f"quality@{champion}", {}), default="")
    newest = max(made, default="")
    return _card(scene, made[newest]) if newest > known else None


def estimate_words(seen: Measured) -> str:
    """Say a recorded estimate in one line, with its grade and reasons."""
    grade = trust_of(seen)
    if grade.grade == "C":
        why = "; ".join(grade.reasons)
        return f"quality in {seen.period} cannot be estimated before the labels, grade C: {why}"
    same = seen.detail.get("at_reference_prevalence")
    usual = f", {number(same)} at the reference's share of positives" if same is not None else ""
    return (
        f"quality in {seen.period} is estimated at {number(seen.value)}{_spread(seen)} before the "
        f"labels{usual}, for version {seen.model_version}; grade {grade.grade}, {grade.word}: "
        f"{'; '.join(grade.reasons)}; {record_of(seen)}"
    )


def _card(scene: Scene, seen: Measured) -> EstimateCard:
    known, grade = seen.detail, trust_of(seen)
    due = scene.truth_at(seen.period)
    return EstimateCard(
        period=seen.period,
        version=seen.model_version,
        measure=scene.metric,
        value=seen.value,
        interval=seen.interval,
        at_reference_prevalence=known.get("at_reference_prevalence"),
        sampling_error=known.get("sampling_error", math.nan),
        grade=grade.grade,
        word=grade.word,
        reasons=grade.reasons,
        coverage=known.get("coverage"),
        checks=int(known.get("checks", 0)),
        first_truth=due,
        sentence=_sentence(scene, seen, scene.day(due) if due else "a day not known"),
    )


def _sentence(scene: Scene, seen: Measured, day: str) -> str:
    grade, known = trust_of(seen).grade, seen.detail
    if grade == "C":
        before = known.get("baseline")
        last = f" Matured periods came to {number(before)} of late." if before is not None else ""
        return blind_sentence(day) + last
    text = f"Before the labels of {seen.period} {scene.metric} is estimated at {number(seen.value)}"
    text += _spread(seen)
    if "at_reference_prevalence" in known:
        same = number(known["at_reference_prevalence"])
        text += f", and at {same} with the reference's share of positives"
    record = record_of(seen)
    return f"{text}. First real number on {day}. {record[0].upper()}{record[1:]}."


def _spread(seen: Measured) -> str:
    if seen.interval is None:
        return ""
    return f"{spread(seen.interval)[:-1]} at {share(round(seen.interval.level, 2))})"
