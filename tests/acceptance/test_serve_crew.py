"""Several processes on one port: counted together, kept alive, following releases, drained."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

from serving_world import (
    CODE,
    HELD,
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


def written(folder: Path) -> int:
    """Return how many rows the processes have put down as answered: a kill cannot take these."""
    files = [json.loads(path.read_text()) for path in folder.glob("tamid-crew-*/*.json")]
    return sum(n for told in files for *_, n in told["counts"]["rows"])


def test_two_processes_are_one_server(tmp_path: Path) -> None:
    """All metrics are sums; a killed process is replaced, what it counted stays; both follow."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2", env={"TMPDIR": str(tmp_path)}) as server:
        until(lambda: server.metric("tamid_processes ") == 2)
        until(lambda: server.metric("tamid_ready ") == 1)
        for _ in range(60):
            assert server.predict(ROW)[0] == 200
        # What another process counts is added with a lag of half a second, and a kill within it
        # takes it along.
        until(lambda: server.metric(r"tamid_rows_total\{") == 60)
        until(lambda: written(tmp_path) == 60)
        mates = children(server.process.pid)
        assert len(mates) == 2
        os.kill(mates[0], signal.SIGKILL)
        until(lambda: len(set(children(server.process.pid)) - set(mates)) == 1)
        # Who comes while the new process opens its version is answered by the other.
        assert {server.predict(ROW)[0] for _ in range(200)} == {200}
        until(lambda: server.metric("tamid_processes ") == 2)
        until(lambda: server.metric(r"tamid_rows_total\{") == 260)
        world.release(2, world.pack(seed=1, tiny=False), 1)
        until(lambda: {server.predict(ROW)[1]["version"] for _ in range(12)} == {2})
        assert mates[1] in children(server.process.pid)
        assert server.metric("tamid_champion_version ") == 2


def test_a_term_drains_them_all(tmp_path: Path) -> None:
    """What was asked is answered by each; then lead, processes and workers are gone."""
    gate = tmp_path / "gate"
    text = contract(fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path / "w", text, {"features.py": gated(gate)})
    world.release(1, world.pack())
    found: list[Any] = []
    with Server(world.root, "--workers", "2") as server:
        until(lambda: server.metric("tamid_ready ") == 1 and server.metric("tamid_processes ") == 2)
        mates = children(server.process.pid)
        below = [pid for mate in mates for pid in children(mate)]
        asking = [
            threading.Thread(target=lambda: found.append(server.predict(HELD))) for _ in range(8)
        ]
        for one in asking:
            one.start()
        # The one who looks is counted, too.
        until(lambda: server.metric("tamid_requests_in_flight ") == 9)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.listens())
        gate.touch()
        for one in asking:
            one.join(PATIENCE_S)
        assert server.process.wait(PATIENCE_S) == 0
        assert len(mates) == 2
        assert below
        until(lambda: ended(*mates, *below))
    assert [status for status, _ in found] == [200] * 8
    assert {a["rung"] for _, a in found} == {"champion"}


def test_without_a_lead_nobody_stays(tmp_path: Path) -> None:
    """A lead that is killed leaves no process behind that nobody could end."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2") as server:
        until(lambda: server.metric("tamid_processes ") == 2)
        mates = children(server.process.pid)
        server.process.kill()
        until(lambda: ended(*mates))


def test_a_process_that_keeps_dying_is_started_more_and_more_seldom(tmp_path: Path) -> None:
    """The pause before a start doubles with each death; who asks meanwhile meets the other one."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2") as server:
        until(lambda: server.metric("tamid_processes ") == 2)
        stays = children(server.process.pid)[1]
        for _ in range(3):
            other = until(lambda: [p for p in children(server.process.pid) if p != stays])[0]
            os.kill(other, signal.SIGKILL)
            until(partial(ended, other))
        until(lambda: len(children(server.process.pid)) == 2)
        said = (world.root / "serve.log").read_text()
    pauses = [float(p) for p in re.findall(r"again in ([0-9.]+) s", said)]
    assert pauses[:3] == [0.0, 0.2, 0.4]


def test_the_port_is_taken_once(tmp_path: Path) -> None:
    """Two servers with processes on one port: the second is told before anything is loaded."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2") as server:
        command = [sys.executable, "-m", "tamid", "-C", str(world.root), "serve", "--json"]
        alone = subprocess.run(
            [*command, "--port", str(server.port)],
            capture_output=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
    assert alone.returncode
    assert b"one cannot listen" in alone.stderr + alone.stdout
