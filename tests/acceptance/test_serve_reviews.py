"""Rows that a real server leaves to a person: asked for, taken in, listed, decided by commands."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from serving_world import ROW, Server, World, contract

from tamid.app import App
from tamid.stages.journal import Journal
from tamid.stages.spooling import take_in

pytestmark = pytest.mark.integration

UNSURE = "[{kind: abstain, unsure: [0.4, 0.6]}]"


def tamid(root: Path, *words: str) -> tuple[int, Any]:
    """Run a command; return its status and what it says as JSON, on either stream."""
    command = [sys.executable, "-m", "tamid", "-C", str(root), *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout or done.stderr
    return done.returncode, json.loads(said.splitlines()[-1])


def taken(root: Path) -> None:
    """Take in what the server wrote down, as the next turn of the loop does."""
    app = App.open(root)
    rig = app.rig("churn")
    take_in(rig, Journal(app.ledger, "churn"), app.clock.now(), 0)
    app.close()


def test_what_a_model_is_unsure_of_is_decided_by_a_person(tmp_path: Path) -> None:
    """In the lane, in an array and by V2 alike; the person's word is the label of the answer."""
    world = World(tmp_path / "w", contract(fallback=UNSURE))
    world.release(1, world.pack(tiny=False))
    asked = [{**ROW, "calls": n / 10, "customer": f"c{n}"} for n in range(-30, 31)]
    with Server(world.root) as server:
        alone = [server.predict(row)[1] for row in asked]
        together = server.predict(asked)[1]["answers"]
        tensor = {"name": "calls", "datatype": "FP64", "shape": [1], "data": [0.0]}
        others = [
            {"name": n, "datatype": "BYTES" if n == "plan" else "FP64", "shape": [1], "data": [v]}
            for n, v in ROW.items()
            if n != "calls"
        ]
        status, packed = server.call(
            "POST", "/v2/models/churn/infer", {"inputs": [tensor, *others]}
        )
        doubted = next(r for r, a in zip(asked, alone, strict=True) if a["rung"] == "abstain")
        server.predict({**doubted, "_id": "=1+1"})
    left = [a for a in alone if a["rung"] == "abstain"]
    assert 0 < len(left) < len(alone)
    assert {(a["score"], a["version"], a["reason"]) for a in left} == {
        (None, 0, "champion: unsure")
    }
    sure = [a for a in alone if a["rung"] == "champion"]
    assert all(not 0.4 <= a["score"] <= 0.6 for a in sure)
    assert len(left) + len(sure) == len(alone)
    assert [a["score"] for a in together] == [a["score"] for a in alone]
    assert [a["rung"] for a in together] == [a["rung"] for a in alone]
    told = {o["name"]: o["data"][0] for o in packed["outputs"]}
    alike = answer_to(alone, asked, 0.0)
    assert (status, told["score"], told["rung"]) == (200, alike["score"], alike["rung"])

    taken(world.root)
    status, found = tamid(world.root, "review")
    waits = {r["id"] for r in found["models"]["churn"]}
    # What came by V2 without a name of its row waits too, if it was left.
    assert status == 0
    assert {a["id"] for a in left} <= waits
    act = ("--as", "ml_developer", "--reason", "asked the customer")
    first = left[0]["id"]
    assert tamid(world.root, "review", "decide", first, "1", *act)[1]["new"] == 1
    status, refused = tamid(world.root, "review", "decide", first, "perhaps", *act)
    assert status == 1
    assert "perhaps" in refused["error"]["what"]
    assert tamid(world.root, "review", "decide", "nobody", "1", *act)[0] == 2
    assert tamid(world.root, "review", "decide", first, "1")[0] == 2
    still = {r["id"] for r in tamid(world.root, "review")[1]["models"]["churn"]}
    assert still == waits - {first}

    queue = world.root / "queue.csv"
    assert tamid(world.root, "review", "--csv", str(queue))[1]["rows"] == len(still)
    with queue.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert {line["prediction_id"] for line in lines} == (still - {"=1+1"}) | {"'=1+1"}
    assert {line["left"] for line in lines} == {""}
    assert "input: calls" in lines[0]


def answer_to(answers: list[dict[str, Any]], rows: list[dict[str, Any]], calls: float) -> Any:
    """Return the answer to the row with so many calls."""
    return next(a for a, row in zip(answers, rows, strict=True) if row["calls"] == calls)
