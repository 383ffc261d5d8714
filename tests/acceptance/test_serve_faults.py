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
from serving_world import CODE, MODEL, ROW, Server, World, contract

from tamid.core import events as ev
from tamid.ports import Known
from tamid.wiring import lookup_in

HANGS = """\
import time

def build(frame):
    if (frame["minutes"] > 40).any():
        time.sleep(60)
    if (frame["minutes"] < -40).any():
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return frame
"""


@contextmanager
def load(port: int, clients: int = 4) -> Iterator[list[tuple[int, Any]]]:
    """Ask all the time on connections that are kept; what came back is listed."""
    found: list[tuple[int, Any]] = []
    stop = threading.Event()

    def ask(number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = json.dumps([{**ROW, "calls": c / 10} for c in range(number, number + 3)]).encode()
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

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


def versions(answer: Any) -> set[tuple[int, str]]:
    """Return which version and rung answered the rows of one request."""
    return {(a["version"], a["rung"]) for a in answer["answers"]}


def test_promotion_and_rollback_under_load(tmp_path: Path) -> None:
    """Compiled and worker versions take turns: no failed request, none from two versions."""
    world = World(tmp_path, contract(fallback="[previous, default: 0.05]"))
    one, two = world.pack(tiny=False), world.pack(seed=1, text=contract(features=CODE))
    world.release(1, one)
    with Server(world.root) as server, load(server.port) as found:
        time.sleep(0.3)
        world.release(2, two, 1)
        server.wait(version=2)
        time.sleep(0.3)
        world.say(ev.RolledBack(key="back", number=2, back_to=1, reason="test"))
        server.wait(version=1)
        time.sleep(0.3)
    assert {status for status, _ in found} == {200}
    seen = [versions(answer) for _, answer in found]
    assert all(len(kinds) == 1 for kinds in seen)
    assert [kind for kinds in seen[:1] for kind in kinds] == [(1, "champion")]
    # A busy machine may starve the worker past the deadline: then the version before it answers.
    assert {(1, "champion"), (2, "champion")} == set.union(*seen) - {(1, "previous")}
    assert seen[-1] == {(1, "champion")}
    # A version's answers to the same row are the same whenever it was asked.
    scores: dict[tuple[int, float], set[float]] = {}
    for _, answer in found:
        for place, a in enumerate(answer["answers"]):
            key = (a["version"], len(answer["answers"]) * 100 + place)
            scores.setdefault(key, set()).add(a["score"])
    assert max(len(values) for values in scores.values()) <= 4


def test_the_loop_moves_the_rung(tmp_path: Path) -> None:
    """A rung that the ledger sets answers first, with its reason, until it is set back."""
    world = World(tmp_path, contract(fallback="[previous, default: 0.05]"))
    world.release(1, world.pack())
    world.release(2, world.pack(seed=1, tiny=False), 1)
    with Server(world.root) as server:
        _until(server, lambda a: a["version"] == 2)
        world.say(ev.RungSet(key="down", rung="previous", reason="quality"))
        answer = _until(server, lambda a: a["rung"] == "previous")
        assert (answer["version"], answer["reason"]) == (1, "the loop moved to previous")
        world.say(ev.RungSet(key="up", rung="champion", reason="healed"))
        assert _until(server, lambda a: a["rung"] == "champion")["reason"] == ""


def test_killed_workers_take_no_request_along(tmp_path: Path) -> None:
    """SIGKILL to the champion's worker under load: lower rungs answer, then the champion again."""
    fallback = "[rule: rules.py:score, default: 0.05]"
    world = World(tmp_path, contract(fallback=fallback, features=CODE))
    world.release(1, world.pack())
    with Server(world.root) as server:
        _until(server, lambda a: a["rung"] == "champion")
        with load(server.port) as found:
            time.sleep(0.3)
            for pid in _workers(server.process.pid):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.2)
            _until(server, lambda a: a["rung"] == "champion")
            time.sleep(0.2)
        ledger = world.ledger.read(MODEL)
    assert {status for status, _ in found} == {200}
    rungs = Counter(a["rung"] for _, answer in found for a in answer["answers"])
    assert rungs["champion"]
    assert rungs["default"] + rungs["rule"]
    assert "withheld" not in rungs
    lower = [a for _, answer in found for a in answer["answers"] if a["rung"] != "champion"]
    assert all("champion: " in a["reason"] for a in lower)
    # A death leads to a restart and never to training: the server wrote nothing.
    assert not [r for r in ledger if isinstance(r.event, ev.RunStarted)][1:]


def test_user_code_that_hangs_or_dies(tmp_path: Path) -> None:
    """A row on which the code hangs or kills itself: that caller gets a lower rung in time."""
    text = contract(deadline=400, fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": HANGS})
    world.release(1, world.pack())
    with Server(world.root) as server:
        _until(server, lambda a: a["rung"] == "champion")
        for bad in (50.0, -50.0):
            started = time.monotonic()
            answer = server.predict({**ROW, "minutes": bad})[1]
            assert time.monotonic() - started < 0.4 + 0.6
            assert (answer["rung"], answer["score"]) == ("default", 0.05)
            assert answer["reason"] in ("champion: timeout", "champion: worker died")
            _until(server, lambda a: a["rung"] == "champion")


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


def test_overload_is_answered_in_time(tmp_path: Path) -> None:
    """More than the worker can do: all are answered within the deadline, then by it again."""
    pause = "time.sleep(0.008 * min(len(frame), 40))"
    slow = f"import time\n\ndef build(frame):\n    {pause}\n    return frame\n"
    text = contract(deadline=500, fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": slow})
    world.release(1, world.pack())
    times: list[float] = []
    rungs: Counter[str] = Counter()

    def ask(port: int, until: float) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = json.dumps([ROW] * 10).encode()
        head = {"content-type": "application/json"}
        while time.monotonic() < until:
            started = time.monotonic()
            link.request("POST", f"/v1/models/{MODEL}/predict", body, head)
            answers = json.loads(link.getresponse().read())["answers"]
            times.append(time.monotonic() - started)
            rungs.update(a["rung"] for a in answers)
        link.close()

    with Server(world.root) as server:
        _until(server, lambda a: a["rung"] == "champion")
        # Each of 24 callers wants 80 ms of work at a time: about six times what one worker can do
        # within the deadline.
        until = time.monotonic() + 3
        callers = [threading.Thread(target=ask, args=(server.port, until)) for _ in range(24)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(30)
        _until(server, lambda a: a["rung"] == "champion", seconds=10)
    assert len(times) > 24
    assert rungs["champion"]
    assert rungs["default"]
    assert sum(rungs.values()) == 10 * len(times)
    # The deadline of the contract, and some slack for a machine that does other things, too.
    assert sorted(times)[int(len(times) * 0.98)] < 0.5 + 0.25


def test_sigterm_drains(tmp_path: Path) -> None:
    """What was asked before SIGTERM is answered; the process ends, its workers with it."""
    slow = "import time\n\ndef build(frame):\n    time.sleep(0.3)\n    return frame\n"
    text = contract(fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": slow})
    world.release(1, world.pack())
    with Server(world.root) as server:
        _until(server, lambda a: a["rung"] == "champion")
        workers = _workers(server.process.pid)
        found: list[Any] = []
        asking = threading.Thread(target=lambda: found.append(server.predict(ROW)))
        asking.start()
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert server.process.wait(20) in (0, -signal.SIGTERM)
        time.sleep(0.2)
        assert workers
        assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert found[0][0] == 200
    assert found[0][1]["rung"] == "champion"


def _until(server: Server, fits: Any, seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    answer = None
    while time.monotonic() < end:
        status, answer = server.predict(ROW)
        assert status == 200, answer
        if fits(answer):
            return answer
        time.sleep(0.05)
    raise AssertionError(f"the last answer was {answer}")


def _workers(pid: int) -> list[int]:
    """Return the children of a process."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(p) for text in children for p in text.read_text().split()]
