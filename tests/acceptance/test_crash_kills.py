"""Real SIGKILL over real stores: the next turn goes on, and comes to what it would have come to.

`make test` kills at eight writes that matter most; the integration run at every write of every
turn, before and after it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toy
import toy_folder

from tamid.testing.crash import AFTER, BEFORE, VARIABLE, Phase

# Not forked: polars and BLAS have threads of their own, and a fork among them may hang.
CHILD = Path(toy_folder.__file__)
# The turn, a part of the write's name, before or after it.
EIGHT: tuple[tuple[int, str, Phase], ...] = (
    (0, "write toy.rows", AFTER),  # stored, and not yet told
    (0, "train run-0001", AFTER),  # hours of work, and nothing of it kept
    (0, "write toy.judged", AFTER),
    (0, "append Promoted", BEFORE),
    (2, "deliver toy/2026-03-22/1/2-sql", AFTER),  # the consumer has it, and nobody knows
    (3, "append Scored", BEFORE),
    (8, "append Promoted", AFTER),  # what the release settles is not settled yet
    (13, "append CaseOpened", BEFORE),
)


class Whole:
    """The life without a death over real stores, with the workspace as it was before each turn."""

    def __init__(self, folder: Path) -> None:
        self.turns = toy.life()
        self.names: list[list[str]] = []
        self.before: list[Path] = []
        self.portraits: list[dict[str, Any]] = []
        root = folder / "root"
        for number, turn in enumerate(self.turns):
            toy_folder.prepare(root, turn)
            self.before.append(shutil.copytree(root, folder / f"before-{number}"))
            self.names.append(toy_folder.live(root, turn).points.names)
            self.portraits.append(toy_folder.portrait(root, turn))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The life without a death."""
    return Whole(tmp_path_factory.mktemp("whole"))


def killed(root: Path, turn: int, number: int, phase: Phase) -> int:
    """Live a turn in a process group of its own that is killed at a write; return its status."""
    return subprocess.run(
        [sys.executable, str(CHILD), str(root), str(turn)],
        env={**os.environ, VARIABLE: f"{number}:{phase}"},
        start_new_session=True,
        check=False,
    ).returncode


def die_and_go_on(whole: Whole, root: Path, turn: int, number: int, phase: Phase) -> None:
    """Kill a turn at a write, turn again, and compare."""
    shutil.copytree(whole.before[turn], root)
    assert killed(root, turn, number, phase) == -9
    toy_folder.live(root, whole.turns[turn])
    where = f"turn {turn}, killed {phase} {whole.names[turn][number - 1]}"
    toy.same(toy_folder.portrait(root, whole.turns[turn]), whole.portraits[turn], where)


@pytest.mark.parametrize(("turn", "part", "phase"), EIGHT, ids=str)
def test_a_killed_turn_is_gone_on_with(
    whole: Whole, tmp_path: Path, turn: int, part: str, phase: Phase
) -> None:
    """Nothing is lost, and nothing delivered, promoted or opened twice."""
    number = next(n for n, name in enumerate(whole.names[turn], 1) if part in name)
    die_and_go_on(whole, tmp_path / "root", turn, number, phase)


def test_a_killed_life_comes_to_the_same_end(whole: Whole, tmp_path: Path) -> None:
    """Killed amid its second release, the model's life goes on to the end as if it had not been."""
    root = tmp_path / "root"
    number = next(n for n, name in enumerate(whole.names[7], 1) if "VersionRegistered" in name)
    die_and_go_on(whole, root, 7, number, AFTER)
    for turn in whole.turns[8:]:
        toy_folder.prepare(root, turn)
        toy_folder.live(root, turn)
    toy.same(toy_folder.portrait(root, whole.turns[-1]), whole.portraits[-1], "the end")


@pytest.mark.integration
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("turn", range(len(toy.life())))
def test_every_kill_of_a_turn_is_gone_on_with(whole: Whole, tmp_path: Path, turn: int) -> None:
    """The same before and after every write of the turn."""
    for number in range(1, len(whole.names[turn]) + 1):
        for phase in (BEFORE, AFTER):
            root = tmp_path / f"{number}-{phase}"
            die_and_go_on(whole, root, turn, number, phase)
            shutil.rmtree(root)
