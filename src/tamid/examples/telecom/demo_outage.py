"""An outage from outside: whatever works for this process is killed as long as it lasts.

The loop is not told. It sees what it would see on a machine whose memory ran out: workers that die
by SIGKILL while they answer, and die again when they are started anew.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Between two looks at who is at work, in seconds: far less than any answer takes.
_LOOK = 0.002


@contextmanager
def outage() -> Iterator[list[int]]:
    """Kill every child process that begins to work; the list names those that were killed."""
    killed: list[int] = []
    over = threading.Event()
    seen = {pid: _worked(pid) for pid in children()}
    thread = threading.Thread(target=_watch, args=(seen, killed, over), daemon=True)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def children() -> list[int]:
    """Return the ids of this process's children; none where the system does not tell."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - looked at all the time
            with suppress(OSError):
                found += map(int, Path(f"/proc/self/task/{task}/children").read_bytes().split())
    return found


def _watch(seen: dict[int, int], killed: list[int], over: threading.Event) -> None:
    while not over.is_set():
        for pid in children():
            if pid not in killed and _worked(pid) > seen.setdefault(pid, 0):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
        time.sleep(_LOOK)


def _worked(pid: int) -> int:
    """Return how long a process has worked, in nanoseconds of the processor."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
