"""The prediction log of a real server: what a kill costs, what an end costs, and a full disk."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_world import MODEL, ROW, Server, World, contract

from tamid.core.spool import ROWS, Segment, read_segment

TEXT = contract(fallback="[default: 0.05]").replace("  label:", "  pii: [גיל]\n  label:")
# A flush comes every quarter of a second; other tests may keep the disk and both cores busy.
AT_MOST = 2.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A workspace with one compiled version."""
    world = World(tmp_path_factory.mktemp("world"), TEXT)
    world.release(1, world.pack())
    return world


def spool(world: World) -> Path:
    """Return where the server writes."""
    return world.store / "spool" / MODEL


def segments(world: World) -> list[Segment]:
    """Return all segments, and clear the folder."""
    paths = sorted(spool(world).iterdir())
    found = [read_segment(p.read_bytes()) for p in paths]
    for path in paths:
        path.unlink()
    return found


def rows(found: list[Segment]) -> list[dict[str, Any]]:
    """Return the logged answers with what was asked."""
    return [
        {**answer, **asked}
        for s in found
        for body in s.of(ROWS)
        for _, asked, answer in body["rows"]
    ]


def asked(server: Server, seconds: float) -> list[tuple[float, str]]:
    """Ask row after row on one connection; return when each answer came, and its id."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    found: list[tuple[float, str]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        body = json.dumps({**ROW, "calls": len(found) % 40 / 2})
        link.request(
            "POST", f"/v1/models/{MODEL}/predict", body, {"content-type": "application/json"}
        )
        answer = json.loads(link.getresponse().read())
        found.append((time.monotonic(), answer["id"]))
    link.close()
    return found


def test_a_kill_costs_the_last_unflushed_answers_only(made: World) -> None:
    """SIGKILL amid traffic: every answer older than the interval is in the log, whole."""
    with Server(made.root) as server:
        answers = asked(server, 4.0)
        server.process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        server.process.wait(10)
    found = segments(made)
    assert not any(s.sealed for s in found)
    logged = [row["id"] for row in rows(found)]
    assert len(logged) == len(set(logged))
    old = [name for at, name in answers if at < killed - AT_MOST]
    assert len(old) > 100
    assert set(old) <= set(logged) <= {name for _, name in answers}
    assert [name for _, name in answers][: len(logged)] == logged
    assert {row["version"] for row in rows(found)} == {1}


def test_an_ordered_end_costs_nothing(made: World) -> None:
    """SIGTERM: every answer that was given is in a sealed segment."""
    with Server(made.root) as server:
        answers = asked(server, 0.7)
        _, many = server.predict(
            [{**ROW, "_id": f"mine-{n}", "customer": "c7"} for n in range(500)]
        )
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    found = segments(made)
    assert all(s.sealed for s in found)
    logged = rows(found)
    assert [row["id"] for row in logged] == [
        *(name for _, name in answers), *(a["id"] for a in many["answers"])
    ]  # fmt: skip
    by_id = {row["id"]: row for row in logged}
    assert by_id["mine-3"]["_entity"] == "c7"
    scores = {a["id"]: a["score"] for a in many["answers"]}
    assert all(by_id[name]["score"] == score for name, score in scores.items())


def test_what_is_personal_is_not_written(made: World) -> None:
    """A declared input that is personal: the model reads it, the log does not hold it."""
    with Server(made.root) as server:
        server.predict({**ROW, "גיל": 4242.125})
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    content = b"".join(p.read_bytes() for p in spool(made).iterdir())
    (row,) = rows(segments(made))
    assert {name: row[name] for name in ROW if name in row} == {
        name: value for name, value in ROW.items() if name != "גיל"
    }
    assert b"4242" not in content


@pytest.fixture
def small_disk(made: World) -> Iterator[Path]:
    """The server's folder on a small file system; only root may."""
    place = spool(made)
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_fails_no_answer(made: World, small_disk: Path) -> None:
    """Full before the first answer: all are given, the metrics say so, and it heals by itself."""
    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    ballast.write_bytes(b"x" * (free.f_bavail * free.f_frsize - 8192))
    with Server(made.root) as server:
        answers = asked(server, 0.6)
        assert gauge(server, "tamid_log_failing") == 1
        ballast.unlink()
        end = time.monotonic() + 10
        while gauge(server, "tamid_log_failing") and time.monotonic() < end:
            time.sleep(0.05)
        assert gauge(server, "tamid_log_failing") == 0
        answers += asked(server, 0.2)
    logged = rows(segments(made))
    names = [name for _, name in answers]
    assert {row["id"] for row in logged} <= set(names)
    # What was noted in full before it was noticed, and what came after it was freed.
    assert names[0] in {row["id"] for row in logged}
    assert names[-1] in {row["id"] for row in logged}


def gauge(server: Server, name: str) -> float:
    """Return one of the server's numbers."""
    text = server.raw("GET", "/metrics")[2].decode()
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])
