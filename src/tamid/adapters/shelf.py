"""What is worth keeping because it took long to make: a folder of parts by name, safe to delete."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

from tamid.core.values import digest_bytes

_SUFFIX = ".part"


class FolderShelf(MutableMapping[str, bytes]):
    """Parts in a folder, each whole or not at all; names are hashed, and are not given back.

    A part that cannot be written is not kept: it can be made again. `most` bounds the number of
    parts; beyond it the oldest go.
    """

    def __init__(self, root: Path, most: int = 2000) -> None:
        self._root, self._most = root, most

    def __getitem__(self, key: str) -> bytes:
        """Return a part. Raises KeyError if it is not here."""
        try:
            return self._path(key).read_bytes()
        except OSError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: bytes) -> None:
        """Keep a part, in place of an earlier one of that name."""
        with suppress(OSError):
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._make_room()
            handle, name = tempfile.mkstemp(dir=self._root, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(value)
                Path(name).replace(self._path(key))
            finally:
                Path(name).unlink(missing_ok=True)

    def __delitem__(self, key: str) -> None:
        """Forget a part. Raises KeyError if it is not here."""
        try:
            self._path(key).unlink()
        except OSError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        """Say whether a part is here."""
        return isinstance(key, str) and self._path(key).is_file()

    def __iter__(self) -> Iterator[str]:
        """Yield the hashed names of all parts."""
        return (path.stem for path in self._parts())

    def __len__(self) -> int:
        """Return the number of parts."""
        return len(self._parts())

    def _path(self, key: str) -> Path:
        return self._root / f"{digest_bytes(key.encode())[7:]}{_SUFFIX}"

    def _parts(self) -> list[Path]:
        return sorted(self._root.glob(f"*{_SUFFIX}"))

    def _make_room(self) -> None:
        parts = self._parts()
        if len(parts) >= self._most:
            by_age = sorted(parts, key=lambda path: path.stat().st_mtime)
            for path in by_age[: len(parts) - self._most + 1]:
                path.unlink(missing_ok=True)
