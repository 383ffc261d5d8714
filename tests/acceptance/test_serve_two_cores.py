"""Two processes answer almost twice as much as one, with a model that works.

Held against what two processes that only compute are worth on the same machine at the same time:
twice as much as one where two cores are idle, less where others work.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving_world import CODE, MODEL, ROW, Server, World, burning, contract

# Four milliseconds of processor time a row, whatever the size of the batch.
BURNS = burning(0.004)
ROUNDS, SECONDS, CALLERS = 3, 5, 32
LOOP = """
import sys, time
until, done = time.monotonic() + float(sys.argv[1]), 0
while time.monotonic() < until:
    sum(range(10_000))
    done += 1
print(done)
"""


def rate(port: int, script: Path) -> float:
    """Return the rows per second that wrk gets answered by the champion."""
    words = ["wrk", "-t1", f"-c{CALLERS}", f"-d{SECONDS}s", "-s", str(script)]
    url = f"http://127.0.0.1:{port}/v1/models/{MODEL}/predict"
    told = subprocess.run([*words, url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in told
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", told)[1])  # type: ignore[index]


def champions(server: Server) -> float:
    """Return how many rows the champion has answered."""
    text = server.raw("GET", "/metrics")[2].decode()
    found = re.findall(r'tamid_rows_total\{rung="champion"[^}]*\} ([0-9.e+]+)', text)
    return sum(map(float, found))


def burnt(processes: int) -> float:
    """Return how often a loop ran in some seconds, in so many processes together."""
    words = [sys.executable, "-c", LOOP, str(SECONDS)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return sum(float(one.communicate()[0]) for one in started)


@pytest.mark.bench
def test_two_processes_are_worth_almost_two(tmp_path: Path) -> None:
    """Interleaved rounds of one and of two; medians; only what the champion answered counts.

    Of what the machine gives two processes at least 85 % arrive: 1.7 times on two idle cores.
    """
    if shutil.which("wrk") is None or (os.cpu_count() or 1) < 2:
        pytest.skip("this needs wrk and two cores")
    text = contract(deadline=3000, fallback="[default: 0.05]", features=CODE)
    world = World(tmp_path, text, {"features.py": BURNS})
    world.release(1, world.pack())
    script = tmp_path / "post.lua"
    body = json.dumps(ROW, ensure_ascii=False)
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = [[{body}]]\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
    )
    seen: dict[str, list[float]] = {"1": [], "2": []}
    worth: list[float] = []
    for _ in range(ROUNDS):
        worth.append(burnt(2) / burnt(1))
        for workers, rates in seen.items():
            with Server(world.root, "--workers", workers) as server:
                time.sleep(3)
                rate(server.port, script)
                before = champions(server)
                rate(server.port, script)
                time.sleep(1)
                rates.append((champions(server) - before) / SECONDS)
    one, two = statistics.median(seen["1"]), statistics.median(seen["2"])
    machine = min(statistics.median(worth), 2.0)
    print(  # noqa: T201 - a benchmark tells
        f"one {one:.0f}/s, two {two:.0f}/s: {two / one:.2f} times {seen}; "
        f"two processes that only compute: {machine:.2f} times"
    )
    assert two / one >= 0.85 * machine
