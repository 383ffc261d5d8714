"""The lead: keeps so many server processes alive as were asked for, and answers nothing itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tamid.serving.crew.mate import PLACE
from tamid.serving.http.server import bound

# Seconds before a process that ended is started again: none for the first time, then doubling.
_FIRST, _LONGEST = 0.2, 30.0
# Seconds after which a process that was told to end is killed.
_HANGS = 600.0
# One that lived so long is no longer counted as one that keeps dying.
_LIVED = 30.0
_LOOK = 0.05


@dataclass(slots=True)
class _Place:
    """Where a process stands; `due`: when the next one is started, if there is none."""

    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    deaths: int = 0
    restarts: int = field(default=-1)


def lead(
    workers: int,
    words: Sequence[str],
    host: str,
    port: int,
    say: Callable[[str], None],
) -> int:
    """Keep processes of `tamid WORDS` on one port until SIGTERM or SIGINT; return a status.

    The port is held without listening: nobody else can take it, and no connection comes here.

    Raises:
        UsageError: one cannot listen there.
    """
    held = bound(host, port, shared=True)
    folder = Path(tempfile.mkdtemp(prefix="tamid-crew-"))
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    places = [_Place() for _ in range(workers)]
    try:
        while not stop.is_set():
            for number, place in enumerate(places):
                _look_after(number, place, words, folder, say)
            stop.wait(_LOOK)
        return _end(places)
    finally:
        for place in places:
            if place.process is not None and place.process.poll() is None:
                place.process.kill()
        held.close()
        shutil.rmtree(folder, ignore_errors=True)


def _look_after(
    number: int, place: _Place, words: Sequence[str], folder: Path, say: Callable[[str], None]
) -> None:
    now = time.monotonic()
    if place.process is not None and place.process.poll() is not None:
        if now - place.started > _LIVED:
            place.deaths = 0
        pause = min(_FIRST * 2 ** (place.deaths - 1), _LONGEST) if place.deaths else 0.0
        say(f"process {number} ended with {place.process.returncode}: again in {pause:g} s")
        place.process, place.due, place.deaths = None, now + pause, place.deaths + 1
    if place.process is None and now >= place.due:
        place.restarts += 1
        place.started = now
        place.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tamid", *words],
            env={**os.environ, PLACE: f"{number}:{place.restarts}:{os.getpid()}:{folder}"},
        )


def _end(places: Sequence[_Place]) -> int:
    """Let all finish what they have begun; return 0 if they did."""
    alive = [p.process for p in places if p.process is not None and p.process.poll() is None]
    for process in alive:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    # Each ends its own requests in time, which the contract says; this is for what hangs.
    end = time.monotonic() + _HANGS
    for process in alive:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    return 0 if all(p.returncode in (0, -signal.SIGTERM) for p in alive) else 1
