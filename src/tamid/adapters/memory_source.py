"""A source of batches in memory: for tests and replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from tamid.core.errors import BatchNotReady
from tamid.core.values import digest_bytes
from tamid.ports import Batch


class MemorySource:
    """Batches put down by hand; a batch put again under its name has changed."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[Batch, pl.DataFrame]] = {}

    def put(self, name: str, frame: pl.DataFrame, modified: datetime) -> Batch:
        """Put a batch down, or a new version of it."""
        content = str(frame.hash_rows(seed=7).sort().to_list()) + str(frame.schema)
        batch = Batch(
            name=name,
            fingerprint=digest_bytes(content.encode()),
            size=frame.height,
            modified=modified,
        )
        self._held[name] = (batch, frame)
        return batch

    def remove(self, name: str) -> None:
        """Take a batch away."""
        del self._held[name]

    def batches(self) -> Sequence[Batch]:
        """Return what is there, oldest first."""
        return sorted((b for b, _ in self._held.values()), key=lambda b: (b.modified, b.name))

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return a batch's rows."""
        held = self._held.get(batch.name)
        if held is None or held[0].fingerprint != batch.fingerprint:
            raise BatchNotReady(f"batch {batch.name} vanished or changed since it was listed")
        if held[1].is_empty():
            raise BatchNotReady(f"batch {batch.name} is empty")
        return held[1]
