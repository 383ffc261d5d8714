"""How much memory the demo and all its workers hold at once, at the most."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tamid.examples.telecom.demo_outage import children

# Seconds between two looks.
_LOOK = 0.25
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 2**20


class Watcher:
    """Looks at this process and its children until it is left; `peak_mb` is the largest sum."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End looking."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        mine, begun = _command(os.getpid()), set[int]()
        while not self._over.wait(_LOOK):
            there = children()
            # A child that has not begun its own program yet still is its parent's memory.
            begun = {pid for pid in there if pid in begun or _command(pid) != mine}
            held = [_held(pid) for pid in (os.getpid(), *begun)]
            # Libraries lie in memory once, whoever uses them.
            total = sum(own for own, _ in held) + max(shared for _, shared in held)
            self.peak_mb = max(self.peak_mb, total)


def _held(pid: int) -> tuple[float, float]:
    """Return what a process holds alone and what it shares, in megabytes."""
    with suppress(OSError, IndexError, ValueError):
        pages = _content(f"/proc/{pid}/statm").split()
        return (int(pages[1]) - int(pages[2])) * _PAGE_MB, int(pages[2]) * _PAGE_MB
    return 0.0, 0.0


def _command(pid: int) -> bytes:
    """Return the program and arguments of a process, nothing when it is over."""
    with suppress(OSError):
        return _content(f"/proc/{pid}/cmdline")
    return b""


def _content(path: str) -> bytes:
    # Four times a second for a whole year: what a file object costs beside it adds up.
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 1 << 16)
    finally:
        os.close(handle)
