"""A row that comes without a source's columns: the second model answers for it, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from serving_world import CODE, MODEL, ROW, Server, World, contract, until

WITHOUT = {name: value for name, value in ROW.items() if name != "minutes"}


def released(root: Path, features: str, *, tiny: bool) -> World:
    """Return a world whose version has a model that does without `minutes`."""
    text = contract(fallback="[reduced, default: 0.05]", features=features)
    text = text.replace("threads: 1}", "threads: 1, reduced: [minutes]}")
    world = World(root, text)
    world.release(1, world.pack(tiny=tiny))
    return world


@pytest.mark.parametrize(
    ("features", "tiny"), [("{}", False), (CODE, True)], ids=["compiled", "in a worker"]
)
def test_a_missing_source_is_answered_by_the_model_without_it(
    tmp_path: Path, features: str, tiny: bool
) -> None:
    """Alone, among others, and with reasons; what else is wrong with a row is refused as before."""
    world = released(tmp_path, features, tiny=tiny)
    with Server(world.root) as server:
        server.well()
        until(lambda: server.predict(WITHOUT)[1]["rung"] == "reduced")
        status, whole = server.predict(ROW)
        assert (status, whole["rung"], whole["reason"]) == (200, "champion", "")
        status, partly = server.predict(WITHOUT)
        assert (status, partly["rung"], partly["version"]) == (200, "reduced", 1)
        assert partly["reason"] == "'minutes' is missing"
        assert partly["score"] != whole["score"]
        assert partly["decision"] in (0, 1)
        status, told = server.predict({**ROW, "minutes": None}, "?explain=1")
        assert (status, told["rung"], told["score"]) == (200, "reduced", partly["score"])
        assert "minutes" not in told["explanation"]
        assert "calls" in told["explanation"]
        status, both = server.predict([ROW, WITHOUT])
        assert [a["rung"] for a in both["answers"]] == ["champion", "reduced"]
        assert [a["score"] for a in both["answers"]] == [whole["score"], partly["score"]]
        tensors = [
            {"name": n, "shape": [1], "datatype": "BYTES" if n == "plan" else "FP64", "data": [v]}
            for n, v in WITHOUT.items()
            if v is not None
        ]
        status, v2 = server.call("POST", f"/v2/models/{MODEL}/infer", {"inputs": tensors})
        assert status == 200, v2
        found = {o["name"]: o["data"] for o in v2["outputs"]}
        assert (found["rung"], found["score"]) == (["reduced"], [partly["score"]])
        for other in ("calls", "plan"):
            status, refused = server.predict({k: v for k, v in WITHOUT.items() if k != other})
            assert status == 422, refused
            assert f"'{other}' is missing" in str(refused)
        assert server.metric(r'tamid_rows_total\{rung="reduced"') >= 4
        server.end()
    kept = [a for a in world.logged() if a["rung"] == "reduced"]
    assert kept
    assert all(a["version"] == 1 and "minutes" in a["reason"] for a in kept)
