"""How long a call takes where nothing else keeps the processors busy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter

# Nanoseconds on a processor, nanoseconds waiting for one, number of turns: Linux alone tells
# (the kernel's documentation, scheduler/sched-stats, "/proc/<pid>/schedstat").
_SCHEDULER = Path("/proc/thread-self/schedstat")


def milliseconds(call: Callable[[], object]) -> float:
    """Call and return the time it took, less what this thread waited for a free processor.

    What the call itself waits for (a disk, a sleep, a lock) counts. Where the system does not tell
    how long threads wait, all that passes counts.
    """
    waited, started = _waited(), perf_counter()
    call()
    took = perf_counter() - started
    return max(0.0, took - (_waited() - waited)) * 1000


def _waited() -> float:
    """Return the seconds that this thread has waited for a processor since it began."""
    try:
        return int(_SCHEDULER.read_bytes().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0
