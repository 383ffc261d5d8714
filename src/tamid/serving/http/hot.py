"""The hot lane of one turn: from the bytes of plain rows to the bytes of their answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tamid.serving.http import told
from tamid.serving.http.metrics import Counts
from tamid.serving.seams import Lane, Turn
from tamid.serving.strict import UNSET, Codec


class Hot:
    """Answers plain rows of one turn; whatever is not plain gets None and the ordinary road."""

    def __init__(
        self, turn: Turn, codec: Codec, lane: Lane, counts: Counts, new_id: Callable[[], str]
    ) -> None:
        self.turn = turn
        self._plain, self._inputs = codec.quick, len(turn.served.inputs)
        self._score, self._kind = lane.score, lane.kind
        self._tails = [told.tail(answer, turn.served) for answer in lane.kinds]
        self._new_id, self._count = new_id, counts.shortcut("predict", lane.kinds[0])

    def one(self, body: bytes) -> bytes | None:
        """Answer the object of one row."""
        started = time.monotonic()
        values = self._plain(body)
        score = None if values is None else self._score(values)
        if score is None:
            return None
        name = self._name(values)
        if name is None:
            return None
        tail = self._tails[self._kind(score)]
        self._count(time.monotonic() - started)
        return f'{{"id":{name},"score":{score!r}{tail}'.encode()

    def _name(self, values: Any) -> str | None:
        """Return the id as JSON: the caller's own, or a new one."""
        given = values[self._inputs]
        if given is UNSET or given is None:
            return f'"{self._new_id()}"'
        return told.name(given)


def hot_of(turn: Turn, codec: Codec, counts: Counts, new_id: Callable[[], str]) -> Hot | None:
    """Return the hot lane of a turn; None where it has none."""
    lane = turn.lane(UNSET)
    return None if lane is None else Hot(turn, codec, lane, counts, new_id)
