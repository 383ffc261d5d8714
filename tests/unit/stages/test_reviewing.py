"""What the ladder left to a person waits, is decided, and becomes a label; labels name answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tamid.adapters.memory import MemoryLeases, MemoryLedger
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_spool import MemorySpool
from tamid.adapters.memory_tables import MemoryTables
from tamid.app import Quiet
from tamid.core import events as ev
from tamid.core.errors import DataError, NotFound
from tamid.core.spool import read_segment
from tamid.core.state import State
from tamid.core.values import ENTITY, KNOWN_AT, TIME, Role
from tamid.stages import labels
from tamid.stages.intake import intake
from tamid.stages.journal import Journal
from tamid.stages.loop import adopt
from tamid.stages.reviewing import Verdict, decide, waiting
from tamid.stages.rig import Rig
from tamid.stages.spooling import take_in
from tamid.testing.segments import labels_block, rows_block, segment
from tamid.workshop import inline_scorer, inline_trainer, parse

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows.parquet}
  entity: customer
  time: week
  label: {column: left, positive: "yes", horizon: 7d, reporting_lag: 2d,
          absence: negative,
          source: {path: labels.csv, known_at: told}}
  schema: {calls: {type: number}, left: {type: text, allowed: ["yes", "no"]}}
service: {fallback: [abstain: [0.4, 0.6]]}
"""


class World:
    """One model's ports in memory, with three answers of which a person has to decide two."""

    def __init__(self) -> None:
        leases, self.spool, blobs = MemoryLeases(), MemorySpool(), MemoryBlobs()
        signer: Any = None
        self.labels, self.clock = MemorySource(), SimulatedClock(NOW)
        self.rig = Rig(
            model="churn", clock=self.clock, ledger=MemoryLedger(leases), leases=leases,
            blobs=blobs, tables=MemoryTables(), sources={"labels": self.labels},
            trainer=inline_trainer(tiny=True), scorer=inline_scorer(blobs, signer), signer=signer,
            sinks={}, progress=Quiet(), parse=parse, generator=np.random.default_rng, salt="s",
            spool=self.spool,
        )  # fmt: skip
        adopt(self.rig, CONTRACT, {}, NOW)
        left: dict[str, Any] = {
            "score": None, "rung": "abstain", "version": 0, "reason": "champion: unsure",
        }  # fmt: skip
        rows: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({"_entity": "c0", "calls": 1.5}, {"id": "a-0", **left}),
            ({"_entity": "c1", "calls": 2.5}, {"id": "a-1"}),
            ({"_entity": "c2", "calls": None}, {"id": "a-2", **left}),
        ]
        self.take(rows_block(AT, rows))

    def take(self, *blocks: Any, name: str = "a") -> None:
        """Take a segment of a server in."""
        self.spool.put(name, read_segment(segment(blocks)))
        take_in(self.rig, Journal(self.rig.ledger, "churn"), NOW, 0)

    def intake(self) -> list[ev.Event]:
        """Take the label files in, and return what was told."""
        journal = Journal(self.rig.ledger, "churn")
        contract = self.rig.contract(journal.state.contract)
        for event in intake(self.rig, contract, lambda: journal.state, NOW, 0, []):
            journal.append(event, NOW)
        return [r.event for r in journal.written]

    def state(self) -> State:
        """Return the present."""
        return Journal(self.rig.ledger, "churn").state

    def waits(self, now: datetime = NOW) -> list[str]:
        """Return the ids of what waits for a person."""
        return [r.id for r in waiting(self.rig, parse(CONTRACT), self.state(), now)]

    def decide(self, name: str, value: str) -> ev.LabelsAccepted:
        """Let a person decide."""
        role = Role.ML_DEVELOPER
        given = Verdict(id=name, value=value, actor="dana", role=role, reason="called them")
        event, counts_as = decide(self.rig, "desk", given)
        assert counts_as == float(value == "yes")
        return event

    def known(self) -> dict[str, float | None]:
        """Return the label of each answer as it is known now."""
        served = self.rig.tables.latest("churn.served")
        heard = self.rig.tables.latest("churn.labels")
        assert served is not None
        inbox = None if heard is None else self.rig.tables.read(heard)
        told = labels.resolve(self.rig.tables.read(served), inbox, parse(CONTRACT), NOW)
        return dict(told.select("id", "_label").iter_rows())


@pytest.fixture
def world() -> World:
    """A model that left two of three answers to a person."""
    return World()


def test_what_was_left_to_a_person_waits(world: World) -> None:
    """With entity, moment, inputs and why; what a rung answered does not wait."""
    assert world.waits() == ["a-0", "a-2"]
    first = waiting(world.rig, parse(CONTRACT), world.state(), NOW)[0]
    assert (first.entity, first.moment, first.online) == ("c0", AT, True)
    assert (first.reason, first.inputs) == ("champion: unsure", {"calls": 1.5})


def test_a_verdict_is_a_label(world: World) -> None:
    """It is in the inbox and in the ledger at once, under the person's name; a second corrects."""
    event = world.decide("a-0", "yes")
    assert (event.batch, event.new, event.corrected) == ("review/a-0", 1, 0)
    assert world.known() == {"a-0": 1.0, "a-1": None, "a-2": None}
    assert world.waits() == ["a-2"]
    last = world.rig.ledger.read("churn")[-1]
    assert (last.actor, last.role, last.reason) == ("dana", Role.ML_DEVELOPER, "called them")
    world.clock.advance(timedelta(hours=1))
    again = world.decide("a-0", "no")
    assert (again.new, again.corrected) == (0, 1)
    assert world.waits() == ["a-2"]


def test_what_is_no_verdict_is_refused(world: World) -> None:
    """An unknown answer and a value that is no label: nothing is written."""
    before = len(world.rig.ledger.read("churn"))
    with pytest.raises(NotFound, match="a-9"):
        world.decide("a-9", "yes")
    with pytest.raises(DataError, match="perhaps"):
        world.decide("a-0", "perhaps")
    assert len(world.rig.ledger.read("churn")) == before
    assert world.waits() == ["a-0", "a-2"]


def test_a_label_from_elsewhere_ends_the_waiting(world: World) -> None:
    """Sent back by a caller, or decided by its absence once it was due."""
    sent = labels_block(AT + timedelta(days=1), {"a-2": "no"})
    world.take(sent, name="b")
    assert world.waits() == ["a-0"]
    assert world.waits(AT + timedelta(days=10)) == []


def test_a_file_of_labels_may_name_answers(world: World) -> None:
    """By prediction_id: the label stands at entity and moment of the answer, under its stamp."""
    stamp = AT + timedelta(days=2)
    frame = pl.DataFrame(
        {
            "prediction_id": ["a-0", "a-1", "a-2"],
            "left": ["yes", "no", None],
            "told": [stamp.isoformat()] * 3,
        }
    )
    world.labels.put("labels.csv", frame, NOW)
    (event,) = world.intake()
    assert isinstance(event, ev.LabelsAccepted)
    assert (event.new, event.invalid) == (2, 0)
    assert world.known() == {"a-0": 1.0, "a-1": 0.0, "a-2": None}
    found = world.rig.tables.read(event.pin).sort(ENTITY)
    later = AT + timedelta(microseconds=1)
    assert found.select(ENTITY, TIME, KNOWN_AT).rows() == [("c0", AT, stamp), ("c1", later, stamp)]
    assert world.intake() == []
    world.labels.put("labels.csv", frame.with_columns(left=pl.Series(["no", "no", "yes"])), NOW)
    (event,) = world.intake()
    assert isinstance(event, ev.LabelsAccepted)
    assert (event.new, event.corrected) == (1, 1)
    assert world.known() == {"a-0": 0.0, "a-1": 0.0, "a-2": 1.0}


def test_an_id_comes_back_as_spreadsheets_were_given_it(world: World) -> None:
    """With an apostrophe in front of what would have been a formula."""
    world.take(rows_block(AT, [({"_entity": "c3", "calls": 1.0}, {"id": "=1+1"})]), name="b")
    frame = pl.DataFrame({"prediction_id": ["'=1+1"], "left": ["yes"], "told": [""]})
    world.labels.put("labels.csv", frame, NOW)
    (event,) = world.intake()
    assert isinstance(event, ev.LabelsAccepted)
    assert world.known()["=1+1"] == 1.0


def test_a_file_that_names_unknown_answers_is_refused_with_the_reason(world: World) -> None:
    """Beyond the share that the contract allows; below it they are left out and counted."""
    ids = ["a-0", *(f"x-{n}" for n in range(3))]
    frame = pl.DataFrame({"prediction_id": ids, "left": ["yes"] * 4, "told": [""] * 4})
    world.labels.put("labels.csv", frame, NOW)
    (event,) = world.intake()
    assert isinstance(event, ev.DataRefused)
    assert event.broken == {"prediction_id: no such answer": 3}
    assert "3 of 4" in event.reasons[0]
    assert world.known() == {"a-0": None, "a-1": None, "a-2": None}


def test_absence_says_nothing_where_no_time_is_given() -> None:
    """Without horizon and lag a row would be decided at once: a person is asked all the same."""
    text = CONTRACT.replace(" horizon: 7d, reporting_lag: 2d,", "")
    found = World()
    timeless = replace(parse(text), service=parse(CONTRACT).service)
    assert [r.id for r in waiting(found.rig, timeless, found.state(), NOW)] == ["a-0", "a-2"]
