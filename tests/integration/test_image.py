"""The image of server and model: written the same twice, loaded, run and built on by podman."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rows_world import CODE, workspace
from servers import PATIENCE_S, commands, free_port, run

from tamid.core.errors import Waiting
from tamid.serving.embed import Predictor

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]

ROW = {"calls": 0.5, "minutes": -0.25, "plan": "fibre"}
# For a root without all rights, as in a sandbox: no limits that it may not set, no systemd.
_SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
{runtime}events_logger = "file"
cgroup_manager = "cgroupfs"
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a real podman; its images are removed by their names afterwards."""
    if not shutil.which("podman"):
        pytest.skip("podman is not installed; on Debian: apt install podman runc")
    if os.getuid() or "CONTAINERS_CONF" in os.environ:
        return {}
    settings = tmp_path_factory.mktemp("podman") / "containers.conf"
    runtime = 'runtime = "runc"\n' if shutil.which("runc") else ""
    settings.write_text(_SETTINGS.format(runtime=runtime), "utf-8")
    return {"CONTAINERS_CONF": str(settings)}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose version answers compiled."""
    return trained(tmp_path_factory.mktemp("plain") / "w")


@pytest.fixture
def tidy(engine: Mapping[str, str]) -> Iterator[None]:
    """Leave no container and no image behind."""
    yield
    for command in (["rm", "-f", "-t", "5", "churn"], ["rmi", "-f", *_IMAGES]):
        podman(engine, *command)


_IMAGES = ("localhost/churn-ops:1", "localhost/churn:1")


def trained(root: Path, features: str = "{}") -> Path:
    """Make a workspace and turn its loop once."""
    workspace(root, "data/rows.parquet", features)
    said = tamid(root, "-q", "tick")
    assert "make version 1 champion" in said, said
    return root


def tamid(root: Path, *words: str) -> str:
    """Run a command in a workspace and return what it says."""
    command = [sys.executable, "-m", "tamid", "-C", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def podman(engine: Mapping[str, str], *words: str) -> str:
    """Run a command of podman's and return what it says."""
    done = subprocess.run(
        ["podman", *words], env={**os.environ, **engine}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def own_answer(root: Path) -> float:
    """Return what the same version answers without a container."""
    predictor, end = Predictor(root, "churn"), time.monotonic() + PATIENCE_S
    try:
        while True:
            try:
                (answer,) = predictor.predict([ROW])
                return float(answer["score"])
            except Waiting:
                assert time.monotonic() < end, "the version was never loaded"
                time.sleep(0.2)
    finally:
        predictor.close()


def inspected(engine: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return what an engine knows of an image."""
    (found,) = json.loads(podman(engine, "image", "inspect", name))
    assert isinstance(found, dict)
    return found


@pytest.mark.usefixtures("tidy")
def test_the_page_does_what_it_says(plain: Path, engine: Mapping[str, str]) -> None:
    """Loaded, run read-only and without rights, it answers what Tamid answers; and is a base."""
    port = free_port()
    told = {
        "-p 127.0.0.1:8620:8620": f"-p 127.0.0.1:{port}:8620",
        "http://127.0.0.1:8620": f"http://127.0.0.1:{port}",
    }
    said = run(commands("image.md"), plain, told, engine)
    (answer,) = (text for line, text in said.items() if "/predict" in line)
    assert json.loads(answer)["score"] == own_answer(plain)
    assert json.loads(answer)["rung"] == "champion"
    first = inspected(engine, "localhost/churn:1")
    assert first["User"] == "10001:10001"
    derived = inspected(engine, "localhost/churn-ops:1")
    assert derived["Labels"]["owner"] == "ops-team"
    assert (
        derived["RootFS"]["Layers"][: len(first["RootFS"]["Layers"])] == (first["RootFS"]["Layers"])
    )


@pytest.mark.usefixtures("tidy")
def test_a_version_with_code_of_its_own_runs_in_workers(
    tmp_path: Path, engine: Mapping[str, str]
) -> None:
    """Feature code takes the libraries with it, and answers the same in the container."""
    root, port = trained(tmp_path / "w", CODE), free_port()
    made = json.loads(tamid(root, "export", "image", "--to", "churn.tar", "--json"))
    shutil.move("churn.tar", tmp_path / "churn.tar")
    assert made["small"] is False
    lines = [
        f"podman load -q -i {tmp_path / 'churn.tar'}",
        f"podman run -d --name churn --network host localhost/churn:1 --port {port}",
        f"curl -sf --retry 180 --retry-all-errors --retry-delay 1 http://127.0.0.1:{port}/readyz",
        f"curl -sf http://127.0.0.1:{port}/v1/models/churn/predict "
        f"-H 'content-type: application/json' -d '{json.dumps(ROW)}'",
    ]
    said = run(lines, tmp_path, {}, engine)
    answer = json.loads(said[lines[-1]])
    assert (answer["score"], answer["rung"]) == (own_answer(root), "champion")


def test_the_same_inputs_give_the_same_digest(plain: Path, tmp_path: Path) -> None:
    """Written again, and out of a copy of the workspace elsewhere, it is the same to the byte."""
    copy = tmp_path / "copy"
    shutil.copytree(plain, copy)
    made = []
    for number, root in enumerate((plain, plain, copy)):
        file = tmp_path / f"{number}.tar"
        tamid(copy, "-q", "tick")  # what the loop does besides changes nothing
        made.append(json.loads(tamid(root, "export", "image", "--to", str(file), "--json")))
    assert len({one["digest"] for one in made}) == 1
    assert len({(tmp_path / f"{n}.tar").read_bytes() for n in range(3)}) == 1
    assert made[0]["small"] is True
    assert made[0]["needs"] == []
