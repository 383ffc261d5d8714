"""Where a stage writes down what happened: the ledger and the state that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tamid.core.chain import Draft, Recorded
from tamid.core.events import Event
from tamid.core.fold import fold
from tamid.core.state import State
from tamid.core.values import Role
from tamid.ports import Ledger


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
        """Append one event and return the state after it. Raises Conflict or LeaseLost."""
        draft = Draft(event=event, at=at, actor=actor, role=role, reason=reason)
        records = self._ledger.append(self._stream, [draft], self.state.seq, self._token)
        self.written.extend(records)
        self.state = fold(records, self.state)
        return self.state

    def extend(self, events: Iterable[Event], at: datetime, *, reason: str = "") -> State:
        """Append events one by one as they come, so that a crash loses none that happened."""
        for event in events:
            self.append(event, at, reason=reason)
        return self.state
