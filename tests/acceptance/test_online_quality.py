"""Answers given online are measured: a fall of their quality trains, a server's trouble never."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
import toy
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.chain import Draft, Recorded, chain
from tamid.core.fold import evolve, fold
from tamid.core.spool import read_segment
from tamid.core.state import State
from tamid.stages import online_usual
from tamid.stages.loop import adopt, tick
from tamid.stages.normal import accept_normal
from tamid.testing.segments import labels_block, rows_block, segment, told_block

WEEK = toy.PAST  # the first live week
OPEN = toy.FIRST + WEEK * toy.WEEK + timedelta(days=1)
# Horizon and reporting lag of the whole week are over.
LATER = toy.FIRST + (WEEK + 2) * toy.WEEK + timedelta(days=2, hours=4)
PERIOD = (toy.FIRST + WEEK * toy.WEEK).date().isoformat()


class World(Stores):
    """The toy after its first release; the week's labels by file never come."""

    def __init__(self, signer: Keys) -> None:
        super().__init__(toy.MODEL, signer, toy.SALT)
        first = toy.life()[0]
        for source, files in ((self.rows, first.rows), (self.labels, first.labels)):
            for file, frame in files.items():
                source.put(file, frame, first.at)
        self.turn(first.at)

    def turn(self, at: datetime) -> Sequence[Recorded]:
        """Turn the loop once, and return what was told."""
        rig = self.opened(SimulatedClock(at))
        return tick(rig, str(at), adopt(rig, toy.CONTRACT, {}, at)).records

    @property
    def state(self) -> State:
        return fold(self.ledger.read(toy.MODEL))

    def put(self, name: str, *blocks: Any, at: datetime) -> None:
        """Let a server write a segment."""
        content = segment(blocks, process=name, began=at.timestamp())
        self.spool.put(name, read_segment(content))


def asked(shift: float = 0.0) -> tuple[list[Any], dict[str, int]]:
    """Return a server's sound answers to the week's rows, and the truth about each by id."""
    rows = toy.rows_of(WEEK).to_dicts()
    noise = np.random.default_rng(5).normal(size=len(rows)) * 0.3
    found, truth = [], {}
    for n, row in enumerate(rows):
        usage = row["usage"] + shift
        score = 1.0 / (1.0 + np.exp(-4.0 * usage))
        given = {"id": f"a-{n}", "score": float(score), "decision": int(score >= 0.5)}
        inputs = {"usage": usage, "calls": row["calls"], "_entity": row["customer"]}
        found.append((inputs, given))
        truth[f"a-{n}"] = int(row["usage"] + noise[n] > 0)
    return found, truth


def kinds(records: Sequence[Recorded], kind: type[Any]) -> list[Any]:
    """Return the events of one kind."""
    return [r.event for r in records if isinstance(r.event, kind)]


def test_sound_answers_are_measured_and_nothing_follows(keys: Keys) -> None:
    """Quality on the labels that were sent back, drift without them; no alarm."""
    world = World(keys)
    rows, truth = asked()
    world.put("s1", rows_block(OPEN, rows), labels_block(OPEN + toy.DAY, truth), at=OPEN)
    early = world.turn(OPEN + 2 * toy.DAY)
    assert {m.signal for m in kinds(early, ev.Measured)} >= {"online_score_psi", "online_input_psi"}
    told = world.turn(LATER)
    (found,) = [m for m in kinds(told, ev.Measured) if m.signal == "online_quality"]
    assert (found.period, found.rows, found.matured) == (PERIOD, toy.ROWS, 1.0)
    assert found.value > 0.8
    assert not [a for a in kinds(told, ev.AlarmRaised) if a.failure == "model_failure"]
    again = world.turn(LATER + timedelta(hours=1))
    assert not [m for m in kinds(again, ev.Measured) if m.signal.startswith("online")]


def test_a_fall_of_quality_online_trains_and_restarts_nothing(keys: Keys) -> None:
    """The labels turn round: an alarm of quality, a diagnosis, a run; no failure of the system."""
    world = World(keys)
    rows, truth = asked()
    turned = {name: 1 - value for name, value in truth.items()}
    world.put("s1", rows_block(OPEN, rows), labels_block(OPEN + toy.DAY, turned), at=OPEN)
    told = world.turn(LATER)
    (alarm,) = (a for a in kinds(told, ev.AlarmRaised) if a.signal == "quality")
    assert (alarm.signal, alarm.failure, alarm.period) == ("quality", "model_failure", PERIOD)
    assert "online" in alarm.noticed_by
    (diagnosis,) = kinds(told, ev.Diagnosed)
    assert (diagnosis.cause, diagnosis.retraining) == ("concept_drift", "needed")
    opened = kinds(told, ev.IncidentOpened)
    assert not [i for i in opened if i.incident.startswith("server/")]
    # The week's own labels come by file, too, and are learnt from.
    world.labels.put("w.parquet", toy.labels_of(WEEK), LATER)
    more = [*told, *world.turn(LATER + 2 * toy.DAY)]
    assert [r.trigger for r in kinds(more, ev.RunStarted)] == ["quality"]


def test_a_server_in_trouble_trains_nobody(keys: Keys) -> None:
    """Deaths, open breakers, shed rows and a kill: incidents of the system, and that is all."""
    world = World(keys)
    rows, truth = asked()
    at = OPEN.timestamp()
    names = ("worker/version 1", "breaker/version 1", "rung/champion: overload")
    trouble = [{"name": n, "open": True, "at": at, "text": n} for n in names]
    lower = [(row, {**given, "rung": "default", "version": 0}) for row, given in rows]
    blocks = [told_block(*trouble), rows_block(OPEN, lower), labels_block(OPEN + toy.DAY, truth)]
    world.put("s1", *blocks, at=OPEN)
    killed = segment([], process="k1", began=at + 1, sealed=False)
    world.spool.put("s2", read_segment(killed))
    world.labels.put("w.parquet", toy.labels_of(WEEK), LATER)
    told = [*world.turn(OPEN + 2 * toy.DAY), *world.turn(LATER)]
    opened = kinds(told, ev.IncidentOpened)
    assert {i.failure for i in opened} == {"system_failure"}
    assert sum(i.incident.startswith("server/") for i in opened) == 4
    assert not [a for a in kinds(told, ev.AlarmRaised) if a.failure == "model_failure"]
    assert not kinds(told, ev.RunStarted)


def test_answers_are_weighted_by_their_chance_and_counted_once(keys: Keys) -> None:
    """Half the right answers were kept; a caller that asked twice counts once."""
    world = World(keys)
    rows, truth = asked()
    right = [r for r in rows if r[1]["decision"] == truth[r[1]["id"]]]
    wrong = [r for r in rows if r[1]["decision"] != truth[r[1]["id"]]]
    half = rows_block(OPEN, right[::2], chance=0.5)
    blocks = [half, half, rows_block(OPEN, wrong), labels_block(OPEN + toy.DAY, truth)]
    world.put("s1", *blocks, at=OPEN)
    told = world.turn(LATER)
    (found,) = [m for m in kinds(told, ev.Measured) if m.signal == "online_quality"]
    positive = [r for r in right if r[1]["decision"]]
    expected = 2 * len(positive) / (2 * len(positive) + len(wrong))
    assert found.value == pytest.approx(expected, abs=0.02)
    assert found.rows == len(right[::2]) + len(wrong)


def test_served_traffic_that_moves_pages_and_can_be_taken_for_normal(keys: Keys) -> None:
    """Six served weeks freeze what is usual online; a week asked by others pages once.

    Half of each week is kept by a chance of one half: the numbers of rows say so.
    """
    world = World(keys)
    for week in range(online_usual.FEWEST_WEEKS + 1):
        moved = 1.5 if week == online_usual.FEWEST_WEEKS else 0.0
        if moved:
            told = world.turn(OPEN + week * toy.WEEK - toy.DAY)
            (frozen,) = kinds(told, ev.OnlineUsual)
            assert (frozen.on, len(frozen.periods)) == ("served", online_usual.FEWEST_WEEKS)
            assert set(frozen.reference) >= {"online_score_psi", "online_input_psi"}
        rows, _ = asked(moved)
        # Another version answered the first two weeks: the champion scores them anew.
        who = {"version": 9 if week < 2 else 1}
        rows = [(row, {**given, **who, "id": f"{week}-{given['id']}"}) for row, given in rows]
        at = OPEN + week * toy.WEEK
        half = rows_block(at, rows[200::2], chance=0.5)
        world.put(f"s{week}", rows_block(at, rows[:200]), half, at=at)
    told = world.turn(OPEN + 7 * toy.WEEK)
    seen = [m for m in kinds(told, ev.Measured) if m.signal == "online_score_psi"]
    # 200 rows of chance 1 and 120 that stand for two each: (200 + 240)^2 / (200 + 480).
    assert {m.rows for m in seen} == {285}
    (alarm,) = (a for a in kinds(told, ev.AlarmRaised) if a.signal.startswith("online_"))
    assert (alarm.failure, alarm.severity) == ("model_failure", "warning")
    assert "false alarm a year" in alarm.budget
    rig = world.opened(SimulatedClock(OPEN + 7 * toy.WEEK))
    accepted = accept_normal(rig, world.state, alarm.alarm, OPEN + 7 * toy.WEEK)
    before = world.state
    draft = Draft(event=accepted, at=OPEN + 7 * toy.WEEK)
    state = evolve(before, chain(toy.MODEL, before.seq + 1, draft, before.head))
    assert accepted.asked
    assert state.versions[1].asked == accepted.asked
    assert alarm.alarm not in state.open_alarms
    assert state.versions[1].usual_seq < state.versions[1].asked_seq
