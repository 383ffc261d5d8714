"""What the cleaning did to rows that a real server was asked is what it does to them in a batch."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from in_process import InProcess, here
from serving_world import CODE, MODEL, Server, World, contract, until

from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.stages.features import clean
from tamid.stages.journal import Journal
from tamid.stages.spooling import take_in
from tamid.testing.candidates import START
from tamid.workshop import parse

# Two versions and a server of two processes; tests/unit/stages/test_alone.py holds the laws.
pytestmark = pytest.mark.integration
_CLEAN = """\
clean:
  - drop_duplicates
  - strip
  - number: {columns: [minutes], decimal: ",", thousands: "."}
  - clip: {columns: [calls, minutes], low: -2, high: 2}
  - fill: {columns: [age], value: 1.5}
  - lower: {columns: [plan]}
"""
_RAW = [
    {"calls": n / 4 - 3, "minutes": text, "age": age, "plan": plan, "גיל": 41.0}
    for n, (text, age, plan) in enumerate(
        [("0,5", None, "fibre"), ("1.250,75", 2.0, "plus"), ("many", None, "plus"),
         (" 1 ", 0.5, "basic"), (None, None, "fibre")] * 6
    )
]  # fmt: skip


def _text(features: str = "{}") -> str:
    text = contract(features=features, fallback="[default: 0.05]") + _CLEAN
    assert "minutes: {type: number}" in text
    return text.replace("minutes: {type: number}", "minutes: {type: text, nullable: true}")


def test_the_same_rows_in_a_batch_and_through_a_server_count_alike(tmp_path: Path) -> None:
    """Compiled, then in a worker: same scores, and the counts of each step are those of a batch."""
    world = World(tmp_path, _text())
    world.release(1, world.pack(tiny=False))
    scores = []
    with Server(world.root) as server:
        for number in (1, 2):
            if number == 2:
                coded = _text(CODE)
                world.register(2, world.pack(text=coded, tiny=False), coded)
                world.promote(2, 1)
                server.wait(2)
            _, said = server.predict(_RAW)
            assert {(a["rung"], a["version"]) for a in said["answers"]} == {("champion", number)}
            scores.append([a["score"] for a in said["answers"]])
        until(lambda: len(world.logged()) == 2 * len(_RAW))
        server.end()
    assert scores[0] == scores[1]
    app = InProcess(world.root, SimulatedClock(START))
    journal = Journal(app.ledger, MODEL)
    take_in(app.rig(MODEL), journal, START, 0)
    app.close()
    told = [r.event for r in journal.written if isinstance(r.event, ev.AnswersCleaned)]
    frame = pl.DataFrame([{**row, "_entity": str(n)} for n, row in enumerate(_RAW)])
    batch = clean(frame, parse(_text()).clean).counts
    wanted = {f"{i} {c.step}": (c.before, c.after, c.changed) for i, c in enumerate(batch, 1)}
    assert [steps for event in told for steps in event.steps.values()] == [wanted, wanted]
    assert len({event.contract for event in told}) == 2
    assert sum(changed for _, _, changed in wanted.values()) > len(_RAW)
    shown = here(world.root, "cleaning", "--json")
    served = json.loads(shown.stdout)["served"]
    assert (shown.returncode, [(s["rows"], s["share"]) for s in served]) == (
        0,
        [(len(_RAW), 1.0)] * 2,
    )
    steps = {s["step"]: (s["before"], s["after"], s["changed"]) for s in served[0]["steps"]}
    assert steps == wanted
