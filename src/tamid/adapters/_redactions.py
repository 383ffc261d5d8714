"""What was rewritten in a table on purpose: the digest of each slice before, and after.

The list stands beside the table, in a file of its own: neither commits nor versions change. Whether
a change was on purpose is not said here but in the ledger; the audit compares both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tamid.core.errors import IntegrityError

FILE = "_redactions.json"


def redactions(table: Path) -> Mapping[str, str]:
    """Return all changes of a table, by the digest before. Raises IntegrityError if damaged."""
    try:
        found = json.loads((table / FILE).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{table / FILE} is damaged: {error}") from None
    if not isinstance(found, dict):
        raise IntegrityError(f"{table / FILE} is damaged: it holds no changes")
    return {str(old): str(new) for old, new in found.items()}


class Redacted:
    """The changes of all tables below a folder, read anew when their file is another one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, tuple[tuple[int, int, int], Mapping[str, str]]] = {}

    def of(self, table: str, digest: str) -> str:
        """Return the digest of what now stands where a slice with this digest was written."""
        changes = self._changes(table)
        for _ in range(len(changes) + 1):
            if digest not in changes:
                return digest
            digest = changes[digest]
        raise IntegrityError(f"the changes of table {table!r} go in circles")

    def _changes(self, table: str) -> Mapping[str, str]:
        try:
            state = (self._root / table / FILE).stat()
        except FileNotFoundError:
            return {}
        mark = (state.st_ino, state.st_mtime_ns, state.st_size)
        known = self._known.get(table)
        if known is None or known[0] != mark:
            known = (mark, redactions(self._root / table))
            self._known[table] = known
        return known[1]
