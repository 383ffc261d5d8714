"""A drill of a real server: every fault of a worker and of a rung, and who may order one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from serving_world import CODE, MODEL, ROW, Server, World, contract, until

from tamid.core import events as ev
from tamid.ports import Known
from tamid.wiring import lookup_in

# What an answer may take beyond its time on a machine that does other things, too.
SLACK = "50s"
SECRET = {"DRILL_SECRET": "a secret for drills only"}


def drill(server: Server, *words: str) -> tuple[int, Any]:
    """Run `tamid drill` against a server."""
    command = [sys.executable, "-m", "tamid", "drill", "--url", f"http://127.0.0.1:{server.port}"]
    found = subprocess.run(
        [*command, "--secret", "env:DRILL_SECRET", "--slack", SLACK, "--json", *words],
        capture_output=True, check=False, env={**os.environ, **SECRET},
    )  # fmt: skip
    return found.returncode, json.loads(found.stdout or found.stderr.splitlines()[-1])


def held(root: Path, rungs: tuple[str, ...], workers: tuple[str, ...], fallback: str) -> None:
    """Drill a server whose champion needs a worker: all must hold, and nobody else notice."""
    world = World(root, contract(deadline=1200, fallback=fallback, features=CODE))
    tiny = "previous" in workers
    world.release(1, world.pack(text=contract(features=CODE if tiny else "{}"), tiny=tiny))
    world.release(2, world.pack(seed=1, text=contract(features=CODE)), 1)
    known = Known(entity="c1", as_of=None, inputs=None, score=0.77, version=1, made=time.time())
    lookup_in(world.store, MODEL).write("k", [known])
    loaded = [rung for rung in rungs if rung in ("champion", "previous", "rule")]
    with Server(world.root, "--drill", "env:DRILL_SECRET", env=SECRET) as server:
        secret = SECRET["DRILL_SECRET"]
        until(
            lambda: (
                len(server.call("GET", "/drill", x_tamid_drill=secret)[1]["loaded"]) == len(loaded)
            )
        )
        status, told = drill(server, "--entity", "c1")
        steps = {(s["fault"], s["rung"]): s for s in told["steps"]}
        failed = [s for s in told["steps"] if s["verdict"] == "fails"]
        assert (status, failed) == (0, []), json.dumps(failed)
        assert [steps["all above", rung]["answered"] for rung in rungs[1:]] == list(rungs[1:])
        assert steps["all", "withheld"]["answered"] == "withheld"
        for rung in loaded:
            for fault in ("hang", "leak", "segfault", "exit"):
                step = steps[f"worker: {fault}", rung]
                assert step["verdict"] == ("works" if rung in workers else "absent"), step
                assert rung not in workers or step["recovery_s"] > 0
        # Who took no part in it is answered as ever, and the ledger has not heard of training.
        assert server.predict(ROW)[1]["rung"] == "champion"
        runs = [r for r in world.ledger.read(MODEL) if isinstance(r.event, ev.RunStarted)]
        assert len(runs) == 2


def test_every_rung_holds_and_comes_back(tmp_path: Path) -> None:
    """Hang, leak, segfault and exit of the worker; errors, NaN, delays, overload; rung by rung."""
    rungs = ("champion", "previous", "last_score", "default")
    fallback = "[previous, last_score: 14d, default: 0.05], memory_mb: 450"
    held(tmp_path, rungs, ("champion",), fallback)


@pytest.mark.integration
def test_every_worker_is_broken_in_every_way(tmp_path: Path) -> None:
    """Three workers, each of which hangs, leaks, is killed and exits."""
    rungs = ("champion", "previous", "last_score", "rule", "default")
    fallback = "[previous, last_score: 14d, rule: rules.py:score, default: 0.05], memory_mb: 450"
    held(tmp_path, rungs, ("champion", "previous", "rule"), fallback)


def test_a_compiled_version_has_no_worker_to_break(tmp_path: Path) -> None:
    """The rungs are drilled, the worker is told to be absent; with a token it must be shown."""
    world = World(tmp_path, contract(deadline=1000, fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    words = ("--drill", "env:DRILL_SECRET", "--token", "env:CALLERS")
    callers = {**SECRET, "CALLERS": "the token of all callers"}
    with Server(world.root, *words, env=callers) as server:
        os.environ["CALLERS"] = callers["CALLERS"]
        try:
            status, told = drill(server, "--token", "env:CALLERS")
        finally:
            del os.environ["CALLERS"]
        assert status == 0
        verdicts = {s["fault"]: s["verdict"] for s in told["steps"] if s["rung"] == "champion"}
        assert verdicts["worker: segfault"] == "absent"
        assert verdicts["again and again"] == "works"
        # A drill is no traffic: nothing of it was counted.
        head = {"authorization": f"Bearer {callers['CALLERS']}"}
        assert b"tamid_rows_total{" not in server.raw("GET", "/metrics", **head)[2]


def test_nobody_else_can_break_anything(tmp_path: Path) -> None:
    """Without the flag there is no such route; with it, only for who shows the secret."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    paths = (("GET", "/drill"), ("POST", "/drill/predict"), ("POST", "/drill/worker"))
    with Server(world.root) as server:
        for method, path in paths:
            assert server.call(method, path, {}, x_tamid_drill="")[0] == 404
        status, told = drill(server)
        assert status != 0
        assert "takes no drill" in told["error"]["what"]
    with Server(world.root, "--drill", "env:DRILL_SECRET", env=SECRET) as server:
        for method, path in paths:
            for shown in ("", "a secret for drills onl", "another one"):
                assert server.call(method, path, ROW, x_tamid_drill=shown)[0] == 404
        secret = SECRET["DRILL_SECRET"]
        for path in ("/drill/predict?break=champion:explode", "/drill/worker?fault=explode"):
            assert server.call("POST", path, ROW, x_tamid_drill=secret)[0] == 400
        assert server.predict(ROW)[1]["rung"] == "champion"
