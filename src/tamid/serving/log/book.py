"""The prediction log: answers are noted in memory and brought to the disk by a thread of its own.

Nothing waits for it. A note is an entry in a queue; every 64 notes are packed where they were noted
(a tenth of a millisecond), larger requests by the thread, and every quarter of a second all goes to
the disk. So a killed process loses at most the last quarter of a second of answers, one that is
told to end loses nothing, and a power cut costs a second.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from tamid.core.errors import SystemFailure
from tamid.core.ladder import ABSTAIN
from tamid.core.spool import ROWS, TIMES, block
from tamid.serving.log.packing import RESERVED, Kept, Noted, chosen, packed
from tamid.serving.log.segments import Segments
from tamid.serving.log.times import Times
from tamid.serving.seams import LogBook
from tamid.serving.values import Answer, Row, Served

# Seconds between two flushes: what a kill may cost.
EVERY = 0.25
# Requests that are packed at once, and rows and bytes that may wait in memory.
_PACK, _MOST_ROWS, _MOST_BYTES = 128, 50_000, 32 * 2**20
# Rows above which packing is left to the thread: it gives way between two packs.
_AT_ONCE = 256
# Where less room than this is left, only the reserved sample is kept, if the contract says so.
_ALMOST = 0.9


class NotKept(SystemFailure):
    """What was sent could not be written to the disk."""

    fix = "Free space on the server's disk, or let `tamid tick` take the log into the tables."


class Book:
    """A LogBook in a folder; `note` is for one thread, everything else for any."""

    def __init__(
        self,
        folder: Path,
        model: str,
        *,
        every: float = EVERY,
        most_bytes: int = _MOST_BYTES,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.kept = Kept()
        self.segments = Segments(folder, model, wall=wall)
        # Called after every flush, on the thread: whoever has something to tell now and then.
        self.watchers: list[Callable[[], None]] = []
        self.endings: list[Callable[[], None]] = []
        self._every, self._most_bytes, self._wall = every, most_bytes, wall
        self._noted: deque[Noted] = deque()
        self._rows_in = self._rows_out = 0
        self._packed: deque[tuple[int, bytes, int]] = deque()
        self._bytes, self._limit = 0, 0
        self._times = Times(wall())
        # One is held for microseconds, the other while the disk works: `note` takes only the first.
        self._packing, self._writing = threading.Lock(), threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Little room is left: what is kept is chosen by its id.
        self.tight = False

    def gauges(self) -> dict[str, float]:
        """Return what an operator wants to see."""
        return {
            "log_rows_kept": self.kept.rows,
            "log_rows_lost": self.kept.lost,
            "log_rows_waiting": self._rows_in - self._rows_out,
            "log_disk_bytes": self.segments.used,
            "log_failing": float(self.kept.failing),
        }

    def note(
        self,
        served: Served,
        rows: Sequence[Row],
        answers: Sequence[Answer],
        seconds: tuple[float, ...],
        size: int,
        sent: bytes = b"",
        reply: bytes = b"",
    ) -> None:
        """Keep the answers to one request; see :class:`tamid.serving.seams.LogBook`."""
        share = 0.0
        if self.tight:
            if not self._has_room(served, answers):
                return
            share = RESERVED if served.logged.when_full == "sample" else 0.0
        noted = self._noted
        noted.append((self._wall(), served, rows, answers, seconds, size, share, sent, reply))
        self._rows_in += len(rows)
        if len(noted) < _PACK and len(rows) < _PACK:
            return
        if self._rows_in - self._rows_out <= _AT_ONCE:
            started = time.monotonic()
            self._pack()
            self.waited(served.number, time.monotonic() - started)
        elif self._rows_in - self._rows_out > _MOST_ROWS:
            self.tight = True

    def waited(self, version: int, seconds: float) -> None:
        """Count time that an answer of a version waited for the log."""
        self._times.logging(version, seconds)

    def begin(self) -> None:
        """Start the thread that brings all to the disk."""
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def keep(self, kind: int, body: bytes) -> None:
        """Bring something to the disk for good before returning; not on the loop's thread.

        Raises:
            NotKept: the disk is full, or cannot be written.
        """
        with self._writing:
            try:
                self.segments.write(block(kind, body), sync=True)
            except OSError as error:
                self.kept.failing = True
                raise NotKept("it could not be written down", why=_said(error)) from None

    def flush(self) -> None:
        """Bring what was noted to the disk; what cannot be written waits for the next time."""
        while self._noted:
            self._pack()
            time.sleep(0)  # whoever answers goes first
        with self._writing:
            self._write()

    def close(self) -> None:
        """Flush, seal the segment, and end the thread; it may be called twice."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(10)
        while self.endings:
            self.endings.pop()()
        with self._writing:
            self.flush()
            window = self._times.cut(self._wall(), self.kept, at_once=True)
            if window is not None:
                self._packed.append((TIMES, window, 0))
                self._write()
            with contextlib.suppress(OSError):
                self.segments.seal()

    def _has_room(self, served: Served, answers: Sequence[Answer]) -> bool:
        """Say whether a note may come though little room is left; the contract decides."""
        policy = served.logged.when_full
        if policy == "block":
            started = time.monotonic()
            self.flush()
            self.waited(served.number, time.monotonic() - started)
        elif policy == "sample" and not any(
            a.rung == ABSTAIN or chosen(a.id, RESERVED) for a in answers
        ):
            return False
        full = self._rows_in - self._rows_out > _MOST_ROWS or self._bytes > self._most_bytes
        if full:
            self.kept.lost += len(answers)
        return not full

    def _pack(self) -> None:
        """Turn up to so many noted requests into blocks; on whatever thread this is."""
        with self._packing:
            taken: list[Noted] = []
            while len(taken) < _PACK and self._noted:
                taken.append(self._noted.popleft())
            if not taken:
                return
            left = rows = sum(len(n[2]) for n in taken)
            try:
                self._times.add(taken)
                self._limit = taken[-1][1].logged.most_bytes
                for body, count in packed(taken, self.kept):
                    self._packed.append((ROWS, body, count))
                    self._bytes += len(body)
                    left -= count
            except Exception as error:  # it costs these rows, but no answer and no later row
                self.kept.lost += left
                sys.stderr.write(f"{left} rows were not logged: {type(error).__name__}\n")
            self._rows_out += rows

    def _write(self) -> None:
        """Write what is packed as far as there is room."""
        with self._packing:
            window = self._times.cut(self._wall(), self.kept)
        if window is not None:
            self._packed.append((TIMES, window, 0))
        try:
            while self._packed:
                kind, body, rows = self._packed[0]
                content = block(kind, body)
                self._refuse_beyond(len(content))
                self.segments.write(content)
                self._packed.popleft()
                self.kept.rows += rows
            self.segments.tend()
            self.kept.failing = False
        except OSError:
            self.kept.failing = True
        self._forget()
        almost = bool(self._limit) and self.segments.used > self._limit * _ALMOST
        waiting = self._rows_in - self._rows_out > _MOST_ROWS
        self.tight = self.kept.failing or almost or waiting

    def _refuse_beyond(self, more: int) -> None:
        if not self._limit or self.segments.used + more <= self._limit:
            return
        self.segments.measure()  # the controller may have taken some
        if self.segments.used + more > self._limit:
            raise OSError("service.log.max_disk is reached")

    def _forget(self) -> None:
        """Lose the oldest of what waits for a disk that takes nothing, beyond the bound."""
        with self._packing:
            self._bytes = sum(len(body) for _, body, _ in self._packed)
            while self._bytes > self._most_bytes:
                _, body, rows = self._packed.popleft()
                self._bytes -= len(body)
                self.kept.lost += rows

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self.flush()
            for look in self.watchers:
                look()


def _said(error: OSError) -> str:
    return error.strerror or str(error)


def _book(folder: Path) -> LogBook:
    return Book(folder, "model")
