"""Immutable content in memory: for tests, dry runs and replay."""

from __future__ import annotations

from tamid.core.errors import IntegrityError, NotFound
from tamid.core.values import digest_bytes


class MemoryBlobs:
    """Contents that live as long as the process."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def put(self, content: bytes) -> str:
        """Store and return the digest."""
        digest = digest_bytes(content)
        self._held.setdefault(digest, bytes(content))
        return digest

    def get(self, digest: str) -> bytes:
        """Return the content, checked against its digest."""
        if digest not in self._held:
            raise NotFound(f"there is no content {digest}")
        content = self._held[digest]
        if digest_bytes(content) != digest:
            raise IntegrityError(f"the content of {digest} was altered")
        return content

    def has(self, digest: str) -> bool:
        """Say whether the content is here."""
        return digest in self._held
