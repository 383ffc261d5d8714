"""Is the model still right? What the matured labels say, and from when more will be known."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tamid.core import events as ev
from tamid.core.ladder import CHAMPION
from tamid.core.paging import UNLABELLED
from tamid.core.periods import period_of
from tamid.core.releases import how_ended, stopped_of
from tamid.core.values import STATIC_PERIOD
from tamid.core.view.scene import GRACE, Scene, count, number, share, spread
from tamid.core.view.snapshot import Answer, Point, Reply
from tamid.core.windows import FEWEST_TO_START

QUESTION = "Is the model still right?"
_WORD = {
    "yes": "Yes",
    "probably": "Probably",
    "doubtful": "Doubtful",
    "no": "No",
    "unknown": "Not known yet",
}


def series(scene: Scene) -> tuple[Point, ...]:
    """Return the realised quality of every version on the periods measured, oldest first."""
    found: dict[tuple[str, int], Point] = {}
    for name, periods in scene.state.measured.items():
        signal, _, version = name.partition("@")
        if signal != "quality":
            continue
        for period, seen in periods.items():
            found[period, int(version)] = _point(seen)
    return tuple(found[key] for key in sorted(found))


def quality_answer(scene: Scene, points: tuple[Point, ...]) -> Answer:
    """Answer the second question; the number is the realised quality of the latest period."""
    champion = scene.state.champion
    due, pending = next_truth(scene, points)
    mine = [p for p in points if p.version == champion and math.isfinite(p.value)]
    waiting = _when(scene, due, pending)
    if not mine:
        return Answer(
            question=QUESTION,
            reply="unknown",
            sentence=f"{_WORD['unknown']}: {_why_unknown(scene)} {waiting}".strip(),
            measure=scene.metric,
            known_from=_first_figure(scene, due),
            reasons=_alarms(scene),
        )
    last = mine[-1]
    reply = "unknown" if _is_stale(scene, due) else _reply(scene, last)
    sentence = (
        f"{_WORD[reply]}: {scene.metric} of version {champion} is {number(last.value)}"
        f"{spread(last.interval)} in {last.period}{_against(scene)}. "
        f"It rests on {count(last.rows, 'row')}"
        + (f", {count(last.positives, 'positive')}" if last.positives else "")
        + f", with {share(last.matured)} of the labels in. {waiting}"
    )
    return Answer(
        question=QUESTION,
        reply=reply,
        sentence=sentence.strip(),
        measure=scene.metric,
        number=last.value,
        interval=last.interval,
        on=last.period,
        known_from=due,
        reasons=_alarms(scene),
    )


def _is_stale(scene: Scene, due: datetime | None) -> bool:
    """Say whether newer truth should long have been measured: what is known is of another time.

    An alarm that is open stays the answer.
    """
    late = due is not None and scene.now > due + scene.contract.monitoring.every * (1 + GRACE)
    open_ = any(a.raised.failure == "model_failure" for a in scene.state.open_alarms.values())
    return late and not open_


def next_truth(scene: Scene, points: tuple[Point, ...]) -> tuple[datetime | None, str]:
    """Return when the labels of the oldest unmeasured period are due, and that period.

    What another version or another rung answered is no word about the champion.
    """
    state = scene.state
    if not scene.contract.data.time or not (state.scored or state.periods):
        return None, ""
    known = {p.period for p in points if p.version == state.champion}
    newest = max(known, default="")
    mine = {
        p for p, s in state.scored.items() if s.number == state.champion and CHAMPION in s.rungs
    }
    waiting = sorted(p for p in mine if p > newest and p != STATIC_PERIOD)
    if not state.champion:
        waiting = [p for p in sorted(state.periods) if _not_yet(scene, p)]
    period = waiting[0] if waiting else period_of(scene.rule, scene.now)
    return scene.truth_at(period), period


def _first_figure(scene: Scene, due: datetime | None) -> datetime | None:
    """Return when a first figure can be known, if a period's labels come in after the other."""
    if due is None or scene.state.champion:
        return due
    there = sum(not _not_yet(scene, p) for p in scene.state.periods)
    later = max(FEWEST_TO_START - there - 1, 0)
    return due + timedelta(days=scene.rule.days * later)


def _not_yet(scene: Scene, period: str) -> bool:
    due = scene.truth_at(period)
    return due is not None and due > scene.now


def _reply(scene: Scene, last: Point) -> Reply:
    open_ = _alarmed(scene)
    if open_ - set(UNLABELLED):
        return "no"
    if open_:  # no label has told yet
        return "doubtful"
    if scene.demanded is None:
        return "yes"
    demanded, sign = scene.sign * scene.demanded, scene.sign
    value = sign * last.value
    if last.interval is None:
        return "probably" if value >= demanded else "doubtful"
    bounds = sorted((sign * last.interval.low, sign * last.interval.high))
    if bounds[0] >= demanded:
        return "yes"
    if bounds[1] < demanded:
        return "no"
    return "probably" if value >= demanded else "doubtful"


def _alarmed(scene: Scene) -> set[str]:
    """Return the signals of the model itself about which an alarm is open."""
    alarms = (a.raised for a in scene.state.open_alarms.values())
    return {raised.signal for raised in alarms if raised.failure == "model_failure"}


def _against(scene: Scene) -> str:
    if scene.demanded is None:
        alarm = "an alarm" if _alarmed(scene) else "no alarm"
        return f"; the contract names no least value, and {alarm} is open"
    word = "least" if scene.sign > 0 else "largest accepted"
    return f"; the contract's {word} value is {number(scene.demanded)}"


def _why_unknown(scene: Scene) -> str:
    champion = scene.state.champion
    if not champion:
        return f"there is no champion yet. {_on_the_way(scene)}"
    run = scene.state.runs.get(scene.state.versions[champion].registered.run)
    metrics = run.finished.metrics if run and run.finished else {}
    said = f"version {champion} has no period yet whose labels are in."
    if scene.metric in metrics:
        said += f" At its gates {scene.metric} was {number(metrics[scene.metric])}."
    return said


def _on_the_way(scene: Scene) -> str:
    """Say how far the truth is that a first training needs."""
    if not scene.state.periods:
        return "No data has arrived yet."
    run = next(reversed(list(scene.state.runs.values())), None)
    if (
        run is not None
        and run.judged is not None
        and (run.judged.outcome != "promote" or stopped_of(scene.state, run))
    ):
        when = run.judged.decidable_at
        then = f"decidable {when}" if when else "the next try waits for new labels or new code"
        return f"{how_ended(scene.state, run)}; {then}."
    due = sum(not _not_yet(scene, p) for p in scene.state.periods)
    if not scene.contract.data.time or due >= FEWEST_TO_START:
        return "The first training needs labels, and a candidate that passes its gates."
    return f"A first training needs {FEWEST_TO_START} periods with all labels due; {due} are."


def _when(scene: Scene, due: datetime | None, period: str) -> str:
    if not scene.contract.data.time:
        return "Without a time column nothing is watched."
    if due is None:
        return ""
    if not scene.state.champion:
        return f"The labels of {period} are due on {scene.day(due)}."
    if due <= scene.now:
        return f"The labels of {period} were due on {scene.day(due)} and are not measured yet."
    return f"The next truth, for {period}, comes on {scene.day(due)}."


def _alarms(scene: Scene) -> tuple[str, ...]:
    found = []
    for alarm in scene.state.open_alarms.values():
        if alarm.raised.failure != "model_failure":
            continue
        known = alarm.diagnosis
        cause = f"likely cause: {known.cause.replace('_', ' ')}" if known else "not diagnosed yet"
        found.append(f"alarm of {scene.day(alarm.at)}: {alarm.raised.message}; {cause}")
    return tuple(found)


def _point(seen: ev.Measured) -> Point:
    return Point(
        period=seen.period,
        version=seen.model_version,
        value=seen.value,
        interval=seen.interval,
        matured=seen.matured,
        rows=seen.rows,
        positives=seen.positives,
    )
