"""The usual request in one function: a row with all its inputs and nothing else, to its answer.

It does what :class:`tamid.serving.http.hot.Hot` does for every row of the lane, without a call that
can be spared: at this speed the calls are what a request costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from tamid.serving.http.forms import Forms
from tamid.serving.seams import Lane, LogBook
from tamid.serving.strict import UNSET, Codec
from tamid.serving.values import Answer, Row, Served

# What a body may be that is no row; the ordinary road says what is wrong with it.
NO_ROW = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_astuple = msgspec.structs.astuple
_number = msgspec.json.Encoder().encode
_SOME_ROW = (Row(values={}),)


def plain_row(
    codec: Codec, lane: Lane, served: Served, tails: Sequence[tuple[bytes, tuple[Answer]]],
    count: Callable[[float], None], book: LogBook, ids: tuple[str, Iterator[int]],
    other: Callable[[tuple[Any, ...], bytes, float], bytes | None],
) -> Callable[[bytes], bytes | None]:  # fmt: skip
    """Return what answers the body of one row, None where the ordinary road must.

    `tails`: what stands behind the score of each of the lane's kinds, and that kind. `ids`: the
    beginning of the ids of this process, and the numbers behind it. `other`: answers what is read
    but not as plain as that, given values, body and when it was begun.
    """
    now, decode, note = time.monotonic, codec.decode, book.note
    score_of, kind_of = lane.whole, lane.kind
    inputs = len(served.inputs)
    nothing = (UNSET,) * codec.extras
    begin, numbers = f'{{"id":"{ids[0]}-'.encode(), ids[1]
    bytes_only = served.logged.bare and served.logged.share >= 1.0
    forms, places = Forms(lane.form), {name: i for i, name in enumerate(served.names)}
    tried = forms.tried

    def answer(body: bytes) -> bytes | None:
        started = read = now()
        quick, score = bytes_only and not book.tight, None
        if quick:
            for form in tried:
                if form.read(body, 0):
                    read, score = now(), form.score()
                    break
        if score is None:
            try:
                values = _astuple(decode(body))
            except NO_ROW:
                return None
            # As many colons as inputs, and each of them there: none came twice.
            if not quick or values[inputs:] != nothing:
                return other(values, body, started)
            read = now()
            score = score_of(values) if body.count(b":") == inputs else None
            if score is None:
                return other(values, body, started)
            forms.learn_row(body, places, score)
        tail, like = tails[kind_of(score)]
        reply = b'%b%d","score":%b%b' % (begin, next(numbers), _number(score), tail)
        ended = now()
        count(ended - started)
        spent = (read - started, 0.0, 0.0, ended - read, ended - started)
        note(served, _SOME_ROW, like, spent, len(body), body, reply)
        return reply

    return answer
