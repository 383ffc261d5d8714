"""What goes wrong in a server reaches the ledger, as failures of the system, and trains nobody."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from serving_world import CODE, MODEL, ROW, Server, World, children, contract, segments, until
from small_world import Stores

from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.spool import FileSpool
from tamid.adapters.system import SystemClock
from tamid.core import events as ev
from tamid.core.actions import Train
from tamid.core.decide import decide
from tamid.core.fold import fold
from tamid.core.policy import policy_of
from tamid.core.signals import Signals
from tamid.core.spool import TOLD
from tamid.core.values import ENTITY, KNOWN_AT
from tamid.stages.hearing import VALUE
from tamid.stages.journal import Journal
from tamid.stages.spooling import take_in
from tamid.workshop import parse

FALLBACK = "[rule: rules.py:score, default: 0.05]"


def taken(world: World, stores: Stores) -> list[ev.Event]:
    """Take in what the server wrote, as a turn of the loop does, and return what was told."""
    rig = replace(
        stores.opened(SimulatedClock(SystemClock().now())),
        ledger=world.ledger, blobs=world.blobs, spool=FileSpool(world.store / "spool" / MODEL),
    )  # fmt: skip
    journal = Journal(world.ledger, MODEL)
    take_in(rig, journal, rig.clock.now(), 0)
    return [r.event for r in journal.written]


def noticed(world: World) -> set[str]:
    """Return of what kinds of trouble the server has told so far."""
    told = (n for s in segments(world.spool) for body in s.of(TOLD) for n in body["notices"])
    return {notice["name"].partition("/")[0] for notice in told}


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """Tables in memory."""
    world_keys = World(tmp_path / "other").keys
    return Stores(MODEL, world_keys, "salt")


def test_a_killed_worker_is_restarted_and_trains_nobody(tmp_path: Path, stores: Stores) -> None:
    """Its death and the rungs below are incidents that are over; nothing asks for a run."""
    world = World(tmp_path / "w", contract(fallback=FALLBACK, features=CODE))
    world.release(1, world.pack())
    with Server(world.root) as server:
        server.until(lambda a: a["rung"] == "champion")
        for pid in children(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        server.until(lambda a: a["rung"] in ("rule", "default"))
        server.until(lambda a: a["rung"] == "champion")
        until(lambda: {"worker", "rung"} <= noticed(world))
        server.end()
    told = taken(world, stores)
    opened = [e for e in told if isinstance(e, ev.IncidentOpened)]
    closed = {e.incident for e in told if isinstance(e, ev.IncidentClosed)}
    assert {e.failure for e in opened} == {"system_failure"}
    assert {e.incident for e in opened} == closed
    names = {e.incident.rpartition("/")[0] for e in opened}
    assert "server/worker/version 1" in names
    assert any(name.startswith("server/rung/champion: ") for name in names)
    (answers,) = [e for e in told if isinstance(e, ev.AnswersTaken)]
    rungs = {who.partition("/")[2] for who in answers.answered}
    assert "champion" in rungs
    assert rungs & {"rule", "default"}
    state = fold(world.ledger.read(MODEL))
    policy = policy_of(parse(world.text))
    now = SystemClock().now()
    for trainable in ((), ("2026-01-04",)):
        asked = decide(policy, state, Signals(trainable=trainable, matured=trainable), now)
        assert not [a for a in asked.actions if isinstance(a, Train)]


def test_a_killed_server_is_told_by_what_it_left(tmp_path: Path, stores: Stores) -> None:
    """The next one closes the incident; no training, and what was flushed is in the table."""
    world = World(tmp_path / "w", contract(fallback="[default: 0.05]"))
    world.release(1, world.pack())
    with Server(world.root) as server:
        names = [server.predict(ROW)[1]["id"] for _ in range(5)]
        until(lambda: {a["id"] for a in world.logged()} == set(names))
        server.end(signal.SIGKILL)
    told = taken(world, stores)
    (incident,) = [e for e in told if isinstance(e, ev.IncidentOpened)]
    assert incident.incident.startswith("server/process/")
    pin = stores.tables.latest("churn.served")
    assert pin is not None
    assert set(stores.tables.read(pin).get_column("id")) == set(names)
    with Server(world.root) as server:
        server.predict(ROW)
        server.end()
    told = taken(world, stores)
    assert [e.incident for e in told if isinstance(e, ev.IncidentClosed)] == [incident.incident]
    assert not [r for r in world.ledger.read(MODEL) if isinstance(r.event, ev.RunStarted)][1:]


def test_labels_are_sent_back_by_id(tmp_path: Path, stores: Stores) -> None:
    """They are on the disk before the answer, also when the server is killed, and are joined."""
    world = World(tmp_path / "w", contract(fallback="[default: 0.05]"))
    world.release(1, world.pack())
    path = f"/v1/models/{MODEL}/labels"
    with Server(world.root) as server:
        rows = [{**ROW, "_id": f"a-{n}", "customer": f"c{n}"} for n in range(3)]
        server.predict(rows)
        until(lambda: len(world.logged()) == 3)
        sent = [{"id": "a-0", "value": 1}, {"id": "a-1", "value": 0}]
        assert server.call("POST", path, sent) == (202, {"accepted": 2})
        assert server.call("POST", path, {"id": "a-2", "value": 1, "at": None})[0] == 202
        times = ("2026-01-01T00:00:00", "9999-12-31T00:00:00Z", "0001-01-01T00:00:00+23:59")
        untimely = [{"id": "a", "value": 1, "at": at} for at in times]
        nothing = ({"id": "a"}, {"id": "", "value": 1}, [{"id": "a", "value": [1]}], 7)
        for wrong in (*nothing, *untimely, b'{"id":"a","id":"a"}'):
            assert server.call("POST", path, wrong)[0] in (400, 422), wrong
        assert server.call("POST", path, [{"id": "a", "value": 1}] * 10_001)[0] == 413
        server.end(signal.SIGKILL)
    told = taken(world, stores)
    (heard,) = [e for e in told if isinstance(e, ev.LabelsAccepted)]
    assert heard.new == 3
    found = stores.tables.read(heard.pin).sort(ENTITY)
    assert found.select(ENTITY, VALUE).rows() == [("c0", 1.0), ("c1", 0.0), ("c2", 1.0)]
    assert found.get_column(KNOWN_AT).null_count() == 0
