"""A breaker: after failures in a row nobody is sent there, until a single probe comes back well."""

from __future__ import annotations

from collections.abc import Callable

# Failures in a row that open it: one may be chance, five at the same bundle are not.
_FAILURES = 5
# Seconds until the first probe, and the longest time between two: ten seconds after whatever was
# wrong is over, the champion answers again.
_FIRST, _LONGEST = 0.5, 5.0


class Breaker:
    """Closed: everybody passes. Open: nobody does. Half-open: one at a time, to try."""

    def __init__(self, clock: Callable[[], float], failures: int = _FAILURES) -> None:
        self.clock, self._limit = clock, failures
        self._failed, self._pause, self._until, self._probing = 0, _FIRST, 0.0, False
        # Whether it is not closed; read for every row.
        self.failing = False

    @property
    def state(self) -> str:
        """Return closed, open or half-open."""
        if self._failed < self._limit:
            return "closed"
        return "half-open" if self.clock() >= self._until else "open"

    def allows(self) -> bool:
        """Say whether one may pass; a pass in the half-open state is the probe.

        >>> now = [0.0]
        >>> breaker = Breaker(lambda: now[0], failures=1)
        >>> breaker.bad(); breaker.allows()
        False
        >>> now[0] = 0.6; breaker.allows(), breaker.allows()
        (True, False)
        >>> breaker.good(); breaker.allows()
        True
        """
        state = self.state
        if state == "closed":
            return True
        if state == "open" or self._probing:
            return False
        self._probing = True
        return True

    def good(self) -> None:
        """Close it: an answer came."""
        self._failed, self._pause, self._probing, self.failing = 0, _FIRST, False, False

    def bad(self) -> None:
        """Count a failure; a failed probe doubles the pause."""
        if self._failed >= self._limit:
            if not self._probing:
                return
            self._pause = min(self._pause * 2, _LONGEST)
        self._failed, self._probing = self._failed + 1, False
        self.failing = self._failed >= self._limit
        if self.failing:
            self._until = self.clock() + self._pause

    def spared(self) -> None:
        """Take a pass back that was not used."""
        self._probing = False
