"""Noted answers as rows of a block: what the contract declares, sampled with a known chance.

What a person has to decide is never sampled: its rows are a block of their own, of chance 1.

A row is `[microseconds, row, answer]`: how long after the block's `at` it was answered, the row as
it was asked with its entity, the answer as it was given. Where all of a row may be stored, both are
the very bytes that came and went; of tensors, as :mod:`tamid.core.tensored` keeps them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import msgspec

from tamid.core.ladder import ABSTAIN
from tamid.core.spool import TENSORS
from tamid.core.tensored import REQUEST
from tamid.serving.strict import ENTITY
from tamid.serving.told import told
from tamid.serving.values import Answer, Row, Served

# One answer in a hundred is kept whatever the contract's share is and however little room there
# is: quality can always be measured.
RESERVED = 0.01
_encode = msgspec.json.Encoder().encode
_turn_and_share = itemgetter(1, 6)
_WHOLE = 2.0**32
_TENSORED = f'{{"{REQUEST}"'.encode()


class _Told(msgspec.Struct):
    answers: list[msgspec.Raw]


_rows_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_answers_of = msgspec.json.Decoder(_Told).decode


# One request, a bare tuple, because it is made for each: when it was answered, by which turn, rows,
# answers; seconds of read, features, queue, model and the whole; bytes of the body; the share that
# is kept just now (0: what the contract says); body and reply, if they are one JSON object of one
# row, or arrays of as many.
Noted = tuple[
    float, Served, Sequence[Row], Sequence[Answer], tuple[float, ...], int, float, bytes, bytes
]


@dataclass(slots=True, kw_only=True)
class Kept:
    """What became of the answers so far, in rows; `failing`: the disk does not take them."""

    rows: int = 0
    lost: int = 0
    failing: bool = False
    answered: dict[tuple[int, str], int] = field(default_factory=dict)


def chosen(name: str, share: float) -> bool:
    """Say whether the answer of this id is in the sample; the same id always is or never.

    >>> sum(chosen(f"a-{n}", 0.25) for n in range(10_000)) / 10_000
    0.2497
    """
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) < share * _WHOLE


def packed(noted: Sequence[Noted], kept: Kept) -> Iterator[tuple[bytes, int]]:
    """Yield a body and its number of rows for each run of requests of one turn and share."""
    for _, run in groupby(noted, key=_turn_and_share):
        requests = list(run)
        at, served, share = requests[0][0], requests[0][1], requests[0][6]
        share = share or max(served.logged.share, RESERVED)
        rows, left = list[bytes](), list[bytes]()
        if served.logged.bare and share >= 1.0:
            requests = _bytes_alone(rows, requests, at, kept.answered)
        for request in requests:
            _add((rows, left), request, at, share, kept.answered)
        for some, chance in ((rows, share), (left, 1.0)):
            if some:
                about = {"bundle": served.bundle, "overlay": served.overlay, "at": at}
                tensors = any(row.startswith(_TENSORED) for row in some[1::3])
                parts = {TENSORS: served.tensors} if tensors else {}
                head = _encode({**about, "chance": chance, **parts})
                yield b'%b,"rows":[%b]}' % (head[:-1], b",".join(some)), len(some) // 3


def _bytes_alone(
    rows: list[bytes], requests: Sequence[Noted], at: float, counts: dict[tuple[int, str], int]
) -> list[Noted]:
    """Add the requests whose very bytes are kept, on everybody's way; return the others."""
    others = list[Noted]()
    likes: dict[int, tuple[Answer, int]] = {}  # most have one and the same answer for their like
    for request in requests:
        when, _, asked, answers, _, _, _, sent, reply = request
        if not _as_it_came(request):
            others.append(request)
            continue
        later = b"[%d" % ((when - at) * 1e6)
        if len(asked) == 1:
            rows += (later, sent, reply + b"]")
        else:
            for row, answer in zip(_rows_of(sent), _answers_of(reply).answers, strict=True):
                rows += (later, bytes(row), bytes(answer) + b"]")
        like, n = likes.get(id(answers)) or (answers[0], 0)
        likes[id(answers)] = (like, n + len(asked))
    for like, n in likes.values():
        key = (like.version, like.rung)
        counts[key] = counts.get(key, 0) + n
    return others


def _add(
    places: tuple[list[bytes], list[bytes]],
    request: Noted,
    at: float,
    share: float,
    counts: dict[tuple[int, str], int],
) -> None:
    """Add the rows of a request: to the first place what is sampled, to the second what is not."""
    rows, left = places
    when, served, asked, answers, _, _, _, sent, reply = request
    logged, as_it_came = served.logged, len(asked) == 1 and _as_it_came(request)
    later = int((when - at) * 1e6)
    for row, a in zip(asked, answers, strict=True):
        key = (a.version, a.rung)
        counts[key] = counts.get(key, 0) + 1
        into = rows
        if share < 1.0 and a.rung == ABSTAIN:
            into = left
        elif share < 1.0 and not chosen(a.id, share):
            continue
        if as_it_came:
            into += (b"[%d" % later, sent, reply + b"]")
            continue
        given = {name: row.values.get(name) for name in logged.names}
        given |= {name: row.values[name] for name in logged.beside if name in row.values}
        if row.entity is not None and logged.entity:
            given[ENTITY] = row.entity
        if row.moment is not None:
            given["_time"] = row.moment
        if row.sought:
            given["_sought"] = True
        into += (b"[%d" % later, _encode(given), _encode(told(a, served)) + b"]")


def _as_it_came(request: Noted) -> bool:
    """Say whether a request is kept as it came: what it holds may be stored, and it is known."""
    logged, rows = request[1].logged, request[2]
    # Whoever gives the bytes of many rows has looked at each.
    return bool(request[7]) and (
        logged.whole or (logged.bare and (len(rows) > 1 or rows[0].entity is None))
    )
