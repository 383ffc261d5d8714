"""The prediction log of a real server: what a kill costs, what an end costs, and a full disk."""

from __future__ import annotations

import http.client
import json
import os
import signal
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_world import MODEL, PATIENCE_S, ROW, Server, World, contract, segments, until

from tamid.core.spool import Segment

TEXT = contract(fallback="[default: 0.05]").replace("  label:", "  pii: [גיל]\n  label:")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A workspace with one compiled version."""
    world = World(tmp_path_factory.mktemp("world"), TEXT)
    world.release(1, world.pack())
    return world


def taken(world: World) -> tuple[list[Segment], list[dict[str, Any]]]:
    """Return all segments and the answers in them, and clear the folder."""
    found = segments(world.spool), world.logged()
    for path in world.spool.iterdir():
        path.unlink()
    return found


def ids(world: World) -> set[str]:
    """Return which answers are on the disk."""
    return {row["id"] for row in world.logged()}


def asked(server: Server, count: int) -> list[str]:
    """Ask row after row on one connection; return the ids of the answers."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    found: list[str] = []
    for n in range(count):
        body = json.dumps({**ROW, "calls": n % 40 / 2})
        link.request(
            "POST", f"/v1/models/{MODEL}/predict", body, {"content-type": "application/json"}
        )
        found.append(json.loads(link.getresponse().read())["id"])
    link.close()
    return found


def test_a_kill_costs_the_last_unflushed_answers_only(made: World) -> None:
    """SIGKILL amid traffic: what was flushed stays, whole and in order, and nothing else does."""
    with Server(made.root) as server:
        early = asked(server, 300)
        # Written while the server goes on, without being told to.
        until(lambda: ids(made) >= set(early))
        answers = early + asked(server, 300)
        server.end(signal.SIGKILL)
    found, rows = taken(made)
    assert not any(s.sealed for s in found)
    logged = [row["id"] for row in rows]
    assert len(early) <= len(logged)
    assert answers[: len(logged)] == logged
    assert {row["version"] for row in rows} == {1}


def test_an_ordered_end_costs_nothing(made: World) -> None:
    """SIGTERM: every answer that was given is in a sealed segment."""
    with Server(made.root) as server:
        answers = asked(server, 300)
        _, many = server.predict(
            [{**ROW, "_id": f"mine-{n}", "customer": "c7"} for n in range(500)]
        )
        server.end()
    found, logged = taken(made)
    assert all(s.sealed for s in found)
    assert [row["id"] for row in logged] == [*answers, *(a["id"] for a in many["answers"])]
    by_id = {row["id"]: row for row in logged}
    assert by_id["mine-3"]["_entity"] == "c7"
    scores = {a["id"]: a["score"] for a in many["answers"]}
    assert all(by_id[name]["score"] == score for name, score in scores.items())


def test_what_is_personal_is_not_written(made: World) -> None:
    """A declared input that is personal: the model reads it, the log does not hold it.

    Looked for are the text and the eight bytes of the number: both too long to
    stand in a log by chance, as four digits may.
    """
    personal = 4242.125
    with Server(made.root) as server:
        server.predict({**ROW, "גיל": personal})
        server.end()
    content = b"".join(p.read_bytes() for p in made.spool.iterdir())
    (row,) = taken(made)[1]
    assert {name: row[name] for name in ROW if name in row} == {
        name: value for name, value in ROW.items() if name != "גיל"
    }
    for written in (str(personal).encode(), struct.pack("<d", personal)):
        assert written not in content


@pytest.fixture
def small_disk(made: World) -> Iterator[Path]:
    """The server's folder on a small file system; only root may."""
    place = made.spool
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
        names = asked(server, 300)
        until(lambda: server.metric("tamid_log_failing ") == 1)
        ballast.unlink()
        until(lambda: server.metric("tamid_log_failing ") == 0)
        names += asked(server, 100)
    logged = {row["id"] for row in taken(made)[1]}
    assert logged <= set(names)
    # What was noted in full before it was noticed, and what came after it was freed.
    assert names[0] in logged
    assert names[-1] in logged
