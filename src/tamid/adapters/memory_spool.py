"""A spool in memory: for tests and replay."""

from __future__ import annotations

from tamid.core.spool import Segment
from tamid.ports import Claim


class MemorySpool:
    """Segments put down by hand."""

    def __init__(self) -> None:
        self._waiting: dict[str, Segment] = {}
        self._claim: Claim | None = None

    def put(self, name: str, segment: Segment) -> None:
        """Put a segment down, as a server seals one."""
        self._waiting[name] = segment

    def claim(self) -> Claim | None:
        """Return the claim that is not discarded yet, else one of what is ready."""
        if self._claim is None and self._waiting:
            segments = dict(sorted(self._waiting.items()))
            self._claim = Claim(name=next(iter(segments)), segments=segments)
            self._waiting.clear()
        return self._claim

    def discard(self, claim: str) -> None:
        """Forget a claim's segments."""
        if self._claim is not None and self._claim.name == claim:
            self._claim = None
