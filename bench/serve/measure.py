"""One server, started on a core of its own: is it right, and what does it cost."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serve.load import Asked, Told, run, write_requests
from serve.servers import APPS, SERVERS, Server
from serve.world import World

# Seconds until a server must have answered; the slowest takes ten, on a busy machine forty.
_PATIENCE = 120.0
_WARM = 0.5
_TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A server did not start, or answered something else than the original."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A server under a load. `cpu`: microseconds a request; `started`: wall and CPU seconds."""

    server: str
    links: int
    rps: float
    p50: float
    p99: float
    errors: int
    cpu: float
    memory: float
    started: tuple[float, float]
    worst: float
    busy: float


def measure(
    server: Server, python: str, world: World, load: Path, links: list[int], seconds: float
) -> Iterator[Run]:
    """Start, check the answers, load it with each number of connections. Raises Failed."""
    with _running(server, python, world) as (process, port, began):
        worst = _first_answers(server, world, process, port, began)
        started = (time.monotonic() - began, tree_cpu(process.pid))
        requests = world.folder / "requests.bin"
        write_requests(requests, port, [server.asked(row) for row in world.rows])
        for count in links:
            run(load, requests, port, count, _WARM, 1)
            before = tree_cpu(process.pid)
            told = run(load, requests, port, count, seconds, 1)
            spent = tree_cpu(process.pid) - before
            yield _run(server, count, told, spent, _memory(process.pid), started, worst)


@contextmanager
def running_tamid(world: World) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run Tamid until the end of the block, once it has answered."""
    server = next(s for s in SERVERS if s.name == "tamid")
    with _running(server, sys.executable, world) as (process, port, began):
        _first_answers(server, world, process, port, began)
        yield process, port


def _run(
    server: Server, links: int, told: Told, spent: float, memory: float,
    started: tuple[float, float], worst: float,
) -> Run:  # fmt: skip
    return Run(
        server=server.name,
        links=links,
        rps=told.answered / told.seconds,
        p50=told.p50,
        p99=told.p99,
        errors=told.errors,
        cpu=spent / max(told.answered, 1) * 1e6,
        memory=memory,
        started=started,
        worst=worst,
        busy=told.busy,
    )


@contextmanager
def _running(
    server: Server, python: str, world: World
) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    port = _free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
    env |= {"OMP_NUM_THREADS": "1", "BENCH_PICKLE": str(world.pickle), **server.env}
    env["PYTHONPATH"] = os.pathsep.join([str(APPS), env.get("PYTHONPATH", "")])
    if "BENCH_COMPILED" in server.env:
        env |= {"BENCH_PROGRAM": str(world.program), "BENCH_TAMID": _package_folder()}
    # The tools of an environment find each other on the path.
    env["PATH"] = os.pathsep.join([str(Path(python).parent), env["PATH"]])
    command = [str(part) for part in server.command(python, port, world)]
    with (world.folder / f"{server.name}.log").open("wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=env, cwd=APPS, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {0}),  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        try:
            yield process, port, began
        finally:
            _end(process)


def _first_answers(
    server: Server, world: World, process: subprocess.Popen[bytes], port: int, began: float
) -> float:
    """Wait for an answer, hold twenty against the original, return the largest difference."""
    while True:
        try:
            _ask(port, server.asked(world.rows[0]))
            break
        except (OSError, http.client.HTTPException, Failed) as error:
            if process.poll() is not None or time.monotonic() - began > _PATIENCE:
                raise Failed(f"{server.name} did not answer: {error}") from None
            time.sleep(0.02)
    if not server.checked:
        return 0.0
    found = [server.score(json.loads(_ask(port, server.asked(row)))) for row in world.rows[:20]]
    worst = max(abs(a - b) for a, b in zip(found, world.wanted[:20], strict=True))
    if worst > 1e-9:
        raise Failed(f"{server.name} answers something else: {worst:.2g}")
    return worst


def _ask(port: int, asked: Asked) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = dict(line.split(": ", 1) for line in asked.headers)
    try:
        connection.request("POST", asked.path, asked.body, {"Content-Type": asked.kind, **headers})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"status {answer.status}: {body[:300]!r}")
    return body


def _tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _tree(int(child))
    return found


def tree_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and all that it started."""
    total = 0.0
    for one in _tree(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / _TICK
    return total


def _memory(pid: int) -> float:
    """Return the megabytes of a tree, what processes share counted once."""
    total = 0
    for one in _tree(pid):
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with all that it started: it leads a session of its own."""
    for word, patience in ((signal.SIGTERM, 8), (signal.SIGKILL, 8)):
        try:
            os.killpg(process.pid, word)
            process.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
    process.wait(5)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _package_folder() -> str:
    import tamid

    return str(Path(tamid.__file__).parents[1])
