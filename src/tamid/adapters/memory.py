"""Ledger, leases and a target of deliveries in memory: for tests, dry runs and replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tamid.core.chain import GENESIS, Draft, Recorded, chain
from tamid.core.errors import SinkDown
from tamid.core.lease import Hold, check_append, give_back, take
from tamid.ports import Lease, Parcel


class MemoryLeases:
    """Leases that live as long as the process."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}

    def acquire(self, stream: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        """Take or renew the lease."""
        hold = take(stream, self._holds.get(stream), holder, now, ttl)
        self._holds[stream] = hold
        return Lease(stream=stream, holder=holder, token=hold.token, until=hold.until)

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        hold = give_back(self._holds.get(lease.stream), lease.holder, lease.token)
        if hold is not None:
            self._holds[lease.stream] = hold

    def held(self, stream: str) -> Hold | None:
        """Return the lease as it stands, whether or not it has run out."""
        return self._holds.get(stream)

    def newest_token(self, stream: str) -> int:
        """Return the highest token handed out for a stream, 0 if none was."""
        hold = self._holds.get(stream)
        return hold.token if hold else 0


class MemoryLedger:
    """Streams in memory, fenced by the leases given."""

    def __init__(self, leases: MemoryLeases | None = None) -> None:
        self._leases = leases or MemoryLeases()
        self._streams: dict[str, list[Recorded]] = {}

    def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """Return the events above `after`."""
        return tuple(self._streams.get(stream, [])[max(after, 0) :])

    def append(
        self, stream: str, drafts: Sequence[Draft], expected: int, token: int
    ) -> Sequence[Recorded]:
        """Append all drafts or none."""
        records = self._streams.get(stream, [])
        check_append(stream, len(records), expected, self._leases.newest_token(stream), token)
        before, new = (records[-1].hash if records else GENESIS), []
        for seq, draft in enumerate(drafts, start=expected + 1):
            new.append(chain(stream, seq, draft, before))
            before = new[-1].hash
        if new:
            self._streams.setdefault(stream, []).extend(new)
        return tuple(new)

    def streams(self) -> Sequence[str]:
        """Return the names of all streams, sorted."""
        return tuple(sorted(self._streams))


class MemorySink:
    """A target in memory; `periods` holds the newest parcel of each model and period."""

    def __init__(self) -> None:
        self.periods: dict[tuple[str, str], Parcel] = {}
        self.down = ""

    def deliver(self, parcel: Parcel) -> str:
        """Keep the parcel unless a newer one is here; while `down` says why, take nothing."""
        if self.down:
            raise SinkDown(self.down)
        before = self.periods.get((parcel.model, parcel.period))
        if before is None or before.revision < parcel.revision:
            self.periods[parcel.model, parcel.period] = parcel
        return f"memory {parcel.key}"
