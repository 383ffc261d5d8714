"""A server under load while versions change, workers die and hang: every request is answered."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving_world import (
    CODE,
    HELD,
    MODEL,
    PATIENCE_S,
    ROW,
    Server,
    World,
    children,
    contract,
    ended,
    gated,
    until,
)

from tamid.core import events as ev
from tamid.ports import Known
from tamid.wiring import lookup_in

HANGS = """\
import time

def build(frame):
    if (frame["minutes"] > 40).any():
        time.sleep(600)
    if (frame["minutes"] < -40).any():
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return frame
"""

CLIENTS = 4


@contextmanager
def load(port: int) -> Iterator[list[tuple[int, Any]]]:
    """Ask all the time on connections that are kept; what came back is listed.

    The ids of the answers say which client asked.
    """
    found: list[tuple[int, Any]] = []
    stop = threading.Event()

    def ask(number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        rows = [{**ROW, "calls": c / 10, "_id": f"{number}/{c}"} for c in range(number, number + 3)]
        body = json.dumps(rows).encode()
        while not stop.is_set():
            try:
                link.request(
                    "POST", f"/v1/models/{MODEL}/predict", body,
                    {"content-type": "application/json"},
                )  # fmt: skip
                answer = link.getresponse()
                found.append((answer.status, json.loads(answer.read())))
            except Exception as error:
                found.append((0, repr(error)))
                link.close()
            time.sleep(0.002)
        link.close()

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)


def versions(answer: Any) -> set[tuple[int, str]]:
    """Return which version and rung answered the rows of one request."""
    return {(a["version"], a["rung"]) for a in answer["answers"]}


def all_hear(found: list[tuple[int, Any]], *kind: object) -> None:
    """Wait until the newest answer that each client got is of a version and rung."""

    def newest() -> bool:
        heard = {a["answers"][0]["id"][0]: versions(a) for status, a in found if status == 200}
        return list(heard.values()) == [{kind}] * CLIENTS

    until(newest)


def test_promotion_and_rollback_under_load(tmp_path: Path) -> None:
    """Compiled and worker versions take turns: no failed request, none from two versions."""
    world = World(tmp_path, contract(fallback="[previous, default: 0.05]"))
    one, two = world.pack(tiny=False), world.pack(seed=1, text=contract(features=CODE))
    world.release(1, one)
    with Server(world.root) as server, load(server.port) as found:
        all_hear(found, 1, "champion")
        world.release(2, two, 1)
        all_hear(found, 2, "champion")
        world.say(ev.RolledBack(key="back", number=2, back_to=1, reason="test"))
        all_hear(found, 1, "champion")
    assert {status for status, _ in found} == {200}
    seen = [versions(answer) for _, answer in found]
    assert all(len(kinds) == 1 for kinds in seen)
    assert seen[0] == seen[-1] == {(1, "champion")}
    # A busy machine may starve the worker past the deadline: then the version before it answers.
    assert {(1, "champion"), (2, "champion")} == set.union(*seen) - {(1, "previous")}
    # A version's answers to the same row are the same whenever it was asked.
    scores: dict[tuple[int, str], set[float]] = {}
    for _, answer in found:
        for a in answer["answers"]:
            scores.setdefault((a["version"], a["id"]), set()).add(round(a["score"], 12))
    assert {len(values) for values in scores.values()} == {1}
    assert len(scores) == 2 * 3 * CLIENTS


def test_the_loop_moves_the_rung(tmp_path: Path) -> None:
    """A rung that the ledger sets answers first, with its reason, until it is set back."""
    world = World(tmp_path, contract(fallback="[previous, default: 0.05]"))
    world.release(1, world.pack())
    world.release(2, world.pack(seed=1, tiny=False), 1)
    with Server(world.root) as server:
        server.until(lambda a: a["version"] == 2)
        world.say(ev.RungSet(key="down", rung="previous", reason="quality"))
        answer = server.until(lambda a: a["rung"] == "previous")
        assert (answer["version"], answer["reason"]) == (1, "the loop moved to previous")
        world.say(ev.RungSet(key="up", rung="champion", reason="healed"))
        assert server.until(lambda a: a["rung"] == "champion")["reason"] == ""


def test_killed_workers_take_no_request_along(tmp_path: Path) -> None:
    """SIGKILL to the champion's worker under load: lower rungs answer, then the champion again."""
    fallback = "[rule: rules.py:score, default: 0.05]"
    world = World(tmp_path, contract(fallback=fallback, features=CODE))
    world.release(1, world.pack())
    with Server(world.root) as server:
        server.until(lambda a: a["rung"] == "champion")
        with load(server.port) as found:
            all_hear(found, 1, "champion")
            for pid in children(server.process.pid):
                os.kill(pid, signal.SIGKILL)
            until(lambda: any(a["rung"] != "champion" for a in _rows(found)))
            all_hear(found, 1, "champion")
        ledger = world.ledger.read(MODEL)
    assert {status for status, _ in found} == {200}
    rungs = Counter(a["rung"] for a in _rows(found))
    assert set(rungs) <= {"champion", "rule", "default"}
    lower = [a for a in _rows(found) if a["rung"] != "champion"]
    assert all("champion: " in a["reason"] for a in lower)
    # A death leads to a restart and never to training: the server wrote nothing.
    assert not [r for r in ledger if isinstance(r.event, ev.RunStarted)][1:]


def test_user_code_that_hangs_or_dies(tmp_path: Path) -> None:
    """A row on which the code hangs or kills itself: that caller gets a lower rung, and why."""
    text = contract(deadline=500, fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": HANGS})
    world.release(1, world.pack())
    with Server(world.root) as server:
        for bad in (50.0, -50.0):
            server.until(lambda a: a["rung"] == "champion")
            answer = server.predict({**ROW, "minutes": bad})[1]
            # What hangs would hang for ten minutes: this caller was not let wait for it.
            assert (answer["rung"], answer["score"]) == ("default", 0.05)
            assert answer["reason"] in ("champion: timeout", "champion: worker died")
        server.until(lambda a: a["rung"] == "champion")


def test_the_ladder_by_row(tmp_path: Path) -> None:
    """Outside the contract: the last score within its age, else the default, else withheld."""
    text = contract(fallback="[last_score: 14d]")
    world = World(tmp_path, text)
    world.release(1, world.pack(tiny=False))
    now = time.time()
    scores = (("c1", 0.77, now - 3600), ("c2", 0.66, now - 20 * 86400))
    known = [
        Known(entity=e, as_of=None, inputs=None, score=s, version=1, made=t) for e, s, t in scores
    ]
    lookup_in(world.store, MODEL).write("k", known)
    with Server(world.root, "--outside", "lower") as server:
        bad = {**ROW, "calls": 99}
        given = [{**bad, "customer": "c1"}, {**bad, "customer": "c2"}, bad, ROW]
        found = server.predict(given)[1]["answers"]
    assert [a["rung"] for a in found] == ["last_score", "withheld", "withheld", "champion"]
    assert (found[0]["score"], found[0]["version"]) == (0.77, 1)
    assert found[0]["age"] == pytest.approx(3600, abs=60)
    assert found[1]["score"] is None
    assert "too old" in found[1]["reason"]
    assert all("'calls' is above" in a["reason"] for a in found[:3])


def test_what_is_too_much_is_answered_by_a_lower_rung(tmp_path: Path) -> None:
    """More than the worker can do in time: each is answered, the rest by the default and with the
    cause; then by the champion again."""
    pause = "time.sleep(0.008 * min(len(frame), 40))"
    slow = f"import time\n\ndef build(frame):\n    {pause}\n    return frame\n"
    text = contract(deadline=500, fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": slow})
    world.release(1, world.pack())
    found: list[Any] = []

    def ask(server: Server) -> None:
        found.extend(server.predict([ROW] * 10)[1]["answers"] for _ in range(8))

    with Server(world.root) as server:
        server.well()
        # Each of 24 callers wants 80 ms of work at a time: four times what one worker can do
        # within the deadline, on however quick a machine.
        callers = [threading.Thread(target=ask, args=(server,)) for _ in range(24)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(PATIENCE_S)
        server.well()
    assert [len(answers) for answers in found] == [10] * 24 * 8
    rows = [answer for answers in found for answer in answers]
    assert {a["rung"] for a in rows} == {"champion", "default"}
    causes = {a["reason"] for a in rows if a["rung"] == "default"}
    assert causes <= {"champion: overload", "champion: timeout", "champion: breaker open"}
    assert "champion: overload" in causes


def test_sigterm_drains(tmp_path: Path) -> None:
    """What was asked before SIGTERM is answered; the process ends, its workers with it."""
    gate = tmp_path / "gate"
    text = contract(fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path / "w", text, {"features.py": gated(gate)})
    world.release(1, world.pack())
    with Server(world.root) as server:
        server.until(lambda a: a["rung"] == "champion")
        workers = children(server.process.pid)
        found: list[Any] = []
        asking = threading.Thread(target=lambda: found.append(server.predict(HELD)))
        asking.start()
        # The one who looks is counted, too.
        until(lambda: server.metric("tamid_requests_in_flight ") == 2)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.listens())
        gate.touch()
        asking.join(PATIENCE_S)
        assert server.process.wait(PATIENCE_S) in (0, -signal.SIGTERM)
        assert workers
        until(lambda: ended(*workers))
    assert found[0][0] == 200
    assert found[0][1]["rung"] == "champion"


def _rows(found: list[tuple[int, Any]]) -> list[Any]:
    return [a for status, answer in found if status == 200 for a in answer["answers"]]
