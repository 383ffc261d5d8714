"""A developer's commands as real processes: test, experiment, look, and make again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from in_process import here
from processes import WEEKLY, make_shop, present, tamid

CONTRACT = WEEKLY.replace(
    "calls: {type: number, min: 0}", "calls: {type: number, min: 0, nullable: true}"
).replace(
    "training: {model: logistic}",
    "features: {code: features.py:build}\ntraining: {model: lightgbm, search: {trials: 2}}",
)
SOUND = """\
def build(rows):
    return rows.with_columns(rate=rows["calls"] / (rows["minutes"] + 1))
"""
HANGS = "import time\ndef build(rows):\n    time.sleep(600)\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which a first experiment was made, and nothing else."""
    root = make_shop(tmp_path_factory.mktemp("tamid") / "desk", CONTRACT, range(11, 1, -1))
    (root / "features.py").write_text(SOUND)
    done = tamid(root, "train", "--experiment", "--reason", "calls a minute")
    assert done.returncode == 0, done.stderr
    return root


def test_the_first_thing_done_may_be_an_experiment(desk: Path) -> None:
    """Data is taken in, two trials and three features are on record, and no version is made."""
    state = present(desk)
    assert list(state.experiments) == ["exp-0001"]
    assert not state.runs
    assert not state.versions
    body = json.loads(here(desk, "runs", "show", "last", "--json").stdout)["run"]
    assert len(body["report"]["trials"]) == 2
    worth = {f["feature"]: f for f in body["report"]["features"]}
    assert set(worth) == {"calls", "minutes", "rate"}
    assert worth["rate"]["source"] == "code"
    assert worth["minutes"]["benefit"]["low"] > 0


def test_an_experiment_is_made_again_by_another_process(desk: Path) -> None:
    """To the byte; with a file of the record missing it is no record any more."""
    done = tamid(desk, "reproduce", "exp-1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["reproduction"]["equal"]


def test_a_broken_record_ends_with_six(desk: Path, tmp_path: Path) -> None:
    """And says which part of it."""
    root = shutil.copytree(desk, tmp_path / "broken")
    finished = present(root).experiments["exp-0001"].finished
    assert finished is not None
    name = finished.bundle.removeprefix("sha256:")
    blobs = [p for p in (root / ".tamid" / "blobs").rglob("*") if p.is_file()]
    (lost,) = [p for p in blobs if name.endswith(p.name)]
    lost.unlink()
    done = here(root, "reproduce", "exp-1")
    assert done.returncode == 6
    assert "bundle" in done.stderr


def test_sound_code_passes_and_code_that_hangs_is_killed(desk: Path, tmp_path: Path) -> None:
    """Exit 0 and 1; the user's own tests are run beside the generated ones."""
    root = shutil.copytree(desk, tmp_path / "tested")
    (root / "test_mine.py").write_text("def test_mine():\n    assert 1 + 1 == 2\n")
    done = tamid(root, "test", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    ended = {f"{t['what']}/{t['name']}": t["outcome"] for t in json.loads(done.stdout)["tests"]}
    assert ended["own/pytest"] == "pass"
    assert ended["model/save and load equal"] == "pass"
    assert ended["features/nulls"] == "pass"
    (root / "features.py").write_text(HANGS)
    (root / "test_mine.py").unlink()
    killed = tamid(root, "test", "--timeout", "8s", "--json")
    assert killed.returncode == 1, killed.stdout + killed.stderr
    (first, *_) = json.loads(killed.stdout)["tests"]
    assert (first["name"], first["outcome"]) == ("loads and ends", "fail")
    assert "longer than 8 s" in first["message"]
