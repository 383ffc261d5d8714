"""The mirror on a real MLflow server: runs, versions, aliases, models that answer the same."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from servers import ROOT, Service, commands, run
from serving_world import MODEL, World, contract

from tamid.adapters.mlflow import MlflowMirror
from tamid.core import events as ev
from tamid.core.errors import MirrorDown
from tamid.core.values import VersionRef
from tamid.ports import Mirror
from tamid.testing.candidates import history
from tamid.testing.mirror_suite import RUN, Look, MirrorSuite, Piece, Wall, edition
from tamid.workshop import spawn_scorer

# MLflow is heavy, and warns of its own and its dependencies' future.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(1800),
]

_NUMBER = count(1)


def client(server: Service) -> Any:
    """Return MLflow's own client."""
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=server.url, registry_uri=server.url)


class TestMlflowMirror(MirrorSuite):
    """A real tracking server; each test has a model of its own there."""

    @pytest.fixture
    def model(self) -> str:
        return f"law-{next(_NUMBER)}"

    @pytest.fixture
    def mirror(self, mlflow_server: Service, model: str) -> Mirror:
        return MlflowMirror(mlflow_server.url, model)

    @pytest.fixture
    def wall(self, mlflow_server: Service, model: str) -> Look:
        def look() -> Wall:
            there = client(mlflow_server)
            home = there.get_experiment_by_name(model)
            runs = there.search_runs([home.experiment_id]) if home else []
            keys = {run.info.run_id: run.data.tags["tamid.key"] for run in runs}
            return Wall(
                work={keys[run.info.run_id]: _piece(there, run, keys) for run in runs},
                **_registry(there, model, keys),
            )

        return look

    def test_a_new_client_finds_what_was_shown(
        self, mirror: Mirror, mlflow_server: Service, model: str, wall: Look
    ) -> None:
        """What another process showed is known by its tags, and not shown twice."""
        mirror.show([RUN])
        mirror.publish(edition(1))
        other = MlflowMirror(mlflow_server.url, model)
        other.show([RUN])
        other.publish(edition(1))
        other.point("champion", edition(1).overlay)
        found = wall()
        assert (len(found.work), len(found.editions)) == (1, 1)
        assert found.aliases == {"champion": edition(1).overlay}


def _piece(there: Any, run: Any, keys: Mapping[str, str]) -> Piece:
    name = run.info.run_id
    readings = {
        metric: sorted((p.value, p.step) for p in there.get_metric_history(name, metric))
        for metric in run.data.metrics
    }
    return Piece(
        status={"RUNNING": "running", "FINISHED": "finished"}.get(run.info.status, "failed"),
        parent=keys.get(run.data.tags.get("mlflow.parentRunId", ""), ""),
        params=run.data.params,
        tags=run.data.tags,
        readings=readings,
        files={p: c for p, c in _files(there, name, "").items() if not p.startswith("model/")},
    )


def _files(there: Any, run: str, path: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        if not there.list_artifacts(run, path or None):
            return {}
        top = Path(there.download_artifacts(run, path, folder))
        found = sorted(p for p in top.rglob("*") if p.is_file())
        return {p.relative_to(top).as_posix(): p.read_bytes() for p in found}


def _registry(there: Any, model: str, keys: Mapping[str, str]) -> dict[str, Any]:
    editions, overlays = {}, {}
    for version in there.search_model_versions(f"name = '{model}'"):
        overlay = version.tags["tamid.overlay"]
        overlays[str(version.version)] = overlay
        place = version.source.partition("/artifacts/")[2]
        files = _files(there, version.run_id, f"{place}/bundle")
        editions[overlay] = (int(version.tags["tamid.version"]), keys[version.run_id], files)
    held = there.get_registered_model(model).aliases if editions else {}
    return {"editions": editions, "aliases": {a: overlays[str(n)] for a, n in held.items()}}


def mirror(world: World, uri: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `tamid mirror` in a world."""
    (world.root / "tamid.toml").write_text(f'[mlflow]\ntracking_uri = "{uri}"\n', "utf-8")
    command = [sys.executable, "-m", "tamid", "-C", str(world.root), "mirror", "--json", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_dead_server_delays_and_loses_nothing(mlflow_server: Service, tmp_path: Path) -> None:
    """Events of an outage are shown after it, in order; `champion` predicts Tamid's own numbers."""
    import mlflow

    world = World(tmp_path / "w", contract(fallback="[default: 0.05]"))
    first, second = world.pack(seed=1, tiny=False), world.pack(seed=2, tiny=False)
    world.release(1, first)
    done = mirror(world, mlflow_server.url)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mirrors"][0]["place"] == len(world.ledger.read(MODEL))
    there = client(mlflow_server)
    assert there.get_model_version_by_alias(MODEL, "champion").tags["tamid.version"] == "1"

    mlflow_server.stop()
    try:
        world.release(2, second, previous=1)
        late = mirror(world, mlflow_server.url)
        assert late.returncode == 1
        assert json.loads(late.stderr)["error"]["code"] == MirrorDown.code
    finally:
        mlflow_server.start()
    assert mirror(world, mlflow_server.url).returncode == 0
    champion = there.get_model_version_by_alias(MODEL, "champion")
    assert champion.tags["tamid.version"] == "2"
    assert champion.tags["tamid.overlay"] == second.overlay

    mlflow.set_tracking_uri(mlflow_server.url)
    mlflow.set_registry_uri(mlflow_server.url)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    rows = history(3, 40, seed=9).with_columns(pl.lit(40.0).alias("גיל") + pl.col("calls"))
    scorer = spawn_scorer(world.blobs, world.keys)
    try:
        from datetime import timedelta

        wanted = scorer.score(
            second.bundle, second.overlay, rows, reasons=0, timeout=timedelta(minutes=5)
        )
    finally:
        scorer.close()
    found = model.predict(pandas(rows.select("calls", "minutes", "age", "plan", "גיל")))
    own = wanted.frame.get_column("score").to_numpy()
    assert np.array_equal(found["score"].to_numpy(), own)
    assert found["decision"].isin([0.0, 1.0]).all()
    assert np.ptp(own) > 0.1

    world.say(ev.RolledBack(key="back", number=2, back_to=1, reason="worse"))
    assert mirror(world, mlflow_server.url).returncode == 0
    assert there.get_model_version_by_alias(MODEL, "champion").tags["tamid.version"] == "1"
    before = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    assert before.metadata.metadata["tamid.bundle"] == first.bundle


def test_a_challenger_and_a_moved_threshold(mlflow_server: Service, tmp_path: Path) -> None:
    """A version on trial has the alias `challenger`; a moved threshold is an edition of its own."""
    text = contract(fallback="[default: 0.05]").replace("name: churn", "name: trial")
    world = World(tmp_path / "w", contract(fallback="[default: 0.05]"))
    assert "name: trial" in text
    packed = world.pack(seed=1)
    world.release(1, packed)
    world.register(2, world.pack(seed=2))
    world.say(ev.StageEntered(key="enter/2", number=2, stage="shadow"))
    from tamid.stages.packaging import restate

    moved = restate(packed.overlay, world.blobs, world.keys, threshold=0.9)
    world.say(
        ev.AlarmRaised(
            key="a", alarm="q", signal="quality", failure="model_failure", severity="warning",
            period="a", noticed_by="monitor", message="m",
        ),
        ev.ThresholdMoved(
            key="t", alarm="q", number=1, overlay=moved, before=0.5, threshold=0.9, reference={}
        ),
    )  # fmt: skip
    assert mirror(world, mlflow_server.url).returncode == 0
    there = client(mlflow_server)
    champion = there.get_model_version_by_alias(MODEL, "champion")
    assert champion.tags["tamid.overlay"] == moved
    assert there.get_model_version_by_alias(MODEL, "challenger").tags["tamid.version"] == "2"
    assert (
        VersionRef(number=1, bundle=packed.bundle, overlay=moved).bundle
        == champion.tags["tamid.bundle"]
    )


def pandas(rows: pl.DataFrame) -> Any:
    """Return a frame of pandas', with what pandas makes of missing values."""
    import pandas as pd

    return pd.DataFrame({name: rows.get_column(name).to_list() for name in rows.columns})


def test_the_page_does_what_it_says(mlflow_server: Service, tmp_path: Path) -> None:
    """Every command of the how-to runs, in a fresh workspace, and the model answers."""
    page = (ROOT / "docs" / "how-to" / "mlflow.md").read_text("utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "score.py").write_text(program, "utf-8")
    told = {"http://127.0.0.1:5000": mlflow_server.url}
    said = run(commands("mlflow.md"), tmp_path, told, {})
    assert "score" in said["python score.py"]
    there = client(mlflow_server)
    assert there.get_registered_model("churn").aliases["champion"]
