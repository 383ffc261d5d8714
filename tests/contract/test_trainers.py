"""Trainers keep the laws of their port, in this process and in spawned ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tamid.adapters.inline import InlineTrainer
from tamid.adapters.spawn import SpawnTrainer
from tamid.testing.candidates import contract_text, job
from tamid.testing.trainer_suite import LIMIT, TrainerSuite, train
from tamid.workshop import inline_trainer


class TestInlineTrainer(TrainerSuite):
    """In this process, with the learner that needs only numpy."""

    @pytest.fixture
    def trainer(self) -> InlineTrainer:
        return inline_trainer(tiny=True)


class TestSpawnTrainer(TrainerSuite):
    """In a spawned process, kept warm between runs, with LightGBM."""

    @pytest.fixture(scope="class")
    @classmethod
    def trainer(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpawnTrainer]:
        made = SpawnTrainer(tmp_path_factory.mktemp("studies"), warm=True)
        yield made
        made.close()


def test_spawned_and_inline_training_agree(tmp_path: Path) -> None:
    """A candidate's files do not depend on the process that made it."""
    given = job(contract=contract_text(model="logistic"))
    spawned = SpawnTrainer(tmp_path)
    one, two = train(inline_trainer(), given), train(spawned, given)
    spawned.close()
    assert one.files == two.files
    assert two.peak_mb > 20
    assert LIMIT.total_seconds() > two.seconds > 0
