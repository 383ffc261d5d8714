"""Where a stage writes down what happened: the ledger and the state that follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from tamid.core.chain import Draft, Recorded
from tamid.core.errors import Conflict, LeaseLost, SystemFailure
from tamid.core.events import Decided, Event, Promoted, RolledBack, RungSet, StageEntered
from tamid.core.fold import fold
from tamid.core.state import State
from tamid.core.values import Role
from tamid.ports import Lease, Leases, Ledger

# What a controller chooses rather than finds or does: void once a person has written meanwhile.
_CHOICES = (Decided, StageEntered, Promoted, RolledBack, RungSet)


@contextmanager
def holding(
    leases: Leases, stream: str, holder: str, now: datetime, ttl: timedelta
) -> Iterator[Lease]:
    """Hold a lease around what is done, and give it back.

    Raises:
        Conflict: another holder's lease has not run out.
    """
    lease = leases.acquire(stream, holder, now, ttl)
    try:
        yield lease
    except BaseException:
        # What went wrong must be told, not that on the same full disk the lease stays taken.
        with suppress(SystemFailure):
            leases.release(lease)
        raise
    leases.release(lease)


class Journal:
    """One writer's view of a stream: appends in order and keeps the folded state beside it."""

    def __init__(self, ledger: Ledger, stream: str, *, token: int = 0, known: State | None = None):
        self._ledger = ledger
        self._stream = stream
        self._token = token
        self.state = fold(ledger.read(stream, known.seq if known else 0), known)
        self.written: list[Recorded] = []

    def append(
        self,
        event: Event,
        at: datetime,
        *,
        reason: str = "",
        actor: str = "tamid",
        role: Role = Role.CONTROLLER,
    ) -> State:
        """Append one event and return the state after it.

        A person may write while a controller acts: what the controller did is then recorded behind
        it. What it merely chose is not: the person may have chosen otherwise.

        Raises:
            Conflict: a person's act, or a choice, came too late; LeaseLost: another controller
                took over.
        """
        draft = Draft(event=event, at=at, actor=actor, role=role, reason=reason)
        return self._write([draft])

    def append_all(self, events: Iterable[Event], at: datetime, *, reason: str = "") -> State:
        """Append events together, all or none: what the first of them settles, none may lack.

        Raises:
            Conflict, LeaseLost: as for :meth:`append`.
        """
        drafts = [Draft(event=event, at=at, reason=reason) for event in events]
        return self._write(drafts) if drafts else self.state

    def _write(self, drafts: Sequence[Draft]) -> State:
        chosen = any(isinstance(draft.event, _CHOICES) for draft in drafts)
        while True:
            try:
                records = self._ledger.append(self._stream, drafts, self.state.seq, self._token)
                break
            except LeaseLost:
                raise
            except Conflict:
                # With a lease only people can have written; without one it may be a controller.
                grown = self._ledger.read(self._stream, self.state.seq)
                if not self._token or chosen or not grown:
                    raise
                self.state = fold(grown, self.state)
        self.written.extend(records)
        self.state = fold(records, self.state)
        return self.state
