"""Ports that may die at a write: one wrapper a port, each write counted as a point."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from tamid.core.events import Decided, Measured, PeriodChecked
from tamid.testing.crash import Points

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.chain import Draft, Recorded
    from tamid.core.values import TablePin
    from tamid.ports import (
        Blobs,
        Claim,
        Known,
        Lease,
        Leases,
        Ledger,
        Lookup,
        Parcel,
        Progress,
        Signer,
        Sink,
        Spool,
        Tables,
        Trainer,
        TrainingJob,
        TrainingResult,
    )
    from tamid.stages.rig import Rig

# What may come again and again carries its place in the ledger in its key.
_PLACE = re.compile(r"/\d+$")


def dying(rig: Rig, points: Points) -> Rig:
    """Return the rig with every port that writes counted by `points`."""
    return replace(
        rig,
        ledger=DyingLedger(rig.ledger, points),
        leases=DyingLeases(rig.leases, points),
        blobs=DyingBlobs(rig.blobs, points),
        tables=DyingTables(rig.tables, points),
        trainer=DyingTrainer(rig.trainer, points),
        signer=DyingSigner(rig.signer, points),
        sinks={name: DyingSink(sink, points) for name, sink in rig.sinks.items()},
        spool=None if rig.spool is None else DyingSpool(rig.spool, points),
        lookup=None if rig.lookup is None else DyingLookup(rig.lookup, points),
    )


def _called(draft: Draft) -> str:
    """Name an event by kind and key, without its place in the ledger.

    A decision is named by what it decides: its round may differ.
    """
    event = draft.event
    if isinstance(event, Decided):
        keys = [_placeless(action["key"]) for action in json.loads(event.actions)]
        return f"Decided {', '.join(keys)}"
    told_again = isinstance(event, (Measured, PeriodChecked))
    key = _PLACE.sub("", event.key) if told_again else _placeless(event.key)
    return f"{type(event).__name__} {key}"


def _placeless(key: str) -> str:
    return _PLACE.sub("", key) if key.startswith("rung/") else key


class DyingLedger:
    """A ledger each append of which is a point."""

    def __init__(self, ledger: Ledger, points: Points) -> None:
        self._ledger, self._points = ledger, points

    def read(self, stream: str, after: int = 0) -> Sequence[Recorded]:
        """Return the events above `after`."""
        return self._ledger.read(stream, after)

    def append(
        self, stream: str, drafts: Sequence[Draft], expected: int, token: int
    ) -> Sequence[Recorded]:
        """Append all drafts or none."""
        act = lambda: self._ledger.append(stream, drafts, expected, token)  # noqa: E731
        return self._points.write("append", act, key=", ".join(_called(d) for d in drafts))

    def streams(self) -> Sequence[str]:
        """Return the names of all streams."""
        return self._ledger.streams()


class DyingLeases:
    """Leases the taking and giving back of which are points."""

    def __init__(self, leases: Leases, points: Points) -> None:
        self._leases, self._points = leases, points

    def acquire(self, stream: str, holder: str, now: datetime, ttl: timedelta) -> Lease:
        """Take or renew the lease."""
        act = lambda: self._leases.acquire(stream, holder, now, ttl)  # noqa: E731
        return self._points.write(f"acquire {stream}", act)

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        self._points.write(f"release {lease.stream}", lambda: self._leases.release(lease))


class DyingBlobs:
    """Contents each storing of which is a point."""

    def __init__(self, blobs: Blobs, points: Points) -> None:
        self._blobs, self._points = blobs, points

    def put(self, content: bytes) -> str:
        """Store and return the digest."""
        return self._points.write("put", lambda: self._blobs.put(content))

    def get(self, digest: str) -> bytes:
        """Return the content."""
        return self._blobs.get(digest)

    def has(self, digest: str) -> bool:
        """Say whether the content is here."""
        return self._blobs.has(digest)


class DyingTables:
    """Tables each writing of which is a point."""

    def __init__(self, tables: Tables, points: Points) -> None:
        self._tables, self._points = tables, points

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        *,
        key: str,
        token: int,
        mode: Literal["append", "slice"],
    ) -> TablePin:
        """Append rows or replace slices."""
        act = lambda: self._tables.write(table, frame, key=key, token=token, mode=mode)  # noqa: E731
        return self._points.write(f"write {table}", act, key=key)

    def read(
        self,
        pin: TablePin,
        *,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a pinned version."""
        return self._tables.read(pin, periods=periods, columns=columns)

    def latest(self, table: str) -> TablePin | None:
        """Return the newest version."""
        return self._tables.latest(table)

    def find(self, table: str, key: str) -> TablePin | None:
        """Return the version that was written with a key."""
        return self._tables.find(table, key)

    def verify(self, pin: TablePin) -> None:
        """Compare a pinned version with its digest."""
        self._tables.verify(pin)


class DyingTrainer:
    """A place to train whose return is a point: it worked, and nothing of it is kept yet."""

    def __init__(self, trainer: Trainer, points: Points) -> None:
        self._trainer, self._points = trainer, points

    def train(self, job: TrainingJob, timeout: timedelta, progress: Progress) -> TrainingResult:
        """Make a candidate."""
        act = lambda: self._trainer.train(job, timeout, progress)  # noqa: E731
        return self._points.write("train", act, key=job.run)


class DyingSigner:
    """A signer each signature of which is a point."""

    def __init__(self, signer: Signer, points: Points) -> None:
        self._signer, self._points = signer, points

    def sign(self, message: bytes) -> str:
        """Return the signature."""
        return self._points.write("sign", lambda: self._signer.sign(message))

    def verify(self, message: bytes, signature: str) -> None:
        """Check a signature."""
        self._signer.verify(message, signature)


class DyingSink:
    """A target each delivery to which is a point."""

    def __init__(self, sink: Sink, points: Points) -> None:
        self._sink, self._points = sink, points

    def deliver(self, parcel: Parcel) -> str:
        """Hand over and return a receipt."""
        return self._points.write("deliver", lambda: self._sink.deliver(parcel), key=parcel.key)


class DyingSpool:
    """A spool each claim and each discarding of which is a point."""

    def __init__(self, spool: Spool, points: Points) -> None:
        self._spool, self._points = spool, points

    def claim(self) -> Claim | None:
        """Take what is ready."""
        return self._points.write("claim", self._spool.claim)

    def discard(self, claim: str) -> None:
        """Forget what was taken."""
        self._points.write("discard", lambda: self._spool.discard(claim), key=claim)


class DyingLookup:
    """Look-ups each swap of which is a point."""

    def __init__(self, lookup: Lookup, points: Points) -> None:
        self._lookup, self._points = lookup, points
        self.key, self.get = lookup.key, lookup.get

    def write(self, key: str, entries: Iterable[Known]) -> None:
        """Swap in a new content."""
        self._points.write("look up", lambda: self._lookup.write(key, entries))
