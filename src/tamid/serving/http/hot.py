"""The hot lane of one turn: from the bytes of plain rows to the bytes of their answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tamid.core.errors import TamidError
from tamid.serving import told
from tamid.serving.http.metrics import Counts
from tamid.serving.seams import Brain, Lane, LogBook, Turn
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


class Lanes:
    """Answers one row at once by the turn in force, in its hot lane or beside it."""

    def __init__(
        self, brain: Brain, turn: Callable[[], tuple[Turn, Codec]], counts: Counts, book: LogBook,
        new_id: Callable[[], str],
    ) -> None:  # fmt: skip
        self._brain, self._turn, self._counts, self._book = brain, turn, counts, book
        self._new_id = new_id
        self._seen: Turn | None = None
        self._hot: Hot | None = None

    def quick(self, body: bytes) -> bytes | None:
        """Return the answer to one plain row; None: the ordinary road, for whatever reason."""
        try:
            if self._brain.turn is not self._seen:
                self._look()
        except TamidError:
            return None
        return self._beside(body) if self._hot is None else self._hot.one(body)

    def _look(self) -> None:
        turn, codec = self._turn()
        lane = turn.lane(UNSET)
        self._hot = None
        if lane is not None:
            self._hot = Hot(turn, codec, lane, self._counts, self._book, self._new_id)
        self._seen = turn

    def _beside(self, body: bytes) -> bytes | None:
        """Answer by a turn that has no lane, but may answer a row at once."""
        started = time.monotonic()
        turn, codec = self._turn()
        try:
            found = codec.one(body)
        except TamidError:
            return None
        name = found.ids[0] or self._new_id()
        read = time.monotonic()
        answer = turn.now(found.rows[0], name)
        if answer is None:
            return None
        ended = time.monotonic()
        self._counts.answered(answer)
        self._counts.request("predict", 200, ended - started)
        reply = told.one(answer, turn.served)
        spent = (read - started, 0.0, 0.0, ended - read, ended - started)
        self._book.note(turn.served, found.rows, (answer,), spent, len(body), body, reply)
        return reply
