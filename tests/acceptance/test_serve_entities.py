"""A request that names its entity alone: features as the controller wrote them, if fresh."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from serving_world import MODEL, ROW, Server, World, contract

from tamid.core.values import canonical_json
from tamid.ports import Known
from tamid.wiring import lookup_in

DAY = 86_400.0
TEXT = contract(fallback="[last_score: 14d, default: 0.05]").replace(
    "service: {", "service: {stale_after: 8d, "
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A released version that may answer without its feature `plan`."""
    found = World(tmp_path_factory.mktemp("world"), TEXT)
    found.release(1, found.pack(tiny=False))
    return found


def write(world: World, now: float) -> None:
    """Write what is known: fresh, old with and without a score, of other columns."""
    given, other = canonical_json(ROW), canonical_json({"calls": 1.0})
    entries = [
        ("fresh", now - DAY, given, 0.9),
        ("old", now - 9 * DAY, given, 0.77),
        ("older", now - 9 * DAY, given, None),
        ("other", now - DAY, other, None),
    ]
    known = [
        Known(entity=e, as_of=t, inputs=i, score=s, version=1, made=t) for e, t, i, s in entries
    ]
    lookup_in(world.store, MODEL).write("k", known)


def test_an_entity_is_answered_by_its_features(world: World) -> None:
    """As the same row would be, with their age; what is not fresh or known goes down the ladder."""
    now = time.time()
    write(world, now)
    with Server(world.root) as server:
        _, by_row = server.predict(ROW)
        _, fresh = server.predict({"customer": "fresh"})
        _, also = server.predict({"_entity": "fresh", "_id": "mine"})
        _, both = server.predict([{"customer": "fresh"}, {"customer": "fresh"}])
        asked = [{"customer": e} for e in ("old", "older", "other", "nobody")]
        _, many = server.predict([*asked, ROW])
        _, metrics = server.raw("GET", "/metrics")[1:]
        server.end()
    assert (fresh["score"], fresh["rung"]) == (by_row["score"], "champion")
    assert fresh["features_age"] == pytest.approx(DAY, abs=60)
    assert "features_age" not in by_row
    assert (also["id"], also["score"]) == ("mine", by_row["score"])
    assert [a["score"] for a in both["answers"]] == [by_row["score"]] * 2
    old, older, other, nobody, row = many["answers"]
    assert (old["rung"], old["score"], old["reason"]) == ("last_score", 0.77, "stale features")
    assert older["rung"] == "default"
    assert "stale features" in older["reason"]
    assert (other["rung"], nobody["rung"]) == ("default", "default")
    assert "another version" in other["reason"]
    assert "not known" in nobody["reason"]
    assert row["rung"] == "champion"
    assert b"tamid_rows_total" in metrics
    (row,) = (row for row in world.logged() if row["id"] == "mine")
    assert {name: row[name] for name in ROW} == json.loads(canonical_json(ROW))
    assert (row["_entity"], row["_sought"]) == ("fresh", True)
    assert row["_time"].startswith(time.strftime("%Y-%m-%d", time.gmtime(now - DAY)))


def test_new_features_are_seen_without_a_restart(world: World) -> None:
    """The file is swapped under the server; while there is none, nobody is known."""
    path = Path(world.store / "online" / f"{MODEL}.sqlite")
    path.unlink(missing_ok=True)
    with Server(world.root) as server:
        assert server.predict({"customer": "fresh"})[1]["rung"] == "default"
        write(world, time.time())
        assert server.predict({"customer": "fresh"})[1]["rung"] == "champion"
        write(world, time.time() - 30 * DAY)
        assert server.predict({"customer": "fresh"})[1]["rung"] == "default"
