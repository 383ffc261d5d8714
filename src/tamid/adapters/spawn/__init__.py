"""Training and scoring in processes of their own: spawned, watched, killed at their deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tamid.adapters.spawn.scorer import SpawnScorer
    from tamid.adapters.spawn.trainer import SpawnTrainer

__all__ = ["SpawnScorer", "SpawnTrainer"]


def __getattr__(name: str) -> object:
    # On use: the model server takes only `worker` from here, and loads no library of tables.
    if name == "SpawnScorer":
        from tamid.adapters.spawn.scorer import SpawnScorer

        return SpawnScorer
    if name == "SpawnTrainer":
        from tamid.adapters.spawn.trainer import SpawnTrainer

        return SpawnTrainer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
