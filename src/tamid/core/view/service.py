"""Is the service healthy? Who was answered, by which rung, when; and what is not delivered."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from tamid.core import events as ev
from tamid.core.deadline import due_at
from tamid.core.ladder import CHAMPION
from tamid.core.periods import end_of, period_of, shift, span, start_of, steps_between
from tamid.core.policy import policy_of
from tamid.core.stats.intervals import wilson
from tamid.core.values import STATIC_PERIOD
from tamid.core.view.scene import Scene, count, number, share, spread
from tamid.core.view.snapshot import Answer, DeliveryCard, Reply

QUESTION = "Is the service healthy?"
# A year of weeks: what the share of periods served on time is taken over.
LOOK_BACK = 52


def deliveries(scene: Scene) -> tuple[DeliveryCard, ...]:
    """Return the periods that had to be served since the first one, oldest first, a year at most.

    A period whose moment has passed without scores is among them, with revision 0.
    """
    state = scene.state
    if not state.scored:
        return ()
    late = _late(scene)
    return tuple(_card(scene, period, late) for period in _expected(scene))


def service_answer(scene: Scene, cards: tuple[DeliveryCard, ...]) -> Answer:
    """Answer the first question; the number is the share of periods served on time."""
    state = scene.state
    troubles = _troubles(scene, cards)
    due = [c for c in cards if c.served != "waiting"]
    answered = [c for c in cards if c.revision]
    if not state.scored:
        return _before_the_first(scene, troubles)
    if not answered:
        return _fallen_silent(scene, cards, troubles)
    on_time = sum(c.served == "on time" for c in due)
    interval = wilson(on_time, len(due)) if due else None
    last = answered[-1]
    reply = _reply(scene, cards, last)
    by_champion = last.rungs.get(CHAMPION, 0) / last.rows if last.rows else 0.0
    said = f"{count(len(due), 'period')} due, {on_time} served on time" if due else "none due yet"
    sentence = (
        f"{_WORD[reply]}: {said}; in {last.period} {share(by_champion)} of "
        f"{count(last.rows, 'answer')} came from the champion"
    )
    if state.rung != CHAMPION:
        sentence += f"; the rung {state.rung} answers first"
    return Answer(
        question=QUESTION,
        reply=reply,
        sentence=sentence + ".",
        measure="share of periods served on time",
        number=interval.point if interval else None,
        interval=interval,
        on=last.period,
        known_from=_next_due(scene),
        reasons=troubles,
    )


def on_time_line(answer: Answer) -> str:
    """Write the number of the answer with its interval and date."""
    if answer.number is None:
        return ""
    return f"{answer.measure}: {number(answer.number)}{spread(answer.interval)}, up to {answer.on}"


_WORD = {"yes": "Yes", "no": "No", "degraded": "Partly", "unknown": "Not known yet"}


def _before_the_first(scene: Scene, troubles: tuple[str, ...]) -> Answer:
    reply: Reply = "no" if _failures(scene) else "unknown"
    known = "the first scores follow the first release"
    if scene.state.champion:
        known = "a champion is live, its first scores are due with the next period"
    return Answer(
        question=QUESTION,
        reply=reply,
        sentence=f"{_WORD[reply]}: nothing was scored so far; {known}.",
        reasons=troubles,
        known_from=_next_due(scene) if scene.state.champion else None,
    )


def _fallen_silent(
    scene: Scene, cards: tuple[DeliveryCard, ...], troubles: tuple[str, ...]
) -> Answer:
    """No period of the whole look-back was served, though earlier ones were."""
    last = max(scene.state.scored)
    return Answer(
        question=QUESTION,
        reply="no",
        sentence=f"{_WORD['no']}: nothing was served since {last}, {count(len(cards), 'period')}"
        " in a row or more.",
        measure="share of periods served on time",
        number=0.0,
        on=last,
        known_from=_next_due(scene),
        reasons=troubles,
    )


def _reply(scene: Scene, cards: tuple[DeliveryCard, ...], last: DeliveryCard) -> Reply:
    due = [c for c in cards if c.served != "waiting"]
    broken = [f for f in _failures(scene) if f.severity == "critical"]
    if broken or (due and due[-1].served == "missed"):
        return "no"
    # Rows in quarantine are answered by a lower rung as agreed: only more than that is degraded.
    accepted = 1.0 - scene.contract.data.quarantine.max_share
    by_champion = last.rungs.get(CHAMPION, 0) / last.rows if last.rows else 0.0
    lower = scene.state.rung != CHAMPION or by_champion < accepted
    if lower or scene.state.delayed or _failures(scene) or (due and due[-1].served == "late"):
        return "degraded"
    return "yes"


def _failures(scene: Scene) -> list[ev.IncidentOpened]:
    found = [i.opened for i in scene.state.open_incidents.values()]
    return [i for i in found if i.failure == "system_failure"]


def _troubles(scene: Scene, cards: tuple[DeliveryCard, ...]) -> tuple[str, ...]:
    found = [
        f"open since {scene.day(i.at)}: {i.opened.message}"
        for i in scene.state.open_incidents.values()
        if i.opened.failure == "system_failure"
    ]
    for name, (attempt, last) in scene.state.delayed.items():
        period, _, sink = name.partition("/")
        found.append(
            f"target {sink} did not take {period}: {count(attempt, 'attempt')}, "
            f"the last on {scene.day(last)}; the scores wait in the outbox"
        )
    missed = [c.period for c in cards if c.served == "missed"]
    if missed:
        found.append(f"without scores after their moment: {', '.join(missed[-3:])}")
    return tuple(found)


def _late(scene: Scene) -> frozenset[tuple[str, str]]:
    """Return the periods and targets that were served late; without targets, ("period", "")."""
    found: set[tuple[str, str]] = set()
    for record in scene.records:
        event = record.event
        # A correction (revision 2 and up) comes late by nature: the first must be on time.
        if isinstance(event, ev.Delivered) and event.late and event.revision == 1:
            found.add((event.period, event.sink))
        if isinstance(event, ev.Scored) and event.revision == 1:
            due = _due(scene, event.period)
            if due is not None and record.at > due:
                found.add((event.period, ""))
    return frozenset(found)


def _expected(scene: Scene) -> tuple[str, ...]:
    first = min(scene.state.scored)
    if first == STATIC_PERIOD or not scene.contract.data.time:
        return tuple(sorted(scene.state.scored))
    current = max(period_of(scene.rule, scene.now), *scene.state.scored)
    steps = min(steps_between(scene.rule, first, current), LOOK_BACK - 1)
    expected = span(scene.rule, shift(scene.rule, current, -steps), current)
    return tuple(sorted({*expected, *(p for p in scene.state.scored if p >= expected[0])}))


def _due(scene: Scene, period: str) -> datetime | None:
    if period == STATIC_PERIOD or not scene.contract.data.time:
        return None
    by = scene.contract.delivery.by
    if by is None:  # without an agreed hour a period is served late once the next one has passed
        return end_of(scene.rule, shift(scene.rule, period, 1))
    return due_at(by, start_of(scene.rule, period), scene.zone)


def _card(scene: Scene, period: str, late: frozenset[tuple[str, str]]) -> DeliveryCard:
    state, due = scene.state, _due(scene, period)
    scored = state.scored.get(period)
    sinks = policy_of(scene.contract).sinks
    targets = {sink: _target(scene, period, sink, late) for sink in sinks}
    passed = due is not None and scene.now > due
    served: Literal["on time", "late", "waiting", "missed"]
    if scored is None:
        served = "missed" if passed else "waiting"
    elif any(t.startswith(("delayed", "waiting")) for t in targets.values()):
        served = "late" if passed else "waiting"
    else:
        after = "late" in targets.values() or (not targets and (period, "") in late)
        served = "late" if after else "on time"
    return DeliveryCard(
        period=period,
        revision=scored.revision if scored else 0,
        version=scored.number if scored else 0,
        rows=scored.rows if scored else 0,
        rungs=scored.rungs if scored else {},
        targets=targets,
        due=due,
        served=served,
    )


def _target(scene: Scene, period: str, sink: str, late: frozenset[tuple[str, str]]) -> str:
    state = scene.state
    if (period, sink) in late:
        return "late"
    if any((period, r, sink) in state.delivered for r in range(1, _revision(scene, period) + 1)):
        return "delivered"
    attempt, _ = state.delayed.get(f"{period}/{sink}", (0, None))
    return f"delayed, attempt {attempt}" if attempt else "waiting"


def _revision(scene: Scene, period: str) -> int:
    scored = scene.state.scored.get(period)
    return scored.revision if scored else 0


def _next_due(scene: Scene) -> datetime | None:
    if not scene.contract.data.time or STATIC_PERIOD in scene.state.scored:
        return None
    current = period_of(scene.rule, scene.now)
    for step in range(3):
        due = _due(scene, shift(scene.rule, current, step))
        if due is not None and due > scene.now:
            return due
    return None
