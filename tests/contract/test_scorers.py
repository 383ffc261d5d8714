"""Scorers keep the laws of their port, in this process and in spawned ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tamid.adapters.inline import InlineScorer
from tamid.adapters.keys import Keys
from tamid.adapters.memory_blobs import MemoryBlobs
from tamid.adapters.spawn import SpawnScorer
from tamid.stages.packaging import Packed, pack
from tamid.testing.candidates import job
from tamid.testing.scorer_suite import RuleSuite, ScorerSuite, rows
from tamid.testing.trainer_suite import train
from tamid.workshop import inline_scorer, inline_trainer, spawn_scorer

__all__ = ["rows"]


@pytest.fixture(scope="module")
def blobs() -> MemoryBlobs:
    """Where bundles lie."""
    return MemoryBlobs()


class TestInlineScorer(ScorerSuite, RuleSuite):
    """In this process, with the learner that needs only numpy."""

    @pytest.fixture(scope="class")
    @classmethod
    def packed(cls, keys: Keys, blobs: MemoryBlobs) -> Packed:
        return pack(train(inline_trainer(tiny=True), job()), blobs, keys)

    @pytest.fixture(scope="class")
    @classmethod
    def scorer(cls, keys: Keys, blobs: MemoryBlobs) -> InlineScorer:
        return inline_scorer(blobs, keys)


class TestSpawnScorer(ScorerSuite, RuleSuite):
    """In a process for each bundle, with LightGBM."""

    @pytest.fixture(scope="class")
    @classmethod
    def packed(cls, keys: Keys, blobs: MemoryBlobs) -> Packed:
        return pack(train(inline_trainer(), job()), blobs, keys)

    @pytest.fixture(scope="class")
    @classmethod
    def scorer(cls, keys: Keys, blobs: MemoryBlobs) -> Iterator[SpawnScorer]:
        made = spawn_scorer(blobs, keys)
        yield made
        made.close()
