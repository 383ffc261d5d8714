"""A repository in memory, of one commit: for tests and replay."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Mapping, Sequence

from tamid.ports import Standing


class MemoryRepository:
    """Files as they were committed, and as they stand now."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.committed, self.files = dict(files), dict(files)

    def commit(self) -> None:
        """Take what stands for the newest commit."""
        self.committed = dict(self.files)

    def standing(self, files: Sequence[str], anchor: str) -> Standing | None:
        """Return what differs from the commit; see the port."""
        if anchor not in self.committed:
            return None
        either = {**self.committed, **self.files}
        asked = [name for name in sorted(either) if any(fnmatch.fnmatch(name, p) for p in files)]
        changed = tuple(n for n in asked if self.committed.get(n) != self.files.get(n))
        content = repr(sorted(self.committed.items())).encode()
        return Standing(
            commit=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            branch="main",
            changed=changed,
            diff="".join(f"{name}\n" for name in changed),
        )
