"""Many rows in one request, against the bare model call on as many."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from pathlib import Path

from serve.measure import running_tamid, tree_cpu
from serve.world import MODEL, World

ROWS = 10_000


def many_rows(world: World, python: str, rounds: int) -> dict[str, float]:
    """Return CPU seconds of one request with many rows, of the model alone, and their ratio."""
    script = str(Path(__file__).parent / "apps" / "bare.py")
    command = [python, script, str(world.pickle), str(world.folder / "rows.json"), str(ROWS)]
    body = json.dumps([world.rows[i % len(world.rows)] for i in range(ROWS)]).encode()
    bare, spent, wall = [], [], []
    for _ in range(rounds):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        bare.append(float(done.stdout))
        with running_tamid(world) as (process, port):
            for _ in range(5):
                before, began = tree_cpu(process.pid), time.monotonic()
                _ask(port, body)
                wall.append(time.monotonic() - began)
                spent.append(tree_cpu(process.pid) - before)
    return {
        "bare_seconds": min(bare),
        "request_seconds": statistics.median(wall),
        "request_least_seconds": min(wall),
        "request_cpu_seconds": statistics.median(spent),
        "request_by_bare": min(wall) / min(bare),
    }


def _ask(port: int, body: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", f"/v1/models/{MODEL}/predict", body, headers)
    answer = connection.getresponse()
    if answer.status != 200 or len(json.loads(answer.read())["answers"]) != ROWS:
        raise RuntimeError(f"status {answer.status}")
    connection.close()
