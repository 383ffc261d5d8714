"""Several processes on one port: counted together, kept alive, following releases, drained."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from serving_world import CODE, ROW, Server, World, contract, until


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted(int(p) for text in found for p in text.read_text().split())


def metric(server: Server, pattern: str) -> float:
    """Return the sum of the samples whose line begins like the pattern."""
    text = server.raw("GET", "/metrics")[2].decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if re.match(pattern, line))


def written(folder: Path) -> int:
    """Return how many rows the processes have put down as answered: a kill cannot take these."""
    files = [json.loads(path.read_text()) for path in folder.glob("tamid-crew-*/*.json")]
    return sum(n for told in files for *_, n in told["counts"]["rows"])


def _gone(path: Path) -> bool:
    return not path.exists()


def test_two_processes_are_one_server(tmp_path: Path) -> None:
    """All metrics are sums; a killed process is replaced, what it counted stays; both follow."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2", env={"TMPDIR": str(tmp_path)}) as server:
        until(lambda: metric(server, "tamid_processes ") == 2)
        until(lambda: metric(server, "tamid_ready ") == 1)
        for _ in range(60):
            assert server.predict(ROW)[0] == 200
        # What another process counts is added with a lag of half a second, and a kill within it
        # takes it along. On a loaded machine a row may be answered from a lower rung, in time.
        until(lambda: metric(server, r"tamid_rows_total\{") == 60)
        until(lambda: written(tmp_path) == 60)
        mates = children(server.process.pid)
        assert len(mates) == 2
        os.kill(mates[0], signal.SIGKILL)
        until(lambda: len(set(children(server.process.pid)) - set(mates)) == 1)
        # Who comes while the new process opens its version is answered by the other.
        assert {server.predict(ROW)[0] for _ in range(200)} == {200}
        until(lambda: metric(server, "tamid_processes ") == 2)
        until(lambda: metric(server, r"tamid_rows_total\{") == 260)
        world.release(2, world.pack(seed=1, tiny=False), 1)
        until(lambda: {server.predict(ROW)[1]["version"] for _ in range(12)} == {2})
        assert mates[1] in children(server.process.pid)
        assert metric(server, "tamid_champion_version ") == 2


def test_a_term_drains_them_all(tmp_path: Path) -> None:
    """What was asked is answered by each; then lead, processes and workers are gone."""
    slow = "import time\n\ndef build(frame):\n    time.sleep(0.3)\n    return frame\n"
    text = contract(fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": slow})
    world.release(1, world.pack())
    found: list[Any] = []
    with Server(world.root, "--workers", "2") as server:
        until(
            lambda: metric(server, "tamid_ready ") == 1 and metric(server, "tamid_processes ") == 2
        )
        mates = children(server.process.pid)
        below = [pid for mate in mates for pid in children(mate)]
        asking = [
            threading.Thread(target=lambda: found.append(server.predict(ROW))) for _ in range(8)
        ]
        for one in asking:
            one.start()
        time.sleep(0.15)
        server.process.send_signal(signal.SIGTERM)
        for one in asking:
            one.join(20)
        assert server.process.wait(25) == 0
        assert len(mates) == 2
        assert below
        until(lambda: not [p for p in (*mates, *below) if Path(f"/proc/{p}").exists()], 5)
    assert [status for status, _ in found] == [200] * 8
    assert {a["rung"] for _, a in found} == {"champion"}


def test_without_a_lead_nobody_stays(tmp_path: Path) -> None:
    """A lead that is killed leaves no process behind that nobody could end."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2") as server:
        until(lambda: metric(server, "tamid_processes ") == 2)
        mates = children(server.process.pid)
        server.process.kill()
        until(lambda: not [p for p in mates if Path(f"/proc/{p}").exists()], 20)


def test_a_process_that_keeps_dying_is_started_more_and_more_seldom(tmp_path: Path) -> None:
    """The pause before a start doubles with each death; who asks meanwhile meets the other one."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    with Server(world.root, "--workers", "2") as server:
        until(lambda: metric(server, "tamid_processes ") == 2)
        stays = children(server.process.pid)[1]
        for _ in range(3):
            other = until(lambda: [p for p in children(server.process.pid) if p != stays])[0]
            os.kill(other, signal.SIGKILL)
            until(partial(_gone, Path(f"/proc/{other}")))
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
            [*command, "--port", str(server.port)], capture_output=True, timeout=60, check=False
        )
    assert alone.returncode
    assert b"one cannot listen" in alone.stderr + alone.stdout
