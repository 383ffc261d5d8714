"""The hot lane of one turn: from the bytes of plain rows to the bytes of their answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tamid.core.errors import TamidError
from tamid.core.tensored import kept
from tamid.serving import told
from tamid.serving.http.batch import LazyAnswers, LazyRows
from tamid.serving.http.metrics import Counts
from tamid.serving.http.plain_row import plain_row
from tamid.serving.http.tensor_row import tensor_row
from tamid.serving.http.v2_lane import V2Lane
from tamid.serving.http.wire import Call, Reply
from tamid.serving.seams import Brain, Desk, Lane, LogBook, Turn
from tamid.serving.strict import LONGEST_ID, UNSET, Codec
from tamid.serving.values import Row

_encode = msgspec.json.Encoder().encode
# Rows after which others get a turn: less than two milliseconds.
_AT_ONCE = 250


class Hot:
    """Answers plain rows of one turn; whatever is not plain gets None and the ordinary road.

    `one(body)` answers the object of one row, `one_v2(body, length)` tensors of one row, `length`
    as :meth:`V2Lane.read` has it. `new_id`: makes the id of a row that brings none,
    `ids`: the parts of such ids.
    """

    def __init__(
        self, turn: Turn, codec: Codec, lane: Lane, counts: Counts, book: LogBook,
        new_id: Callable[[], str], ids: tuple[str, Iterator[int]],
    ) -> None:  # fmt: skip
        self._codec, self._served, self._inputs = codec, turn.served, len(turn.served.inputs)
        self._score, self._whole, self._kind = lane.score, lane.whole, lane.kind
        self.kinds = tuple(lane.kinds)
        self._lane, self._counts, self._within = lane, counts, turn.within
        self._v2 = V2Lane(turn.served, self.kinds)
        self._count_v2 = counts.shortcut("v2_infer", lane.kinds[0])
        self._kinds = [(told.tail(kind, turn.served), (kind,)) for kind in lane.kinds]
        self._new_id = new_id
        count = self._count = counts.shortcut("predict", lane.kinds[0])
        self._book, self._note = book, book.note
        logged = turn.served.logged
        # Then a note is the bytes that came and went, and nobody asks for the values: of every
        # request, or of those that name no entity.
        self._bytes_only = logged.whole and logged.share >= 1.0
        self._bare_bytes = logged.bare and logged.share >= 1.0
        self._some_row = (Row(values={}),)
        self._tails = [(tail.encode(), like) for tail, like in self._kinds]
        self.one = plain_row(codec, lane, turn.served, self._tails, count, book, ids, self._other)
        self.one_v2 = tensor_row(
            self._v2, lane, turn.served, self._tails, self._count_v2, book, ids, self._other_v2
        )

    def _other(self, given: tuple[Any, ...], body: bytes, started: float) -> bytes | None:
        """Answer one row that brings ids, or lacks inputs."""
        values = self._codec.counted(given, body)
        if values is None:
            return None
        read = time.monotonic()
        score = self._score(values)
        if score is None:
            return None
        own = values[self._inputs]
        known = own is not UNSET and own is not None
        name = told.name(own) if known else f'"{self._new_id()}"'
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
        answers = (replace(like[0], id=own if known else name[1:-1], score=score),)
        self._note(self._served, rows, answers, spent, len(body), body, reply)
        return reply

    def _other_v2(self, body: bytes, length: int, started: float) -> tuple[bytes, int] | None:
        """Answer a request of V2 with one row whose form is not known."""
        asked = self._v2.read(body, length)
        if asked is None or len(asked.rows) != 1:
            return None
        read = time.monotonic()
        values, bytes_only = (
            asked.rows[0],
            not self._book.tight and (self._bare_bytes if asked.whole else self._bytes_only),
        )
        score = self._whole(values) if asked.whole else self._score(values)
        given = asked.id or self._new_id()
        name = given if asked.whole or score is None else self._named(values, given)
        if score is None or name is None:
            return None
        kind, text, quoted = self._kind(score), _encode(score), _encode(name)
        own = _encode(asked.id) if asked.id else quoted
        reply = self._v2.told_one(own, asked.packed, score, text, kind)
        ended = time.monotonic()
        self._count_v2(ended - started)
        spent = (read - started, 0.0, 0.0, ended - read, ended - started)
        if bytes_only:
            end, like = self._tails[kind]
            plain = b'{"id":%b,"score":%b%b' % (quoted, text, end)
            sent = kept(body[:length], body[length:])
            self._note(self._served, self._some_row, like, spent, len(body), sent, plain)
            return reply
        rows = LazyRows(self._codec.row, asked.rows)
        answers = LazyAnswers(self.kinds, [kind], [name], [score])
        self._note(self._served, rows, answers, spent, len(body))
        return reply

    async def many(self, call: Call) -> Reply | None:
        """Answer an array of rows."""
        rows = self._codec.quick_many(call.body)
        read = time.monotonic()
        scores = None if rows is None else await self._scored(rows, call)
        if rows is None or scores is None:
            return None
        ids = self._ids(rows, call.name)
        if ids is None:
            return None
        kinds = list(map(self._kind, scores))
        tails = [tail for tail, _ in self._kinds]
        plain = self._all_new(rows)
        names = [f'"{name}"' for name in ids] if plain else [told.name(name) for name in ids]
        parts = [
            f'{{"id":{name},"score":{score!r}{tails[kind]}'
            for name, score, kind in zip(names, scores, kinds, strict=True)
        ]
        body = f'{{"answers":[{",".join(parts)}]}}'.encode()
        keeps = len(rows) > 1 and self._keeps(rows)
        self._noted(call, rows, kinds, ids, scores, read, (call.body, body) if keeps else ())
        return Reply(body=body)

    def _keeps(self, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Say whether the bytes of these rows are all that their note needs."""
        if self._book.tight or not (self._bare_bytes or self._bytes_only):
            return False
        place = self._inputs + 1
        return self._bytes_only or all(v is UNSET for values in rows for v in values[place:])

    async def many_v2(self, call: Call, length: int) -> tuple[bytes, int] | None:
        """Answer a request of V2."""
        asked = self._v2.read(call.body, length)
        read = time.monotonic()
        if asked is None or len(asked.rows) > self._codec.most_rows:
            return None
        scores = await self._scored(asked.rows, call)
        ids = None if scores is None else self._ids(asked.rows, call.name)
        if scores is None or ids is None:
            return None
        asked.id = asked.id or call.name
        kinds = list(map(self._kind, scores))
        reply = self._v2.told(asked, scores, kinds)
        self._noted(call, asked.rows, kinds, ids, scores, read)
        return reply

    async def _scored(self, rows: list[tuple[Any, ...]], call: Call) -> list[float] | None:
        """Score in slices, between which others get a turn; None when time runs out."""
        found: list[float] = []
        end = call.arrived + self._within(len(rows))
        for start in range(0, len(rows), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            some = self._lane.scores(rows[start : start + _AT_ONCE])
            if some is None or time.monotonic() > end:
                return None
            found += some
        return found

    def _all_new(self, rows: Sequence[tuple[Any, ...]]) -> bool:
        """Say whether no row brings an id."""
        place = self._inputs
        return all(values[place] is UNSET or values[place] is None for values in rows)

    def _ids(self, rows: Sequence[tuple[Any, ...]], name: str) -> list[str] | None:
        """Return the id of each row; None where one is no id."""
        if self._all_new(rows):
            return [f"{name}-{i}" for i in range(len(rows))] if len(rows) > 1 else [name]
        found = [self._named(values, f"{name}-{i}") for i, values in enumerate(rows)]
        ids = [given for given in found if given is not None]
        return ids if len(ids) == len(rows) else None

    def _named(self, values: tuple[Any, ...], other: str) -> str | None:
        given = values[self._inputs]
        if given is UNSET or given is None:
            return other
        return given if 0 < len(given) <= LONGEST_ID else None

    def _noted(
        self, call: Call, rows: list[tuple[Any, ...]], kinds: list[int], ids: list[str],
        scores: list[float], read: float, as_they_came: tuple[bytes, ...] = (),
    ) -> None:  # fmt: skip
        """Count and write down the answers of many rows."""
        ended, number = time.monotonic(), self._served.number
        self._counts.part("read", number, read - call.arrived)
        self._counts.part("model", number, ended - read)
        self._counts.answered_alike(self.kinds[0], len(rows))
        spent = (read - call.began, 0.0, 0.0, ended - read, ended - call.began)
        answers = LazyAnswers(self.kinds, kinds, ids, scores)
        given = LazyRows(self._codec.row, rows)
        self._note(self._served, given, answers, spent, len(call.body), *as_they_came)


class Lanes:
    """Answers one row at once by the turn in force, in its hot lane or beside it."""

    def __init__(
        self, brain: Brain, turn: Callable[[], tuple[Turn, Codec]], counts: Counts, book: LogBook,
        desk: Desk,
    ) -> None:  # fmt: skip
        self._brain, self._turn, self._counts, self._book = brain, turn, counts, book
        self._desk, self._busy = desk, desk.busy
        self._seen: Turn | None = None
        self._hot: Hot | None = None
        self._one: Callable[[bytes], bytes | None] = self._beside

    def quick(self, body: bytes) -> bytes | None:
        """Return the answer to one plain row; None: the ordinary road, for whatever reason."""
        try:
            if self._brain.turn is not self._seen:
                self._look()
        except TamidError:
            return None
        return self._one(body)

    def quick_v2(self, body: bytes, length: int) -> tuple[bytes, int] | None:
        """Return the answer to one plain row of V2, and the length of its JSON; or None."""
        try:
            hot = self.hot()
        except TamidError:
            return None
        return None if hot is None else hot.one_v2(body, length)

    def hot(self) -> Hot | None:
        """Return the hot lane of the turn in force, None if it has none. Raises Waiting."""
        if self._brain.turn is not self._seen:
            self._look()
        return self._hot

    def hot_for_many(self) -> Hot | None:
        """Return the hot lane unless too much is being worked on. Raises Waiting."""
        return None if self._busy() else self.hot()

    def _look(self) -> None:
        turn, codec = self._turn()
        lane = turn.lane(UNSET)
        self._hot, self._one = None, self._beside
        if lane is not None:
            desk = self._desk
            self._hot = Hot(turn, codec, lane, self._counts, self._book, desk.new_id, desk.ids)
            self._one = self._hot.one
        self._seen = turn

    def _beside(self, body: bytes) -> bytes | None:
        """Answer by a turn that has no lane, but may answer a row at once."""
        started = time.monotonic()
        turn, codec = self._turn()
        try:
            found = codec.one(body)
        except TamidError:
            return None
        name = found.ids[0] or self._desk.new_id()
        read = time.monotonic()
        answer = turn.now(found.rows[0], name)
        if answer is None:
            return None
        ended = time.monotonic()
        self._counts.answered(answer)
        self._counts.request("predict", 200, ended - started)
        reply = told.one(answer, turn.served)
        spent = (read - started, 0.0, 0.0, ended - read, ended - started)
        # A column that the version does not read may be one that must not be written down.
        sent = body if len(found.rows[0].values) == len(turn.served.inputs) else b""
        self._book.note(turn.served, found.rows, (answer,), spent, len(body), sent, reply)
        return reply
