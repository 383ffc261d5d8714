"""What servers wrote down comes into the tables once: answers, labels by id, times, incidents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tamid.adapters.memory import MemoryLeases, MemoryLedger
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.memory_spool import MemorySpool
from tamid.adapters.memory_tables import MemoryTables
from tamid.app import Quiet
from tamid.core import events as ev
from tamid.core.spool import LABELS, TIMES, read_segment
from tamid.core.values import ENTITY, KNOWN_AT, PERIOD, TIME, TablePin
from tamid.stages import labels
from tamid.stages.hearing import VALUE
from tamid.stages.journal import Journal
from tamid.stages.loop import adopt
from tamid.stages.rig import Rig
from tamid.stages.spooling import take_in
from tamid.testing.segments import labels_block, rows_block, segment, told_block
from tamid.workshop import inline_scorer, inline_trainer, parse

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
WEEK = "2026-03-01"
CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows.parquet}
  entity: customer
  time: week
  label: {column: left, positive: "yes", horizon: 7d}
  schema:
    calls: {type: number}
    phone: {type: text}
    plan: {type: category}
  pii: [phone]
service: {fallback: [default: 0.1]}
"""


class World:
    """One model's ports in memory, and a journal over them."""

    def __init__(self, text: str = CONTRACT) -> None:
        leases, self.spool, blobs = MemoryLeases(), MemorySpool(), MemoryBlobs()
        signer: Any = None
        self.rig = Rig(
            model="churn", clock=SimulatedClock(NOW), ledger=MemoryLedger(leases), leases=leases,
            blobs=blobs, tables=MemoryTables(), sources={}, trainer=inline_trainer(tiny=True),
            scorer=inline_scorer(blobs, signer), signer=signer, sinks={}, progress=Quiet(),
            parse=parse, generator=np.random.default_rng, salt="s", spool=self.spool,
        )  # fmt: skip
        adopt(self.rig, text, {}, NOW)

    def take(self, *segments: bytes, name: str = "a", now: datetime = NOW) -> list[ev.Event]:
        """Put segments down, take them in, and return what was told."""
        for n, content in enumerate(segments):
            self.spool.put(f"{name}-{n}", read_segment(content))
        journal = Journal(self.rig.ledger, "churn")
        take_in(self.rig, journal, now, 0)
        return [r.event for r in journal.written]

    def served(self) -> pl.DataFrame:
        """Return the stored answers."""
        pin = self.rig.tables.latest("churn.served")
        assert pin is not None
        return self.rig.tables.read(pin)


@pytest.fixture
def world() -> World:
    """A model whose contract was adopted."""
    return World()


def asked(n: int, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one answer."""
    row = {"_entity": f"c{n}", "calls": n / 2, "plan": "סיב", "phone": "050", **more}
    return row, {"id": f"a-{n}", "score": n / 10, "decision": int(n > 5), "band": "high"}


def test_answers_become_rows(world: World) -> None:
    """With entity, moment, period and inputs; what is personal or undeclared is not stored."""
    content = segment([rows_block(AT, [asked(n, foreign=1) for n in range(3)], chance=0.5)])
    (taken,) = world.take(content)
    assert isinstance(taken, ev.AnswersTaken)
    assert (taken.rows, taken.periods, taken.killed) == (3, (WEEK,), ())
    found = world.served().sort("id")
    assert found.get_column(ENTITY).to_list() == ["c0", "c1", "c2"]
    assert found.get_column(TIME).to_list()[0] == AT
    assert found.get_column("score").to_list() == [0.0, 0.1, 0.2]
    assert set(found.get_column("chance")) == {0.5}
    assert [json.loads(t) for t in found.get_column("inputs")][1] == {"calls": 0.5, "plan": "סיב"}


def test_a_row_is_about_the_moment_that_it_names(world: World) -> None:
    """The contract's time column, else the moment of the answer; without an entity it is its id."""
    row, answer = asked(1, week="2026-02-22T00:00:00+02:00")
    bare = {"calls": 1.0}
    world.take(segment([rows_block(AT, [(row, answer), (bare, {"id": "a-9"})])]))
    found = world.served().sort("id")
    assert found.get_column(TIME)[0] == datetime(2026, 2, 21, 22, tzinfo=UTC)
    assert found.get_column(PERIOD).to_list() == ["2026-02-15", WEEK]
    assert found.get_column(ENTITY).to_list() == ["c1", "a-9"]


@pytest.mark.parametrize(
    "week",
    [
        "9999-12-31T00:00:00+00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59",
        "0001-01-01T00:00:00Z", "2026-03-04T09:36:00Z", "yesterday",
    ],
)  # fmt: skip
def test_a_moment_that_cannot_be_is_that_of_the_request(world: World, week: str) -> None:
    """Any caller may name one: it must neither stop the loop nor begin a period of its own."""
    (taken,) = world.take(segment([rows_block(AT, [asked(1, week=week)])]))
    assert isinstance(taken, ev.AnswersTaken)
    assert taken.periods == (WEEK,)
    assert world.served().get_column(TIME).to_list() == [AT]


def test_a_label_from_no_calendar_is_known_when_it_was_heard(world: World) -> None:
    """What a server of another time let through stops no turn."""
    _, sent = labels_block(AT, {"a-1": "yes", "a-2": "no"})
    for label, when in zip(sent["labels"], (1e18, -1e18), strict=True):
        label[2] = when
    rows = rows_block(AT - timedelta(days=1), [asked(1), asked(2)])
    _, heard = world.take(segment([rows, (LABELS, sent)]))
    assert isinstance(heard, ev.LabelsAccepted)
    assert set(world.rig.tables.read(heard.pin).get_column(KNOWN_AT)) == {AT}


def test_labels_find_their_answers_by_id(world: World) -> None:
    """Also of an earlier claim, and corrected; unknown ids and values are counted, no bug."""
    rows = [asked(n) for n in range(4)]
    later = AT + timedelta(days=1)
    first = labels_block(later, {"a-0": "yes", "a-1": "no", "nobody": "yes"})
    taken, heard = world.take(segment([rows_block(AT, rows), first]))
    assert isinstance(taken, ev.AnswersTaken)
    assert isinstance(heard, ev.LabelsAccepted)
    assert (taken.unknown, heard.new) == (1, 2)
    second = labels_block(later + timedelta(days=1), {"a-1": "yes", "a-2": "no", "a-3": "?!"})
    taken, heard = world.take(segment([second]), name="b")
    assert isinstance(taken, ev.AnswersTaken)
    assert isinstance(heard, ev.LabelsAccepted)
    assert (heard.new, heard.corrected) == (1, 1)
    told = labels.resolve(world.served(), world.rig.tables.read(heard.pin), parse(CONTRACT), NOW)
    known = told.filter(labels.KNOWN).sort("id")
    assert known.select("id", "_label").rows()[:3] == [("a-0", 1.0), ("a-1", 1.0), ("a-2", 0.0)]


def test_labels_nobody_understands_block_nothing(world: World) -> None:
    """A caller's slip is counted: no refusal, which would keep the loop from training."""
    sent = labels_block(
        AT, {"a-0": "yes", "a-1": "no", "a-2": "perhaps", "a-3": "no", "a-4": "yes"}
    )
    rows = rows_block(AT, [asked(n) for n in range(5)])
    taken, heard = world.take(segment([rows, sent]))
    assert isinstance(taken, ev.AnswersTaken)
    assert isinstance(heard, ev.LabelsAccepted)
    assert (taken.invalid, heard.new) == (1, 4)
    text = CONTRACT.replace('positive: "yes"', "positive: 1")
    (taken,) = (other := World(text)).take(segment([rows, labels_block(AT, {"a-0": "x"})]))
    assert isinstance(taken, ev.AnswersTaken)
    assert taken.invalid == 1
    told = other.take(segment([labels_block(AT, {"a-0": True, "a-1": 0})]), name="b")
    assert isinstance(told[1], ev.LabelsAccepted)
    assert told[1].new == 2


def test_an_event_label_by_id_is_about_the_row_s_horizon() -> None:
    """A positive one is an event at the moment it names, else at the row's own."""
    text = CONTRACT.replace(
        'positive: "yes", horizon: 7d',
        'positive: "yes", horizon: 7d, absence: negative, event_time: left_at, '
        "source: {path: left.parquet}",
    )
    world = World(text)
    sent = labels_block(AT + timedelta(days=2), {"a-1": "yes"})
    _, heard = world.take(segment([rows_block(AT, [asked(1), asked(2)]), sent]))
    assert isinstance(heard, ev.LabelsAccepted)
    told = labels.resolve(world.served(), world.rig.tables.read(heard.pin), parse(text), NOW)
    assert told.sort("id").get_column("_label").to_list() == [1.0, None]
    due = NOW + timedelta(days=9)
    told = labels.resolve(world.served(), world.rig.tables.read(heard.pin), parse(text), due)
    assert told.sort("id").get_column("_label").to_list() == [1.0, 0.0]


def test_a_claim_that_was_told_of_is_only_discarded(world: World) -> None:
    """The process died after the append: nothing is written or told again."""
    content = segment([rows_block(AT, [asked(1)])])
    world.take(content)
    assert world.take(content) == []
    assert world.served().height == 1
    assert world.spool.claim() is None


def test_a_write_that_was_not_told_of_is_adopted(world: World) -> None:
    """The process died before the append: the rows are found by the claim's name."""
    content = segment([rows_block(AT, [asked(1)])])
    world.take(content)
    pin = world.rig.tables.latest("churn.served")
    again = World()
    again.rig = Rig(**{f: getattr(again.rig, f) for f in Rig.__slots__ if f != "tables"},
                    tables=world.rig.tables)  # fmt: skip
    (taken,) = again.take(content)
    assert isinstance(taken, ev.AnswersTaken)
    assert taken.pin == pin
    assert again.rig.tables.latest("churn.served") == pin


def test_times_are_stored_per_window_and_version(world: World) -> None:
    """With all that was answered and lost, sampled or not."""
    cell = {"version": 3, "requests": 7, "rows": 9, "bytes": 700, "seconds": {"whole": 0.1},
            "counts": {"whole": {"40": 7}}}  # fmt: skip
    window = {"began": AT.timestamp(), "ended": AT.timestamp() + 10, "cells": [cell], "lost": 2,
              "answered": {"3/champion": 8, "3/default": 1}}  # fmt: skip
    (taken,) = world.take(segment([(TIMES, window)]), segment([(TIMES, window)]))
    assert isinstance(taken, ev.AnswersTaken)
    assert (taken.answered, taken.lost) == ({"3/champion": 16, "3/default": 2}, 4)
    assert isinstance(taken.times, TablePin)
    assert world.rig.tables.read(taken.times).get_column("requests").to_list() == [7, 7]


def test_notices_are_incidents_of_the_system(world: World) -> None:
    """Opened once, closed when they are over; what began and ended in one claim leaves a trace."""
    breaker = {"name": "breaker/version 3", "text": "open", "at": 1000.0, "open": True}
    told = world.take(segment([told_block(breaker, {**breaker, "at": 1001.0})]))
    opened = [e for e in told if isinstance(e, ev.IncidentOpened)]
    assert [e.failure for e in opened] == ["system_failure"]
    closing = {**breaker, "open": False, "at": 1003.0, "text": "healed"}
    worker = {"name": "worker/version 3", "text": "died", "at": 1005.0, "open": True}
    both = told_block(closing, worker, {**worker, "open": False, "text": "restarted"})
    told = world.take(segment([both]), name="b")
    assert [(type(e).__name__, getattr(e, "incident", "")) for e in told[1:]] == [
        ("IncidentClosed", opened[0].incident),
        ("IncidentOpened", "server/worker/version 3/1970-01-01T00:16:45.000000Z"),
        ("IncidentClosed", "server/worker/version 3/1970-01-01T00:16:45.000000Z"),
    ]


def test_a_killed_server_is_an_incident_until_one_answers_again(world: World) -> None:
    """Its segment has no end: told with what it cost, closed by the next process."""
    lost = segment([rows_block(AT, [asked(1)])], process="k1", began=5.0, sealed=False, torn=b"x")
    told = world.take(lost)
    assert isinstance(told[0], ev.AnswersTaken)
    assert told[0].killed == ("k1",)
    assert told[0].rows == 1
    assert isinstance(told[1], ev.IncidentOpened)
    assert "quarter of a second" in told[1].message
    after = world.take(segment([], process="p2", began=9.0), name="b")
    assert [type(e) for e in after] == [ev.AnswersTaken, ev.IncidentClosed]


def test_the_inbox_says_when_a_posted_label_was_known(world: World) -> None:
    """Never before its row, else when it came or as it says."""
    early, late = AT - timedelta(days=9), AT + timedelta(days=3)
    rows = rows_block(AT, [asked(1), asked(2)])
    sent = [labels_block(late, {"a-1": "yes"}, at=early), labels_block(late, {"a-2": "no"})]
    _, heard = world.take(segment([rows, *sent]))
    assert isinstance(heard, ev.LabelsAccepted)
    found = world.rig.tables.read(heard.pin).sort(ENTITY)
    assert found.select(VALUE, KNOWN_AT).rows() == [(1.0, AT), (0.0, late)]
