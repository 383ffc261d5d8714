"""What happens around a server for years needs no restart: keys that change, a disk that fills."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving_world import MODEL, PATIENCE_S, ROW, Server, World, contract, until

from tamid.adapters.report_files import FileReports
from tamid.core.errors import Waiting
from tamid.serving.brain import follow
from tamid.serving.brain.turn import Ladder
from tamid.serving.values import Answer, Request, Row
from tamid.serving.wiring import brain_of


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system in memory; only root may."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    words = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_rotated_key_is_followed(tmp_path: Path) -> None:
    """A version signed with a key made meanwhile answers; one of a revoked key never does."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    stolen = world.pack(seed=3, tiny=False)
    with Server(world.root) as server:
        old = world.keys.known()[0].id
        world.keys.rotate()
        world.release(2, world.pack(seed=1, tiny=False), 1)
        until(lambda: server.predict(ROW)[1]["version"] == 2)
        world.keys.revoke(old)
        world.release(3, stolen, 2)
        until(lambda: "was revoked" in (world.root / "serve.log").read_text())
        assert server.predict(ROW)[1]["version"] == 2
        world.release(4, world.pack(seed=4, tiny=False), 3)
        until(lambda: server.predict(ROW)[1]["version"] == 4)


def test_a_full_disk_that_is_freed(disk: Path) -> None:
    """While nothing can be written all are answered; once there is room all is as before."""
    world = World(disk / "world", contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    two, reports = world.pack(seed=1, tiny=False), FileReports(world.store / "reports")
    with Server(world.root) as server:
        until(lambda: server.predict(ROW)[0] == 200 and bool(reports.heard(MODEL)))
        stuffing = disk / "stuffing"
        with stuffing.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(b"x" * 65_536)
                except OSError:
                    break
        for _ in range(300):
            status, answer = server.predict(ROW)
            assert (status, answer["rung"]) == (200, "champion")
        until(lambda: server.metric("tamid_log_failing ") == 1)
        time.sleep(6)  # a report is tried meanwhile; whether it was changes no assertion
        (before,) = reports.heard(MODEL)
        stuffing.unlink()
        until(lambda: reports.heard(MODEL)[0].rungs.get("champion", 0) >= 301)
        assert reports.heard(MODEL)[0].process == before.process
        world.release(2, two, 1)
        until(lambda: server.predict(ROW)[1]["version"] == 2)


@pytest.mark.parametrize("lost", ["champion", "previous"])
def test_what_could_not_be_loaded_is_tried_again(
    tmp_path: Path, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that is damaged for a while: the other version answers, and then both are there."""
    monkeypatch.setattr(follow, "_AGAIN", 0.2)
    world = World(tmp_path, contract(fallback="[previous, default: 0.05]"))
    packs = {"previous": world.pack(tiny=False), "champion": world.pack(seed=1, tiny=False)}
    world.release(1, packs["previous"])
    world.release(2, packs["champion"], 1)
    digest = packs[lost].bundle.removeprefix("sha256:")
    bundle = world.store / "blobs" / digest[:2] / digest[2:]
    content, said = bundle.read_bytes(), list[str]()

    async def play() -> tuple[Answer, Ladder]:
        brain = brain_of(world.root, say=said.append)

        async def becomes(right: Callable[[Ladder], bool]) -> Ladder:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                try:
                    if right(brain.turn):
                        return brain.turn
                except Waiting:
                    pass
                await asyncio.sleep(0.05)
            raise AssertionError(said)

        brain.begin()
        turn = await becomes(lambda turn: lost == "champion" or bool(said[1:]))
        request = Request(rows=[Row(values=ROW)], ids=["a"], arrived=time.monotonic())
        (answer,) = await turn.answers(request)
        bundle.write_bytes(content)
        whole = await becomes(lambda turn: {"champion", "previous"} <= set(turn.voices))
        await brain.close()
        return answer, whole

    bundle.chmod(0o600)
    bundle.write_bytes(b"{}")
    answer, whole = asyncio.run(play())
    number, rung = (1, "previous") if lost == "champion" else (2, "champion")
    assert (answer.version, answer.rung) == (number, rung)
    assert answer.reason == ("champion: not loaded" if lost == "champion" else "")
    assert whole.served.number == 2
    assert sum("is left out" in text for text in said) == (lost == "previous")
