"""The whole way with real processes: asked by entity, killed, taken in, labelled, proved equal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import toy
import toy_folder
from serving_world import Server, logged, until

from tamid.adapters.sqlite import SqliteLedger
from tamid.core import events as ev

PREDICT, LABELS = f"/v1/models/{toy.MODEL}/predict", f"/v1/models/{toy.MODEL}/labels"


def tamid(root: Path, *words: str) -> tuple[int, Any]:
    """Run a command with --json."""
    done = subprocess.run(
        [sys.executable, "-m", "tamid", "-C", str(root), *words, "--json"],
        capture_output=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOY_SQL": f"sqlite:///{root / 'w.sqlite'}"},
    )
    assert done.stdout, done.stderr.decode()[-2000:]
    return done.returncode, json.loads(done.stdout.decode().splitlines()[-1])


def test_answers_come_back_and_agree_with_the_training_code(tmp_path: Path) -> None:
    """Two servers, one killed: each answer that was flushed is in the table once."""
    root, first = tmp_path / "root", replace(toy.life()[0], spooled={})
    toy_folder.prepare(root, first)
    toy_folder.live(root, first)
    customers = toy.rows_of(toy.PAST).get_column("customer").to_list()[:40]
    rows = toy.rows_of(toy.PAST).head(40).drop("customer", "week", "debts").to_dicts()
    seen: dict[str, float] = {}
    spool = root / ".tamid" / "spool" / toy.MODEL
    for how in (signal.SIGKILL, signal.SIGTERM):
        with Server(root) as server:
            asked = [{"customer": c} for c in customers]
            _, by_entity = server.call("POST", PREDICT, asked)
            _, by_row = server.call("POST", PREDICT, rows)
            scores = [[a["score"] for a in found["answers"]] for found in (by_entity, by_row)]
            assert scores[0] == scores[1]
            assert {a["rung"] for a in by_entity["answers"]} == {"champion"}
            seen.update((a["id"], a["score"]) for f in (by_entity, by_row) for a in f["answers"])
            sent = [{"id": a["id"], "value": n % 2} for n, a in enumerate(by_entity["answers"])]
            assert server.call("POST", LABELS, sent)[0] == 202
            until(lambda: set(seen) == {row["id"] for row in logged(spool)})
            server.end(how)
    tamid(root, "tick")
    status, found = tamid(root, "skew")
    assert (status, found["differing"]) == (0, 0)
    assert (found["answers"], found["matched"]) == (len(seen), 80)
    assert found["scores"] == {"1": {"differing": 0, "of": len(seen)}}
    assert {f["name"]: f["of"] for f in found["features"]} == {"usage": 80, "calls": 80}
    status, slow = tamid(root, "why", "latency", "--back", "1h")
    assert (status, slow["cause"]) == (0, "nothing")
    events = [r.event for r in SqliteLedger(root / ".tamid" / "ledger.sqlite").read(toy.MODEL)]
    (taken,) = [e for e in events if isinstance(e, ev.AnswersTaken)]
    assert (taken.rows, taken.segments, len(taken.killed), taken.lost) == (len(seen), 2, 1, 0)
    heard = [e for e in events if isinstance(e, ev.LabelsAccepted) and "posted" in e.batch]
    assert sum(e.new + e.corrected + e.stale for e in heard) > 0
    killed = [e for e in events if isinstance(e, ev.IncidentOpened) and "process" in e.incident]
    over = [e.incident for e in events if isinstance(e, ev.IncidentClosed)]
    assert [e.incident in over for e in killed] == [True]
    assert not list(spool.iterdir())
