"""What an answer pays for being written down, on the thread that answers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from tamid.core.values import Task
from tamid.serving.log.book import Book
from tamid.serving.values import Answer, Input, Logged, Row, Served

pytestmark = pytest.mark.bench

NAMES = tuple(f"column_{n}" for n in range(20))
SERVED = Served(
    name="m", number=3, bundle="b" * 71, overlay="o" * 71, task=Task.BINARY,
    inputs=tuple(Input(name=n, kind="number") for n in NAMES),
    logged=Logged(names=NAMES, whole=True),
)  # fmt: skip
ROW = (Row(values={}),)
ANSWER = (Answer(id="9b6a0cf566e8-7", score=0.7022, version=3, rung="champion", decision=1),)
BODY = json.dumps({name: n * 1.37 for n, name in enumerate(NAMES)}).encode()
REPLY = b'{"id":"9b6a0cf566e8-7","score":0.7022,"decision":1,"version":3,"rung":"champion"}'
_NOTES, _ROUNDS = 20_000, 7


def test_a_note_costs_less_than_parsing_its_row(tmp_path: Path) -> None:
    """Queue, packing and counting of times; checksums and writing are for the other thread.

    Held against the standard library's parser on the same bytes, as the machine may be busy.
    """
    spent = (1e-5, 0.0, 0.0, 1e-5, 2e-5)
    on_thread, in_all, parsing = [], [], []
    for round_ in range(_ROUNDS):
        book = Book(tmp_path / str(round_), "m")
        book.begin()
        began, whole = time.thread_time(), time.process_time()
        for _ in range(_NOTES):
            book.note(SERVED, ROW, ANSWER, spent, len(BODY), BODY, REPLY)
        on_thread.append((time.thread_time() - began) / _NOTES * 1e6)
        began = time.thread_time()
        for _ in range(_NOTES):
            json.loads(BODY)
        parsing.append((time.thread_time() - began) / _NOTES * 1e6)
        book.close()
        in_all.append((time.process_time() - whole) / _NOTES * 1e6 - parsing[-1])
        assert book.kept.rows == _NOTES
    sys.stdout.write(
        f"prediction log: {min(on_thread):.2f} us on the answering thread, {min(in_all):.2f} us of "
        f"processor time in all; json.loads of the row's {len(BODY)} bytes {min(parsing):.2f} us\n"
    )
    assert min(on_thread) < 0.6 * min(parsing)
