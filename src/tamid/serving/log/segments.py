"""Segments on the disk: one file that grows under a lock, then is sealed and renamed.

`.open` is being written by whoever holds its lock; `.seg` is whole and never altered again. A name
begins with the moment at which the segment began, in milliseconds.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from tamid.core.spool import BEGIN, MAGIC, block, end, run_on

OPEN, SEALED = ".open", ".seg"
# A segment is sealed when it is so large or so old: what is sealed can be taken into the tables.
MOST_BYTES = 16 * 2**20
MOST_SECONDS = 30.0
# Seconds between two orders to bring everything to the platter: what a power cut may cost.
_SYNC = 1.0
# Of every file system so much is left alone, on small ones a part: the ledger, too, has to write.
_SPARE, _SPARE_PART = 16 * 2**20, 64


class Segments:
    """Writes blocks of one process, one after the other. Not for two threads at once."""

    def __init__(
        self,
        folder: Path,
        model: str,
        *,
        most_bytes: int = MOST_BYTES,
        most_seconds: float = MOST_SECONDS,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.process = secrets.token_hex(6)
        self.used = 0
        self._folder, self._model, self._wall = folder, model, wall
        self._most_bytes, self._most_seconds = most_bytes, most_seconds
        self._fd, self._path, self._size, self._number = -1, folder, 0, 0
        self._checks = 0
        self._began = self._synced = 0.0
        self.measure()

    def write(self, written: bytes, *, sync: bool = False) -> None:
        """Append one block. On failure nothing of it stays.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        if self._fd < 0:
            self._open()
        self._put(written)
        self._checks = run_on(self._checks, written)
        now = self._wall()
        if sync or now - self._synced >= _SYNC:
            os.fdatasync(self._fd)
            self._synced = now
        self.tend()

    def tend(self) -> None:
        """Seal a segment that is large or old enough."""
        old = self._wall() - self._began >= self._most_seconds
        if self._fd >= 0 and (old or self._size >= self._most_bytes):
            self.seal()

    def seal(self) -> None:
        """End the segment: from now on the controller may take it. Raises OSError."""
        if self._fd < 0:
            return
        self._put(end(self._checks), spare=0)
        os.fsync(self._fd)
        self._path.rename(self._path.with_suffix(SEALED))
        os.close(self._fd)
        self._fd = -1

    def measure(self) -> None:
        """Count the bytes that wait in the folder, whoever wrote them."""
        self.used = 0
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    self.used += entry.stat().st_size

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now, self._number = self._wall(), self._number + 1
        name = f"{int(now * 1000):013d}-{self.process}-{self._number}{OPEN}"
        path = self._folder / name
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            begin = {"model": self._model, "process": self.process, "began": now}
            self._fd, self._path, self._size, self._began = fd, path, 0, now
            first = block(BEGIN, json.dumps(begin).encode())
            self._put(MAGIC + first)
            self._checks = run_on(0, first)
        except OSError:
            self._fd = -1
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self.measure()

    def _put(self, content: bytes, spare: int = _SPARE) -> None:
        disk = os.fstatvfs(self._fd)
        spare = min(spare, disk.f_blocks * disk.f_frsize // _SPARE_PART)
        if disk.f_bavail * disk.f_frsize < len(content) + spare:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            done = 0
            while done < len(content):
                done += os.write(self._fd, content[done:])
        except OSError:
            # Half a block would hide all that comes behind it.
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            raise
        self._size += len(content)
        self.used += len(content)
