"""A spool in a folder: what servers on this machine wrote, claimed by moving it aside.

A claim is a folder `claim-<name>`. Segments are moved into `claiming` one by one, then that folder
gets its name: whatever dies meanwhile, the next one goes on with what is there.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tamid.core.errors import SystemFailure
from tamid.core.spool import read_segment
from tamid.ports import Claim

OPEN, SEALED = ".open", ".seg"
_CLAIM, _CLAIMING = "claim-", "claiming"
# Taken together at most: so much is held in memory at once.
_MOST_BYTES = 64 * 2**20


class FileSpool:
    """The segments of one model."""

    def __init__(self, folder: Path, most_bytes: int = _MOST_BYTES) -> None:
        self._folder, self._most = folder, most_bytes

    def claim(self) -> Claim | None:
        """Return the claim that is not discarded yet, else one of what is ready."""
        if not self._folder.is_dir():
            return None
        try:
            place = self._claimed() or self._gather()
            return None if place is None else self._read(place)
        except OSError as error:
            raise SystemFailure(
                f"the servers' log in {self._folder} cannot be taken in: {error.strerror}",
                why="what was answered online is not measured until it is",
                fix="Mend the folder or its rights; the next turn goes on where this one stopped.",
            ) from error

    def discard(self, claim: str) -> None:
        """Forget a claim's segments."""
        place = self._folder / f"{_CLAIM}{claim}"
        if not place.is_dir():
            return
        for path in place.iterdir():
            path.unlink(missing_ok=True)
        place.rmdir()

    def _claimed(self) -> Path | None:
        return next(iter(sorted(self._folder.glob(f"{_CLAIM}*"))), None)

    def _gather(self) -> Path | None:
        """Move what is ready aside, up to the size that is taken at once."""
        place = self._folder / _CLAIMING
        place.mkdir(mode=0o700, exist_ok=True)
        size = sum(path.stat().st_size for path in place.iterdir())
        for path in self._ready():
            size += path.stat().st_size
            if size > self._most and any(place.iterdir()):
                break
            path.rename(place / path.name)
        names = sorted(path.name for path in place.iterdir())
        if not names:
            place.rmdir()
            return None
        named = self._folder / f"{_CLAIM}{names[0].removesuffix(SEALED)}"
        return place.rename(named)

    def _ready(self) -> list[Path]:
        """Return the sealed segments that began before the oldest one that is being written.

        A label that was sent to one process may be about an answer that another one still holds.
        """
        oldest = ""
        for path in sorted(self._folder.glob(f"*{OPEN}")):
            if not _left_behind(path) and (not oldest or path.name < oldest):
                oldest = path.name
        sealed = sorted(self._folder.glob(f"*{SEALED}"))
        return [path for path in sealed if not oldest or path.name < oldest]

    def _read(self, place: Path) -> Claim:
        segments = {
            path.name: read_segment(path.read_bytes()) for path in sorted(place.glob(f"*{SEALED}"))
        }
        return Claim(name=place.name.removeprefix(_CLAIM), segments=segments)


def _left_behind(path: Path) -> bool:
    """Say whether the writer of an open segment is gone; then the segment is as if sealed."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # it was sealed at this moment
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        if path.exists():
            path.rename(path.with_suffix(SEALED))
        return True
    finally:
        os.close(fd)
