"""Deaths at chosen moments: every write of a rig's ports is a point at which the process may die.

    points = Points(dies=at_number(12, AFTER))
    rig = dying(rig, points)             # the 12th write happens, then Crash is raised

Once it has died nothing is written any more, whatever `finally` blocks still try: as after SIGKILL.
`killed_by` reads `TAMID_CRASH_AT=<n>:<before|after>` and dies of a real SIGKILL to the whole group.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NoReturn, TypeVar

from tamid.core.errors import UsageError
from tamid.core.events import Decided, Measured

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.chain import Draft, Recorded
    from tamid.core.values import TablePin
    from tamid.ports import (
        Blobs,
        Lease,
        Leases,
        Ledger,
        Parcel,
        Progress,
        Signer,
        Sink,
        Tables,
        Trainer,
        TrainingJob,
        TrainingResult,
    )
    from tamid.stages.rig import Rig

_T = TypeVar("_T")

Phase = Literal["before", "after"]
BEFORE: Phase = "before"
AFTER: Phase = "after"
Dies = Callable[[int, str, Phase], bool]
VARIABLE = "TAMID_CRASH_AT"

# A run that is started again is started under the number of its attempt.
_ATTEMPT = re.compile(r"(train/run-\d+)/\d+")

# What may come again and again carries its place in the ledger in its key.
_PLACE = re.compile(r"/\d+$")


class Crash(BaseException):
    """The process died here: no handler of errors may catch it."""


def at_number(number: int, phase: Phase) -> Dies:
    """Die before or after the write with this number, from 1."""
    return lambda n, name, when: (n, when) == (number, phase)


def never(number: int, name: str, phase: Phase) -> bool:
    """Live on."""
    return False


def _raise(name: str) -> NoReturn:
    raise Crash(name)


@dataclass(kw_only=True)
class Points:
    """The writes of one process: their names in order, and at which of them it dies.

    A name says the same write in every process that does it: writes without a key of their own
    (contents, signatures, leases) are counted from the last one that has a key. `die` is how it
    dies; `death`: before or after which write it did.
    """

    dies: Dies = never
    die: Callable[[str], NoReturn] = _raise
    names: list[str] = field(default_factory=list)
    death: tuple[str, Phase] | None = None
    _place: str = "the start"
    _since: int = 0

    def write(self, name: str, act: Callable[[], _T], *, key: str = "") -> _T:
        """Do one write, or die before or after it."""
        if self.death is not None:
            raise Crash(f"{name}: the process is dead")
        if key:
            self._place = name = _ATTEMPT.sub(r"\1", f"{name} {key}")
            self._since = 0
        else:
            self._since += 1
            name = f"{name}, {self._since} after {self._place}"
        self.names.append(name)
        self._reach(BEFORE, name)
        done = act()
        self._reach(AFTER, name)
        return done

    def _reach(self, phase: Phase, name: str) -> None:
        if self.dies(len(self.names), name, phase):
            self.death = (name, phase)
            self.die(f"{phase} {name}")


def killed_by(environment: Mapping[str, str]) -> Points:
    """Return points that die of SIGKILL where the variable says.

    Raises:
        UsageError: the variable is not `<n>:<before|after>`.
    """
    text = environment.get(VARIABLE, "")
    if not text:
        return Points()
    number, _, phase = text.partition(":")
    if not number.isdigit() or phase not in (BEFORE, AFTER):
        raise UsageError(
            f"{VARIABLE} is {text!r}",
            why="it says at which write the process is to die",
            fix=f"Write a number and a phase, such as {VARIABLE}=12:after.",
        )
    return Points(dies=at_number(int(number), BEFORE if phase == BEFORE else AFTER), die=_kill)


def _kill(name: str) -> NoReturn:
    os.killpg(os.getpgrp(), signal.SIGKILL)
    raise Crash(name)  # not reached: the signal ends the process


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
    )


def _called(draft: Draft) -> str:
    """Name an event by kind and key, without its place in the ledger.

    A decision is named by what it decides: its round may differ.
    """
    event = draft.event
    if isinstance(event, Decided):
        keys = [_placeless(action["key"]) for action in json.loads(event.actions)]
        return f"Decided {', '.join(keys)}"
    key = _PLACE.sub("", event.key) if isinstance(event, Measured) else _placeless(event.key)
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
