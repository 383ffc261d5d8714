"""The prediction log: what is kept, with which chance, and what becomes of it without room."""

from __future__ import annotations

import dataclasses
import errno
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tamid.core.spool import LABELS, ROWS, TIMES, Segment, read_segment
from tamid.core.tensored import kept
from tamid.core.values import Task
from tamid.serving.log.book import Book, NotKept
from tamid.serving.log.packing import RESERVED, chosen
from tamid.serving.log.segments import Segments
from tamid.serving.values import Answer, Input, Logged, Row, Served

SERVED = Served(
    name="churn", number=3, bundle="b", overlay="o", task=Task.BINARY,
    inputs=(Input(name="calls", kind="number"), Input(name="phone", kind="text")),
    logged=Logged(names=("calls",)),
)  # fmt: skip
SPENT = (1e-5, 0.0, 0.0, 1e-5, 2e-5)


def logged(**changes: Any) -> Served:
    """Return the version under other rules of the log."""
    return dataclasses.replace(SERVED, logged=dataclasses.replace(SERVED.logged, **changes))


def note(book: Book, name: str, served: Served = SERVED) -> None:
    """Note one answer."""
    row = Row(values={"calls": 1.5, "phone": "050-1"}, entity="c1")
    answer = Answer(id=name, score=0.7, version=3, rung="champion", decision=1)
    book.note(served, (row,), (answer,), SPENT, 40)


def segments(folder: Path) -> list[Segment]:
    """Return all segments, sealed or not."""
    return [read_segment(p.read_bytes()) for p in sorted(folder.iterdir())]


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return all logged rows: the answer, what was asked, with which chance it was kept."""
    found = [body for s in segments(folder) for body in s.of(ROWS)]
    return [
        {**answer, "asked": asked, "at": b["at"] + later / 1e6, "chance": b["chance"]}
        for b in found
        for later, asked, answer in b["rows"]
    ]


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    """A log that nobody flushes but the test."""
    found = Book(tmp_path / "spool", "churn", every=3600)
    yield found
    found.close()


def test_a_row_that_cannot_be_packed_costs_no_later_one(
    book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault of the log is counted and told without values; the log goes on."""
    broken = Row(values={"calls": object()}, entity="c1")  # type: ignore[dict-item]
    answer = Answer(id="a-0", score=0.7, version=3, rung="champion", decision=1)
    book.note(SERVED, (broken,), (answer,), SPENT, 40)
    book.flush()
    note(book, "a-1")
    book.close()
    assert [row["id"] for row in rows(tmp_path / "spool")] == ["a-1"]
    assert (book.kept.rows, book.kept.lost) == (1, 1)
    assert book.gauges()["log_rows_waiting"] == 0
    assert capsys.readouterr().err == "1 rows were not logged: TypeError\n"


def test_every_answer_is_kept_by_its_id(book: Book, tmp_path: Path) -> None:
    """Declared columns only: what is personal is not in the file at all."""
    for n in range(150):
        note(book, f"a-{n}")
    book.close()
    found = rows(tmp_path / "spool")
    assert [row["id"] for row in found] == [f"a-{n}" for n in range(150)]
    assert found[0] == {
        "id": "a-0", "score": 0.7, "decision": 1, "version": 3, "rung": "champion", "reason": "",
        "asked": {"calls": 1.5, "_entity": "c1"}, "at": found[0]["at"], "chance": 1.0,
    }  # fmt: skip
    assert b"050-1" not in b"".join(p.read_bytes() for p in (tmp_path / "spool").iterdir())
    assert [s.sealed for s in segments(tmp_path / "spool")] == [True]
    assert (book.kept.rows, book.kept.lost) == (150, 0)
    assert book.kept.answered == {(3, "champion"): 150}


def test_an_entity_that_is_personal_is_not_written(book: Book, tmp_path: Path) -> None:
    """Its labels are joined by id."""
    note(book, "a", logged(entity=False))
    book.close()
    assert rows(tmp_path / "spool")[0]["asked"] == {"calls": 1.5}


def test_where_all_may_be_stored_the_bytes_are(book: Book, tmp_path: Path) -> None:
    """Body and reply as they came and went; of a version with personal columns never."""
    sent, reply = b'{"calls": 2e0, "phone": "050-1"}', b'{"id":"a","score":0.7}'
    for served in (logged(whole=True), SERVED):
        row = Row(values={"calls": 2.0, "phone": "050-1"})
        answer = Answer(id="a", score=0.7, version=3, rung="champion")
        book.note(served, (row,), (answer,), SPENT, len(sent), sent, reply)
    book.close()
    found = rows(tmp_path / "spool")
    assert [row["asked"] for row in found] == [{"calls": 2.0, "phone": "050-1"}, {"calls": 2.0}]


def test_bytes_that_name_nobody_are_stored_where_names_are_not(book: Book, tmp_path: Path) -> None:
    """Beside them a row with an entity is written value by value, its entity as it is known."""
    sent, reply = b'{"calls": 2e0, "phone": "050-1"}', b'{"id":"a","score":0.7}'
    answer = Answer(id="a", score=0.7, version=3, rung="champion")
    for entity in (None, "pseudonym"):
        row = Row(values={"calls": 2.0}, entity=entity)
        book.note(logged(bare=True), (row,), (answer,), SPENT, len(sent), sent, reply)
    book.close()
    asked = sorted((row["asked"] for row in rows(tmp_path / "spool")), key=str)
    whole, veiled = {"calls": 2.0, "phone": "050-1"}, {"calls": 2.0, "_entity": "pseudonym"}
    assert asked == sorted([whole, veiled], key=str)
    assert book.kept.answered == {(3, "champion"): 2}


def test_rows_of_tensors_are_read_as_rows(book: Book, tmp_path: Path) -> None:
    """Among others, and with the columns that a tensor of several holds."""
    head = (
        b'{"inputs":[{"name":"numbers","datatype":"FP64","shape":[1,1],'
        b'"parameters":{"binary_data_size":8}},'
        b'{"name":"texts","datatype":"BYTES","shape":[1,1],"data":["050-1"]}]}'
    )
    answer, reply = Answer(id="a", score=0.7, version=3, rung="champion"), b'{"id":"a","score":0.7}'
    for sent in (b'{"calls":3.5}', kept(head, struct.pack("<d", 2.5))):
        book.note(logged(whole=True), (Row(values={}),), (answer,), SPENT, 9, sent, reply)
    book.close()
    asked = [row["asked"] for row in rows(tmp_path / "spool")]
    assert asked == [{"calls": 3.5}, {"calls": 2.5, "phone": "050-1"}]


def test_the_bytes_of_many_rows_are_stored_row_by_row(book: Book, tmp_path: Path) -> None:
    """Each under its own answer; while little room is left, those of the sample by their values."""
    asked = tuple(Row(values={"calls": float(n)}) for n in range(300))
    told = tuple(Answer(id=f"a-{n}", score=n / 300, version=3, rung="champion") for n in range(300))
    sent = json.dumps([{"calls": n, "phone": f"050-{n}"} for n in range(300)]).encode()
    replies = [{"id": a.id, "score": a.score} for a in told]
    reply = json.dumps({"answers": replies}).encode()
    book.note(logged(bare=True), asked, told, SPENT, len(sent), sent, reply)
    book.flush()
    assert book.kept.answered == {(3, "champion"): 300}
    found = rows(tmp_path / "spool")
    assert [(r["id"], r["score"]) for r in found] == [(a.id, a.score) for a in told]
    assert [r["asked"] for r in found] == json.loads(sent)
    book.tight = True
    book.note(logged(bare=True), asked, told, SPENT, len(sent), sent, reply)
    book.flush()
    kept_few = rows(tmp_path / "spool")[300:]
    chosen_ids = [a.id for a in told if chosen(a.id, RESERVED)]
    assert [r["id"] for r in kept_few] == chosen_ids
    assert all(set(r["asked"]) == {"calls"} for r in kept_few)


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_a_share_is_kept_with_its_chance(book: Book, tmp_path: Path, share: float) -> None:
    """The chance is stored; the reserved sample comes at a share of nothing, too."""
    served = logged(share=share)
    for n in range(5000):
        note(book, f"a-{n}", served)
    book.close()
    found = rows(tmp_path / "spool")
    chance = max(share, RESERVED)
    assert {row["chance"] for row in found} == {chance}
    assert abs(len(found) - chance * 5000) < 5 * (chance * 5000) ** 0.5
    assert {row["id"] for row in found} == {
        f"a-{n}" for n in range(5000) if chosen(f"a-{n}", chance)
    }
    assert book.kept.lost == 0


def test_times_are_kept_per_version(book: Book, tmp_path: Path) -> None:
    """Requests, rows, bytes, and the seconds of each part."""
    for n in range(10):
        note(book, f"a-{n}")
    book.close()
    (window,) = [b for s in segments(tmp_path / "spool") for b in s.of(TIMES)]
    (cell,) = window["cells"]
    assert (cell["version"], cell["requests"], cell["rows"], cell["bytes"]) == (3, 10, 10, 400)
    assert cell["seconds"]["model"] == pytest.approx(1e-4)
    assert sum(cell["counts"]["whole"].values()) == 10


def test_what_must_be_kept_is_there_at_once(book: Book, tmp_path: Path) -> None:
    """A label is on the disk before its sender is told so."""
    book.keep(LABELS, json.dumps({"labels": []}).encode())
    assert [b.kind for s in segments(tmp_path / "spool") for b in s.blocks][1:] == [LABELS]


class FullDisk(Segments):
    """Segments on a disk without room, until it is freed."""

    full = True

    def _put(self, content: bytes, spare: int = 0) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super()._put(content, spare)


def test_a_disk_that_is_full_for_a_while_costs_nothing(book: Book, tmp_path: Path) -> None:
    """Answers are noted meanwhile, it is told, and all of them come once there is room."""
    book.segments = disk = FullDisk(tmp_path / "spool", "churn")
    for n in range(100):
        note(book, f"a-{n}")
    book.flush()
    assert book.gauges()["log_failing"] == 1
    with pytest.raises(NotKept, match="could not be written"):
        book.keep(LABELS, b"{}")
    disk.full = False
    book.flush()
    assert book.gauges()["log_failing"] == 0
    assert len(rows(tmp_path / "spool")) == 100


@pytest.mark.parametrize(("policy", "kept"), [("sample", RESERVED), ("drop", 0.5), ("block", 0.5)])
def test_what_is_noted_while_the_disk_is_full(tmp_path: Path, policy: str, kept: float) -> None:
    """`sample`: the reserved sample, with its chance; else all until the memory's bound."""
    book = Book(tmp_path / "spool", "churn", every=3600, most_bytes=60_000)
    book.segments = disk = FullDisk(tmp_path / "spool", "churn")
    served = logged(when_full=policy)
    note(book, "first", served)
    book.flush()
    for n in range(4000):
        note(book, f"a-{n}", served)
    disk.full = False
    book.close()
    found = [row for row in rows(tmp_path / "spool") if row["id"] != "first"]
    assert 0 < len(found) < 4000 * kept * 2
    if policy == "sample":
        assert {row["chance"] for row in found} == {RESERVED}
        assert book.kept.lost == 0
    else:
        assert book.kept.lost == 4001 - book.kept.rows


def test_the_log_stays_below_the_size_of_the_contract(tmp_path: Path) -> None:
    """Near it only the reserved sample is kept; what the controller takes makes room again."""
    book = Book(tmp_path / "spool", "churn", every=3600, most_bytes=20_000)
    served = logged(most_bytes=100_000)
    for n in range(20_000):
        note(book, f"a-{n}", served)
        if n % 500 == 0:
            book.flush()
    book.flush()
    folder = tmp_path / "spool"
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 100_000
    chances = [row["chance"] for row in rows(folder)]
    assert chances[0] == 1.0
    assert RESERVED in chances
    book.segments.seal()
    for path in folder.glob("*.seg"):
        path.unlink()
    book.flush()
    for n in range(10):
        note(book, f"b-{n}", served)
    book.close()
    assert [row["id"] for row in rows(folder)][-10:] == [f"b-{n}" for n in range(10)]


def test_segments_are_sealed_when_they_are_old_or_large(tmp_path: Path) -> None:
    """Each is named by when it began, so that the oldest comes first."""
    now = [1000.0]
    folder = tmp_path / "spool"
    found = Segments(folder, "churn", most_bytes=500, most_seconds=30, wall=lambda: now[0])
    found.write(b"x" * 10)
    now[0] = 1029.0
    found.tend()
    assert [p.suffix for p in folder.iterdir()] == [".open"]
    now[0] = 1030.0
    found.tend()
    found.write(b"y" * 600)
    names = sorted(p.name for p in folder.iterdir())
    assert [n.partition("-")[0] for n in names] == ["0000001000000", "0000001030000"]
    assert all(n.endswith(".seg") for n in names)


def test_what_a_person_has_to_decide_is_always_kept(book: Book, tmp_path: Path) -> None:
    """Whatever share is kept of the others; its chance is 1."""
    row = Row(values={"calls": 1.5}, entity="c1")
    for n in range(200):
        rung = "abstain" if n % 10 == 0 else "champion"
        score = None if rung == "abstain" else 0.7
        answer = Answer(id=f"a-{n}", score=score, version=0, rung=rung)
        book.note(logged(share=0.0), (row,), (answer,), SPENT, 40)
    book.flush()
    found = rows(tmp_path / "spool")
    left = [r for r in found if r["rung"] == "abstain"]
    assert {r["id"] for r in left} == {f"a-{n}" for n in range(0, 200, 10)}
    assert {(r["chance"], r["score"]) for r in left} == {(1.0, None)}
    assert len(found) - len(left) < 20
    assert {r["chance"] for r in found if r["rung"] != "abstain"} <= {RESERVED}
