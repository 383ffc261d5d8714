"""The load: prepared requests, sent by a small program in C from a core of its own."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# What ordinary clients send.
_HEADERS = (
    "User-Agent: python-requests/2.32.3",
    "Accept-Encoding: gzip, deflate",
    "Accept: */*",
    "Connection: keep-alive",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request: where to, what, and further headers."""

    path: str
    body: bytes
    kind: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of a run. Times in microseconds; `busy`: share of its core that the load took."""

    answered: int
    errors: int
    seconds: float
    p50: float
    p99: float
    busy: float


def build(folder: Path) -> Path:
    """Build the load; there is no other way to load a fast server from one core."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise SystemExit("make bench-serve needs a C compiler for its load (apt install gcc)")
    made = folder / "load"
    source = Path(__file__).with_name("load.c")
    subprocess.run([compiler, "-O2", str(source), "-o", str(made)], check=True)
    return made


def write_requests(path: Path, port: int, asked: Sequence[Asked]) -> None:
    """Write requests as the load reads them."""
    with path.open("wb") as file:
        for one in asked:
            raw = raw_request(port, one)
            file.write(struct.pack("<I", len(raw)) + raw)


def raw_request(port: int, asked: Asked) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [
        f"POST {asked.path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *_HEADERS, *asked.headers,
        f"Content-Type: {asked.kind}", f"Content-Length: {len(asked.body)}",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + asked.body


def run(load: Path, requests: Path, port: int, links: int, seconds: float, core: int) -> Told:
    """Load a server for some seconds."""
    command = [str(load), str(port), str(links), str(seconds), str(requests)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    told = json.loads(done.stdout)
    return Told(
        answered=told["answered"],
        errors=told["wrong"] + told["broken"],
        seconds=told["seconds"],
        p50=told["p50"],
        p99=told["p99"],
        busy=told["cpu"] / told["seconds"],
    )
