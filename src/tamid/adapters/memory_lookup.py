"""What is known of each entity, in memory: for tests and replay."""

from __future__ import annotations

from collections.abc import Iterable

from tamid.ports import Known


class MemoryLookup:
    """Entries under one key."""

    def __init__(self) -> None:
        self._key, self._known = "", dict[str, Known]()

    def key(self) -> str:
        """Return under which key it was written."""
        return self._key

    def get(self, entity: str) -> Known | None:
        """Return what is known of an entity."""
        return self._known.get(entity)

    def write(self, key: str, entries: Iterable[Known]) -> None:
        """Replace everything."""
        self._key, self._known = key, {e.entity: e for e in entries}
