"""The cleaning of rows that come alone, and what it did to answers that were logged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from tamid.adapters.keys import Keys
from tamid.adapters.memory import MemoryLeases, MemoryLedger
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.memory_spool import MemorySpool
from tamid.adapters.memory_tables import MemoryTables
from tamid.app import Quiet
from tamid.core import events as ev
from tamid.core.spool import read_segment
from tamid.core.values import TablePin, VersionRef
from tamid.core.view.cleaned import served_cleaning
from tamid.stages.alone import typed_rows
from tamid.stages.features import clean
from tamid.stages.journal import Journal
from tamid.stages.loop import adopt
from tamid.stages.packaging import pack
from tamid.stages.rig import Rig
from tamid.stages.spooling import take_in
from tamid.testing.candidates import contract_text, history, job
from tamid.testing.segments import rows_block, segment
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_scorer, inline_trainer, parse

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
AT = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
LATER = datetime(2026, 3, 9, 9, 30, tzinfo=UTC)
CLEAN = """\
clean:
  - drop_duplicates
  - strip
  - blank: {columns: [minutes], values: ["n/a"]}
  - number: {columns: [minutes], decimal: ","}
  - clip: {columns: [minutes], low: -2, high: 2}
  - fill: {columns: [age], value: 0.25}
  - lower: {columns: [plan]}
"""
ROWS: tuple[Mapping[str, Any], ...] = (
    {"calls": 0.5, "minutes": "1,25", "age": None, "plan": " Fibre"},
    {"calls": 0.5, "minutes": "n/a", "age": 1.0, "plan": "plus"},
    {"calls": -0.5, "minutes": "9,5", "age": None, "plan": "PLUS"},
    {"calls": -0.5, "minutes": None, "age": 2.0, "plan": "basic "},
)
NAMES = tuple(ROWS[0])


def text() -> str:
    """Return a contract whose fees come as texts."""
    found = contract_text(features="{}") + CLEAN
    assert "    minutes: {type: number" in found
    return found.replace("    minutes: {type: number", "    minutes: {type: text")


def steps_of(rows: tuple[Mapping[str, Any], ...]) -> dict[str, tuple[int, int, int]]:
    """Return what the batch counts of these very rows, none of which is a duplicate."""
    frame = pl.DataFrame([{**r, "_entity": str(n)} for n, r in enumerate(rows)])
    counts = clean(frame, parse(text()).clean).counts
    return {f"{i} {c.step}": (c.before, c.after, c.changed) for i, c in enumerate(counts, 1)}


def test_rows_alone_are_cleaned_as_in_a_batch() -> None:
    """The same values and the same counts, step by step."""
    contract = parse(text())
    frame = pl.DataFrame(ROWS).with_columns(pl.Series("_entity", list("abcd")))
    batch = clean(frame, contract.clean)
    found = typed_rows(contract, ROWS, NAMES)
    assert found.frame.to_dicts() == batch.frame.drop("_entity").to_dicts()
    assert found.counts == batch.counts
    assert sum(c.changed for c in found.counts) > 5


def test_looked_up_rows_are_numbers_already() -> None:
    """They stay where they are among rows that were sent, and no text of theirs is read."""
    contract = parse(text())
    looked_up = {"calls": 1.0, "minutes": 1.5, "age": 3.0, "plan": "basic"}
    found = typed_rows(contract, (ROWS[0], looked_up, ROWS[1]), NAMES)
    assert found.frame.get_column("minutes").to_list() == [1.25, 1.5, None]
    (number,) = [c for c in found.counts if c.step == "number"]
    assert (number.before, number.changed) == (3, 1)


def test_equal_rows_alone_are_no_duplicates() -> None:
    """Who asks twice is answered twice, also where no other column tells rows apart."""
    contract = parse(text())
    found = typed_rows(contract, (ROWS[0], ROWS[0]), NAMES)
    assert found.frame.height == 2
    assert (found.counts[0].before, found.counts[0].after) == (2, 2)


def test_a_step_on_columns_that_the_model_does_not_read_changes_nothing() -> None:
    """Nobody sends them; the step is counted with nothing, and does not fail."""
    contract = parse(text())
    found = typed_rows(contract, ROWS, ("calls", "age"))
    assert [c.changed for c in found.counts] == [0, 0, 0, 0, 0, 2, 0]


class World:
    """A model of one version, whose servers wrote down what they were asked."""

    def __init__(self, keys: Keys) -> None:
        leases, self.spool, blobs = MemoryLeases(), MemorySpool(), MemoryBlobs()
        self.rig = Rig(
            model="churn", clock=SimulatedClock(NOW), ledger=MemoryLedger(leases), leases=leases,
            blobs=blobs, tables=MemoryTables(), sources={}, trainer=inline_trainer(tiny=True),
            scorer=inline_scorer(blobs, keys), signer=keys, sinks={}, progress=Quiet(),
            parse=parse, generator=np.random.default_rng, salt="s", spool=self.spool,
        )  # fmt: skip
        self.text = text().replace("data:\n", "data:\n  pii: [age]\n", 1)
        adopt(self.rig, self.text, {}, NOW)
        digest, pin = blobs.put(self.text.encode()), TablePin(table="t", version=0, digest="d")
        made = train(
            inline_trainer(tiny=True), job(history(100, 8), contract=text(), code={}, holdout=2)
        )
        packed = pack(made, blobs, keys)
        self.ref = VersionRef(number=1, bundle=packed.bundle, overlay=packed.overlay)
        journal = Journal(self.rig.ledger, "churn")
        journal.append_all(
            (
                ev.RunStarted(
                    key="s", run="run-1", trigger="first", reason="r", window="auto",
                    contract=digest, code={}, pins=(pin,), seed=7, periods=("a",),
                ),
                ev.VersionRegistered(
                    key="r", run="run-1", contract=digest, reference={}, trained_through="a",
                    ref=self.ref,
                ),
            ),
            NOW,
        )  # fmt: skip

    def take(self, *contents: bytes) -> list[ev.AnswersCleaned]:
        """Take segments in; return what was counted."""
        for n, content in enumerate(contents):
            self.spool.put(f"s-{n}-{len(content)}", read_segment(content))
        journal = Journal(self.rig.ledger, "churn")
        take_in(self.rig, journal, NOW, 0)
        return [r.event for r in journal.written if isinstance(r.event, ev.AnswersCleaned)]


@pytest.fixture
def world(keys: Keys) -> World:
    """A fresh one."""
    return World(keys)


def asked(rows: tuple[Mapping[str, Any], ...], **said: Any) -> list[tuple[Any, Any]]:
    """Return answers to rows."""
    return [(row, {"id": f"a-{n}", **said}) for n, row in enumerate(rows)]


def test_answers_are_counted_by_period_as_a_batch_is(world: World) -> None:
    """Unscaled, with what they stand for; a personal column is named and is in no count."""
    content = segment([
        rows_block(AT, asked(ROWS), chance=0.5),
        rows_block(LATER, asked(ROWS[:1])),
    ])  # fmt: skip
    (event,) = world.take(content)
    wanted = steps_of(ROWS)
    wanted["6 fill"] = (4, 4, 0)
    periods = sorted(event.steps)
    assert len(periods) == 2
    assert event.steps[periods[0]] == wanted
    assert event.stands_for == {periods[0]: 8.0, periods[1]: 1.0}
    assert event.unlogged == ("age",)


def test_only_rows_that_a_model_or_the_rule_read_are_counted(world: World) -> None:
    """A rule is counted under the contract of the version whose code it is; a default is not."""
    ruled = rows_block(AT, asked(ROWS[:2], version=0, rung="rule"), bundle=world.ref.bundle)
    given = rows_block(AT, asked(ROWS, version=0, rung="default"), bundle=world.ref.bundle)
    strange = rows_block(AT, asked(ROWS, version=9))
    (event,) = world.take(segment([ruled, given, strange]))
    assert {s[0] for steps in event.steps.values() for s in steps.values()} == {2}


def test_a_count_comes_once_and_adds_up(world: World) -> None:
    """Another turn on the same log tells nothing; later answers of the period join it."""
    first = segment([rows_block(AT, asked(ROWS), chance=0.25)])
    assert len(world.take(first)) == 1
    assert world.take() == []
    world.take(segment([rows_block(AT, asked(ROWS[:1]))]))
    (one,), lost = served_cleaning(world.rig.ledger.read("churn"))
    assert (one.rows, one.stands_for, lost) == (5, 17.0, 0)
    assert one.share == pytest.approx(5 / 17)
    assert one.steps["4 number"] == (5, 5, 3)
