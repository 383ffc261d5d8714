"""Two controllers on one workspace: one acts, the other waits; one that overslept is fenced off."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import toy
import toy_folder

from tamid.core.errors import Conflict
from tamid.stages.loop import LEASE

CHILD = Path(toy_folder.__file__)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace before its first turn."""
    root = tmp_path_factory.mktemp("fresh") / "root"
    toy_folder.prepare(root, toy.life()[0])
    return root


@pytest.mark.parametrize("write", ["write toy.judged", "append Promoted", "deliver toy"])
def test_a_controller_that_slept_past_its_lease_changes_nothing(
    fresh: Path, tmp_path: Path, write: str
) -> None:
    """While it might still act others wait; when it wakes too late its writes are refused."""
    root, turn = shutil.copytree(fresh, tmp_path / "root"), toy.life()[0]
    sleeper = subprocess.Popen(
        [sys.executable, str(CHILD), str(root), "0", write], stderr=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(sleeper.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it did not come to the write"
        with pytest.raises(Conflict, match=str(sleeper.pid)):
            toy_folder.live(root, replace(turn, at=turn.at + timedelta(minutes=5)))
        later = replace(turn, at=turn.at + LEASE + timedelta(minutes=1))
        toy_folder.live(root, later)
        done = toy_folder.portrait(root, later)
        sleeper.send_signal(signal.SIGCONT)
        said = sleeper.communicate()[1]
    finally:
        if sleeper.poll() is None:
            sleeper.kill()
            sleeper.wait()
    assert (sleeper.returncode, said.partition(":")[0]) == (5, "LeaseLost"), said
    assert toy_folder.portrait(root, later) == done
    assert done["events told twice"] == []
    assert [r["number"] for r in done["state: reigns"]] == [1]
    assert done["events"]["Delivered"] == 2
