"""Immutable content as files named by their digest."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path

from tamid.core.errors import IntegrityError, NotFound, SystemFailure, UsageError
from tamid.core.values import digest_bytes

_DIGEST = re.compile(r"sha256:([0-9a-f]{2})([0-9a-f]{62})\Z")


class FileBlobs:
    """A folder of contents: written beside, synced, then linked under the digest's name.

    A file that stands under its final name is whole, whatever happened to the process; files are
    readable by their owner only.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, content: bytes) -> str:
        """Store durably and return the digest.

        Raises:
            SystemFailure: the disk did not take it; nothing is left behind.
        """
        digest = digest_bytes(content)
        target = self._path(digest)
        # What is put again is about to be named again: it is young, and not cleared away.
        with contextlib.suppress(OSError):
            os.utime(target)
        if target.exists():
            return digest
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_once(target, content)
        except OSError as error:
            raise SystemFailure(
                f"cannot store {len(content)} bytes in {self._root}: {error.strerror}",
                why="what is not stored durably must not be named in the ledger",
                fix="Free space or repair the disk; the next tick tries again.",
            ) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Return the content, checked against its digest."""
        try:
            content = self._path(digest).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no content {digest} in {self._root}") from None
        if digest_bytes(content) != digest:
            raise IntegrityError(f"the content of {digest} was altered")
        return content

    def has(self, digest: str) -> bool:
        """Say whether the content is here."""
        return self._path(digest).exists()

    def _path(self, digest: str) -> Path:
        match = _DIGEST.match(digest)
        if match is None:
            raise UsageError(f"{digest!r} is not a digest of the form sha256:<64 hex digits>")
        return self._root / match[1] / match[2]


def _name_it(name: str, target: Path) -> None:
    try:
        # A second writer of the same content may have been faster: then its file is as good.
        with contextlib.suppress(FileExistsError):
            os.link(name, target)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        # A file system without hard links: the same content may be written twice, never half.
        Path(name).replace(target)


def _write_once(target: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _name_it(name, target)
    finally:
        Path(name).unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
