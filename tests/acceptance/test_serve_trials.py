"""A version in shadow or canary beside the champion of a real server, and what it tells of it."""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from serving_world import (
    CODE,
    HELD,
    MODEL,
    PATIENCE_S,
    ROW,
    Server,
    World,
    contract,
    gated,
    until,
)

from tamid.adapters.report_files import FileReports
from tamid.core import events as ev
from tamid.ports import ServerReport

BREAKS = """\
import polars as pl

def build(frame):
    if frame["minutes"].len() and (frame["minutes"] > 40).any():
        raise ValueError("no such minutes")
    return frame
"""


def enter(world: World, stage: str, number: int = 2, *, shift: float = 0.0) -> None:
    """Bring a version into a stage, as the controller would."""
    key, evidence = f"enter/{number}/{stage}", {"shift": shift}
    world.say(ev.StageEntered(key=key, number=number, stage=stage, evidence=evidence))


def heard(world: World) -> ServerReport:
    """Return what the only process of the server told last."""
    (report,) = FileReports(world.store / "reports").heard(MODEL)
    return report


def row_of(entity: str) -> dict[str, Any]:
    """Return the row of an entity: people differ."""
    drawn = zlib.crc32(entity.encode()) % 1000 / 250 - 2
    return {**ROW, "calls": drawn, "minutes": -drawn / 2, "customer": entity}


def ask(server: Server, entity: str, **values: Any) -> Any:
    """Ask for one entity."""
    status, answer = server.predict({**row_of(entity), **values})
    assert status == 200, answer
    return answer


def in_stage(server: Server, rung: str) -> None:
    """Wait until some of many entities are answered by a rung."""
    until(lambda: any(ask(server, f"w{i}")["rung"] == rung for i in range(40)))


@pytest.mark.parametrize("features", ["{}", CODE])
def test_a_canary_answers_its_share_and_always_the_same_entities(
    tmp_path: Path, features: str
) -> None:
    """Compiled or in a worker: a quarter of the entities, each by one version whenever it asks."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"))
    world.release(1, world.pack(tiny=False))
    world.register(2, world.pack(seed=1, text=contract(features=features), tiny=features != "{}"))
    with Server(world.root) as server:
        assert {ask(server, f"c{i}")["version"] for i in range(20)} == {1}
        enter(world, "canary 25%", shift=0.5)
        in_stage(server, "canary")
        first = {f"c{i}": ask(server, f"c{i}") for i in range(300)}
        again = server.predict([row_of(name) for name in first])[1]["answers"]
        enter(world, "canary 50%", shift=0.5)
        until(lambda: Counter(ask(server, f"c{i}")["rung"] for i in range(100))["canary"] > 38)
        later = {name: ask(server, name)["version"] for name in first}
        told = until(lambda: (t := heard(world).trial) and t.stage == "canary 50%" and t)
    kinds = Counter((a["version"], a["rung"]) for a in first.values())
    assert set(kinds) == {(1, "champion"), (2, "canary")}
    assert 45 <= kinds[2, "canary"] <= 110
    assert [a["version"] for a in again] == [a["version"] for a in first.values()]
    assert [a["score"] for a in again] == pytest.approx([a["score"] for a in first.values()])
    # A larger share keeps the entities of the smaller one.
    assert all(later[name] == 2 for name, a in first.items() if a["version"] == 2)
    assert told.arms["canary"].rows > 30
    assert told.stopped == ""


def test_a_canary_that_fails_is_stopped_at_once(tmp_path: Path) -> None:
    """Errors of a canary: the champion answers those people too, and soon nobody is sent there."""
    text = contract(fallback="[default: 0.05]")
    world = World(tmp_path, text, {"features.py": BREAKS})
    world.release(1, world.pack(tiny=False))
    world.register(2, world.pack(seed=1, text=contract(features=CODE)))
    enter(world, "canary 50%")
    with Server(world.root) as server:
        in_stage(server, "canary")
        answers: list[Any] = []

        def stopped() -> bool:
            answers.extend(ask(server, f"c{i}", minutes=45.0) for i in range(20))
            trial = heard(world).trial
            return trial is not None and bool(trial.stopped)

        until(stopped)
        assert {a["rung"] for a in answers} == {"champion"}
        assert "canary: error" in {a["reason"] for a in answers}
        assert "rows got no answer of it" in heard(world).trial.stopped  # type: ignore[union-attr]
        assert {ask(server, f"c{i}")["rung"] for i in range(40)} == {"champion"}
        # The ledger follows; the stage ends, and the version is let go.
        world.say(ev.ReleaseStopped(key="stop/2", number=2, reason="errors"))
        until(lambda: heard(world).trial is None)
    with Server(world.root) as server:
        assert {ask(server, f"c{i}")["rung"] for i in range(20)} == {"champion"}


def test_a_stop_survives_the_process(tmp_path: Path) -> None:
    """A server that starts while the ledger still says canary sends nobody to what was stopped."""
    world = World(tmp_path, contract(fallback="[default: 0.05]"), {"features.py": BREAKS})
    world.release(1, world.pack(tiny=False))
    world.register(2, world.pack(seed=1, text=contract(features=CODE)))
    enter(world, "canary 50%")
    reports = FileReports(world.store / "reports")
    with Server(world.root) as server:
        in_stage(server, "canary")

        def stopped() -> bool:
            for i in range(20):
                ask(server, f"c{i}", minutes=45.0)
            return any(r.trial and r.trial.stopped for r in reports.heard(MODEL))

        until(stopped)
    with Server(world.root) as server:
        until(lambda: len([r for r in reports.heard(MODEL) if r.trial and r.trial.stopped]) == 2)
        assert {ask(server, f"c{i}")["rung"] for i in range(40)} == {"champion"}


def test_a_shadow_is_counted_and_seen_by_nobody(tmp_path: Path) -> None:
    """All answers are the champion's; the shadow is asked for the same rows and counted; while it
    hangs nobody waits for it."""
    gate, text = tmp_path / "gate", contract(fallback="[default: 0.05]")
    world = World(tmp_path / "w", text, {"features.py": gated(gate)})
    world.release(1, world.pack(tiny=False))
    world.register(2, world.pack(seed=1, text=contract(features=CODE)))
    with Server(world.root) as server:
        enter(world, "shadow")
        until(lambda: (t := heard(world).trial) is not None and t.stage == "shadow")

        def enough() -> bool:
            assert {ask(server, f"c{i}")["version"] for i in range(30)} == {1}
            trial = heard(world).trial
            return trial is not None and trial.arms["shadow"].answered > 100

        until(enough)
        trial = heard(world).trial
        stuck = [server.predict(HELD)[1]["rung"] for _ in range(30)]
        assert stuck == ["champion"] * 30
        gate.touch()
    assert trial is not None
    assert trial.arms["shadow"].failed == 0
    assert trial.arms["champion"].rows >= trial.arms["shadow"].rows


@pytest.mark.bench
def test_a_shadow_adds_no_latency(tmp_path: Path) -> None:
    """The median and the 95th percentile with a slow shadow are those without, within noise."""
    slow = "import time\n\ndef build(frame):\n    time.sleep(0.05)\n    return frame\n"
    world = World(tmp_path, contract(fallback="[default: 0.05]"), {"features.py": slow})
    world.release(1, world.pack(tiny=False))
    world.register(2, world.pack(seed=1, text=contract(features=CODE)))

    def times(port: int, count: int = 400) -> list[float]:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        body, found = json.dumps(ROW).encode(), []
        for _ in range(count):
            started = time.perf_counter()
            link.request(
                "POST", f"/v1/models/{MODEL}/predict", body, {"content-type": "application/json"}
            )
            link.getresponse().read()
            found.append(time.perf_counter() - started)
        link.close()
        return sorted(found)

    with Server(world.root) as server:
        times(server.port, 100)
        alone = times(server.port)
        enter(world, "shadow")
        until(lambda: (t := heard(world).trial) is not None and t.stage == "shadow")
        beside = times(server.port)
        until(lambda: (t := heard(world).trial) is not None and t.arms["shadow"].rows > 50)
    sys.stdout.write(
        f"\nshadow: median {1000 * statistics.median(alone):.2f} ms without, "
        f"{1000 * statistics.median(beside):.2f} ms with one that takes 50 ms; 95 % within "
        f"{1000 * alone[380]:.2f} and {1000 * beside[380]:.2f} ms\n"
    )
    # A shadow in the way would add 50 ms to each; what is left is the noise of a busy machine.
    assert statistics.median(beside) < 2 * statistics.median(alone) + 0.001
    assert beside[380] < 2 * alone[380] + 0.01


def test_the_control_group_is_told(tmp_path: Path) -> None:
    """Each answer says whether its entity is never to be acted on, as batch scoring draws it."""
    from datetime import UTC, datetime, timedelta

    from tamid.core.control import in_control, rotation

    text = contract(fallback="[default: 0.05]") + "delivery: {control_group: 30%}\n"
    world = World(tmp_path, text)
    (world.store / "salt").write_text("s" * 64)
    world.release(1, world.pack(tiny=False))
    names = [f"לקוח {i}" for i in range(60)]
    with Server(world.root) as server:
        one = {name: ask(server, name)["control"] for name in names}
        many = server.predict([{**ROW, "customer": name} for name in names])[1]["answers"]
        assert "control" not in server.predict(ROW)[1]
    turn = rotation(datetime.now(UTC), timedelta(weeks=13))
    expected = in_control(names, 0.3, "s" * 64, turn).tolist()
    assert list(one.values()) == expected
    assert [a["control"] for a in many] == expected
    assert 5 < sum(expected) < 35


def test_a_version_that_reads_another_column_is_tried_where_it_comes(tmp_path: Path) -> None:
    """The champion takes the column unread; who does not send it is answered by the champion."""
    text = contract(fallback="[default: 0.05]").replace("  label:", "  pii: [גיל]\n  label:")
    blind = text.replace("minutes: {type: number}", "minutes: {type: number, feature: false}")
    blind = blind.replace("גיל: {type: number, ", "גיל: {type: number, feature: false, ")
    world = World(tmp_path, text)
    world.release(1, world.pack(text=blind, tiny=False))
    world.register(2, world.pack(seed=1, text=text))
    without = {name: value for name, value in ROW.items() if name != "minutes"}
    with Server(world.root) as server:
        assert server.predict({**ROW, "minutes": 12.5, "_id": "mine"})[0] == 200
        assert server.predict({**ROW, "minutes": "12.5"})[0] == 422
        assert server.predict({**ROW, "seconds": 12.5})[0] == 422
        assert server.predict(without)[0] == 200
        values = ["" if v is None else str(v) for v in ROW.values()]
        csv = f"{','.join(ROW)}\n{','.join(values)}"
        assert server.raw("POST", "/invocations", csv.encode(), content_type="text/csv")[0] == 200
        document = json.loads(server.raw("GET", "/openapi.json")[2])
        assert "minutes" in json.dumps(document)
        enter(world, "canary 50%", shift=0.5)
        in_stage(server, "canary")
        tried = {ask(server, f"c{i}")["version"] for i in range(60)}
        rest = {server.predict({**without, "customer": f"c{i}"})[1]["version"] for i in range(60)}
    assert (tried, rest) == ({1, 2}, {1})
    (mine,) = [row for row in world.logged() if row["id"] == "mine"]
    assert mine["minutes"] == 12.5
    assert not [row["id"] for row in world.logged() if "גיל" in row]
