"""How far something was done, in a file; one process at a time goes on from there."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tamid.core.errors import Conflict
from tamid.core.values import instant, parse_instant


class Bookmark:
    """A number and the moment at which it was noted; a damaged file counts as none.

    The lock is the kernel's: a process that dies lets go of it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def place(self) -> int:
        """Return the number noted last, 0 at first."""
        return int(str(self._read().get("place", 0)))

    def noted(self) -> datetime | None:
        """Return when it was noted."""
        text = self._read().get("at")
        return parse_instant(str(text)) if text else None

    def note(self, place: int, at: datetime) -> None:
        """Note a number: whole or not at all."""
        fresh = self._path(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"place": place, "at": instant(at)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path(".json"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one that goes on. Raises Conflict while another process does."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(
                    f"another process works on {self._name}", why=f"it holds {self._path('.lock')}"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> dict[str, object]:
        try:
            found = json.loads(self._path(".json").read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _path(self, ending: str) -> Path:
        return self._folder / f"{self._name}{ending}"
