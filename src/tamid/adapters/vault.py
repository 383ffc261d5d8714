"""The vault: which entity a pseudonym stands for, in one SQLite file that only its owner may read.

`erase` is for good: SQLite overwrites what is deleted (`secure_delete`), and a mark stays, so that
an erased entity is known again by its pseudonym alone.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from tamid.core.errors import SystemFailure
from tamid.core.pseudonym import pseudonym

KEY, FILE = "vault.key", "vault.sqlite"
_KEY_BYTES = 32


class Vault:
    """The map of one store, kept in memory; several processes may use it at once."""

    def __init__(self, store: Path) -> None:
        self.key = _key_in(store / KEY)
        path = store / FILE
        path.touch(mode=0o600)
        self._file = sqlite3.connect(path, timeout=60, check_same_thread=False)
        self._file.execute("PRAGMA secure_delete = ON")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS entity"
            " (pseudonym TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID"
        )
        self._file.commit()
        self._version = -1
        self._names: dict[str, str | None] = {}
        self._pseudonyms: dict[str, str] = {}

    def pseudonyms(self, names: Iterable[str]) -> Mapping[str, str | None]:
        """Return each name's pseudonym, None for an erased one; new ones are on disk before."""
        self._refresh()
        wanted = {name: self._pseudonyms.get(name) for name in names}
        unknown = [name for name, known in wanted.items() if known is None]
        fresh = []
        for name in unknown:
            made = pseudonym(name, self.key)
            if made in self._names and self._names[made] is None:
                continue  # erased: the mark is all that is known
            wanted[name] = made
            fresh.append((made, name))
        if fresh:
            self._write("INSERT OR IGNORE INTO entity VALUES (?, ?)", fresh)
            self._names.update(fresh)
            self._pseudonyms.update((name, made) for made, name in fresh)
        return wanted

    def names(self, pseudonyms: Iterable[str]) -> Mapping[str, str]:
        """Return the names of those pseudonyms that still have one."""
        self._refresh()
        found = ((p, self._names.get(p)) for p in pseudonyms)
        return {p: name for p, name in found if name is not None}

    def erased(self, pseudonyms: Iterable[str]) -> frozenset[str]:
        """Return those of the pseudonyms that stand for nobody any more."""
        self._refresh()
        return frozenset(p for p in pseudonyms if p in self._names and self._names[p] is None)

    def erase(self, name: str) -> str:
        """Forget who a pseudonym stands for, and return it; the mark of it stays."""
        made = pseudonym(name, self.key)
        mark = "INSERT INTO entity VALUES (?, NULL) ON CONFLICT DO UPDATE SET name = NULL"
        self._write(mark, [(made,)])
        self._names[made] = None
        self._pseudonyms.pop(name, None)
        return made

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _refresh(self) -> None:
        """Read the map anew if it was not read yet, or another process has changed it."""
        (version,) = self._file.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return
        with closing(self._file.execute("SELECT pseudonym, name FROM entity")) as rows:
            self._names = dict(rows)
        self._pseudonyms = {n: p for p, n in self._names.items() if n is not None}
        self._version = version

    def _write(self, statement: str, rows: Sequence[tuple[str, ...]]) -> None:
        try:
            with self._file:
                self._file.executemany(statement, rows)
        except sqlite3.Error as error:
            raise SystemFailure(
                f"the vault of entities cannot be written: {error}",
                why="no row may be stored whose entity nobody could name again",
                fix="Free space or mend the file; the next turn reads the batch again.",
            ) from error


def _key_in(path: Path) -> bytes:
    """Return the key of a store, made once."""
    if not path.exists():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()
