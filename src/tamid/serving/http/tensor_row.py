"""The usual request of V2 in one function: tensors of one row with all its inputs, to its answer.

Requests of a known form are read at a stretch; the others as the lane of V2 reads them, and their
form is learnt, if they have one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from tamid.core.compiled.lane import Laid
from tamid.core.tensored import kept
from tamid.ports import RowForm
from tamid.serving.http.forms import Forms
from tamid.serving.http.v2_lane import V2Lane
from tamid.serving.seams import Lane, LogBook
from tamid.serving.values import Answer, Row, Served

Told = tuple[bytes, int]
# Heads of packed requests that are remembered: texts of other lengths have another one.
_MOST_HEADS = 256
_number = msgspec.json.Encoder().encode
_SOME_ROW = (Row(values={}),)


def tensor_row(
    v2: V2Lane, lane: Lane, served: Served, tails: Sequence[tuple[bytes, tuple[Answer]]],
    count: Callable[[float], None], book: LogBook, ids: tuple[str, Iterator[int]],
    other: Callable[[bytes, int, float], Told | None],
) -> Callable[[bytes, int], Told | None]:  # fmt: skip
    """Return what answers a body whose JSON has a length; None where the ordinary road must.

    What it gives are the answer and the length of its JSON, 0 where nothing is packed behind. The
    arguments are those of :func:`tamid.serving.http.plain_row.plain_row`.
    """
    now, note, kind_of = time.monotonic, book.note, lane.kind
    begin, numbers = f'"{ids[0]}-'.encode(), ids[1]
    bytes_only = served.logged.bare and served.logged.share >= 1.0
    known = _Known(v2, lane)
    form_of, packs = known.form_of, known.packs

    def answer(body: bytes, length: int) -> Told | None:
        started = now()
        form = form_of(body, length) if bytes_only and not book.tight else None
        if form is None:
            found = other(body, length, started)
            if found is not None:
                known.learn(body, length)
            return found
        read = now()
        score = form.score()
        if score is None:
            return other(body, length, started)
        kind, text = kind_of(score), _number(score)
        name = b'%b%d"' % (begin, next(numbers))
        reply = v2.told_one(name, packs[form], score, text, kind)
        ended = now()
        count(ended - started)
        tail, like = tails[kind]
        spent = (read - started, 0.0, 0.0, ended - read, ended - started)
        sent = kept(body[:length], body[length:])
        plain = b'{"id":%b,"score":%b%b' % (name, text, tail)
        note(served, _SOME_ROW, like, spent, len(body), sent, plain)
        return reply

    return answer


class _Known:
    """The forms of one version's requests; `packs`: which want packed answers."""

    def __init__(self, v2: V2Lane, lane: Lane) -> None:
        self._v2, self._lane, self._forms = v2, lane, Forms(lane.form)
        self._tried = self._forms.tried
        self._heads: dict[bytes, RowForm] = {}
        self.packs: dict[RowForm, bool] = {}

    def form_of(self, body: bytes, length: int) -> RowForm | None:
        """Return the form of a request, whose row is read then; None if none is known."""
        if length < len(body):
            form = self._heads.get(body[:length])
            return form if form is not None and form.read(body, length) else None
        for form in self._tried:
            if form.read(body, 0):
                return form
        return None

    def learn(self, body: bytes, length: int) -> None:
        """Remember the form of a request that was answered by other means."""
        head = body[:length]
        packed, wants = length < len(body), False

        def find() -> tuple[Laid, float] | None:
            nonlocal wants
            asked, laid = self._v2.read(body, length), self._v2.laid(head)
            if asked is None or laid is None or not asked.whole or len(asked.rows) != 1:
                return None
            wants, score = asked.packed, self._lane.whole(asked.rows[0])
            return None if score is None else (laid, score)

        form = self._forms.learn(find, body, length if packed else 0)
        if form is None:
            return
        self.packs[form] = wants
        if not packed:
            self._forms.keep(form)
            return
        if len(self._heads) >= _MOST_HEADS:
            self._heads.clear()
        self._heads[head] = form
