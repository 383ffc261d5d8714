"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The present; holds still when the machine's clock is set back, until it has caught up."""

    def __init__(self) -> None:
        self._latest = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """Return the present as an aware UTC moment."""
        self._latest = max(self._latest, datetime.now(UTC))
        return self._latest
