"""The hot lane of one turn: from the bytes of plain rows to the bytes of their answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tamid.serving import told
from tamid.serving.http.metrics import Counts
from tamid.serving.seams import Lane, LogBook, Turn
from tamid.serving.strict import UNSET, Codec
from tamid.serving.values import Row


class Hot:
    """Answers plain rows of one turn; whatever is not plain gets None and the ordinary road.

    `new_id`: makes the id of a row that brings none.
    """

    def __init__(
        self, turn: Turn, codec: Codec, lane: Lane, counts: Counts, book: LogBook,
        new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        self.turn = turn
        self._codec, self._served, self._inputs = codec, turn.served, len(turn.served.inputs)
        self._plain, self._score, self._kind = codec.quick, lane.score, lane.kind
        self._kinds = [(told.tail(kind, turn.served), (kind,)) for kind in lane.kinds]
        self._new_id, self._count = new_id, counts.shortcut("predict", lane.kinds[0])
        self._book, self._note = book, book.note
        logged = turn.served.logged
        # Then a note is the bytes that came and went, and nobody asks for the values.
        self._bytes_only = logged.whole and logged.share >= 1.0
        self._some_row = (Row(values={}),)

    def one(self, body: bytes) -> bytes | None:
        """Answer the object of one row."""
        started = time.monotonic()
        values = self._plain(body)
        if values is None:
            return None
        read = time.monotonic()
        score = self._score(values)
        if score is None:
            return None
        given = values[self._inputs]
        known = given is not UNSET and given is not None
        name = told.name(given) if known else f'"{self._new_id()}"'
        if name is None:
            return None
        tail, like = self._kinds[self._kind(score)]
        reply = f'{{"id":{name},"score":{score!r}{tail}'.encode()
        ended = time.monotonic()
        self._count(ended - started)
        spent = (read - started, 0.0, 0.0, ended - read, ended - started)
        if self._bytes_only and not self._book.tight:
            self._note(self._served, self._some_row, like, spent, len(body), body, reply)
            return reply
        rows = (self._codec.row(values),)
        answers = (replace(like[0], id=given if known else name[1:-1], score=score),)
        self._note(self._served, rows, answers, spent, len(body), body, reply)
        return reply


def hot_of(
    turn: Turn, codec: Codec, counts: Counts, book: LogBook, new_id: Callable[[], str]
) -> Hot | None:
    """Return the hot lane of a turn; None where it has none."""
    lane = turn.lane(UNSET)
    return None if lane is None else Hot(turn, codec, lane, counts, book, new_id)
