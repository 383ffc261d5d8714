"""Who was erased from a store that holds names: keyed hashes of the names, never the names.

A mark is begun before anything is rewritten and holds, until it is done, the key under which the
erased rows get new names: then it is thrown away, so that nobody can make them again.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from tamid.core.errors import IntegrityError
from tamid.core.pseudonym import pseudonym

FILE = "erased.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One erased entity: the hash of its name, what stands for it, and the key until it is done."""

    hash: str
    stands: str
    key: str = ""


class Marks:
    """The marks of one store; `salt` is its secret. Read anew when another process has marked."""

    def __init__(self, store: Path, salt: str) -> None:
        self._path = store / FILE
        self._secret = blake2b(salt.encode(), digest_size=32, person=b"tamid-erased").digest()
        self._seen: tuple[int, int] | None = None
        self._marks: dict[str, Mark] = {}

    def erased(self, names: Iterable[str]) -> frozenset[str]:
        """Return those of the names that were erased."""
        self._refresh()
        if not self._marks:
            return frozenset()
        return frozenset(name for name in names if self._hash(name) in self._marks)

    def begin(self, name: str) -> Mark:
        """Mark a name from now on, and return what is to stand for it; again: the same."""
        self._refresh()
        made = self._hash(name)
        known = self._marks.get(made)
        if known is None or not known.key:
            stands = known.stands if known else f"erased-{secrets.token_hex(8)}"
            known = Mark(hash=made, stands=stands, key=secrets.token_hex(32))
            self._write({**self._marks, made: known})
        return known

    def done(self, mark: Mark) -> None:
        """Throw the key of a mark away."""
        self._refresh()
        self._write({**self._marks, mark.hash: Mark(hash=mark.hash, stands=mark.stands)})

    def unfinished(self) -> int:
        """Return how many marks were begun and are not done."""
        self._refresh()
        return sum(bool(mark.key) for mark in self._marks.values())

    def _hash(self, name: str) -> str:
        return pseudonym(name, self._secret)

    def _refresh(self) -> None:
        try:
            state = self._path.stat()
        except FileNotFoundError:
            self._marks, self._seen = {}, None
            return
        if self._seen == (state.st_ino, state.st_mtime_ns):
            return
        try:
            found = json.loads(self._path.read_text("utf-8"))
            self._marks = {one["hash"]: Mark(**one) for one in found}
        except (ValueError, TypeError, KeyError) as error:
            raise IntegrityError(
                f"{self._path} is damaged: {error}",
                why="without it what was erased would come back with the next batch",
                fix="Bring the file back from a backup.",
            ) from None
        self._seen = (state.st_ino, state.st_mtime_ns)

    def _write(self, marks: dict[str, Mark]) -> None:
        listed = [
            {"hash": m.hash, "stands": m.stands, **({"key": m.key} if m.key else {})}
            for m in marks.values()
        ]
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(listed, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)
        self._marks, self._seen = marks, None
