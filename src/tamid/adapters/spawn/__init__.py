"""Training and scoring in processes of their own: spawned, watched, killed at their deadline."""

from tamid.adapters.spawn.scorer import SpawnScorer
from tamid.adapters.spawn.trainer import SpawnTrainer

__all__ = ["SpawnScorer", "SpawnTrainer"]
