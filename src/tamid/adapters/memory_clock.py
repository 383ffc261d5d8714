"""A clock that is set by hand: for tests and replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tamid.core.errors import UsageError


class SimulatedClock:
    """Stands still until it is moved; never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = _aware(start)

    def now(self) -> datetime:
        """Return the moment it stands at."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on and return the new moment."""
        return self.set(self._now + by)

    def set(self, moment: datetime) -> datetime:
        """Move on to a moment and return it.

        Raises:
            UsageError: the moment lies before the present one, or has no time zone.
        """
        if _aware(moment) < self._now:
            raise UsageError(f"the clock stands at {self._now} and cannot go back to {moment}")
        self._now = _aware(moment)
        return self._now


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise UsageError(f"{moment} has no time zone")
    return moment.astimezone(UTC)
