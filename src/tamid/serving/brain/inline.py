"""A compiled version on the loop's own thread: validated numbers, no code of anybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from tamid.ports import RowModel
from tamid.serving.brain.jobs import Outcome
from tamid.serving.values import Row, Value

# Seconds after which others get a turn, and rows that are scored together: at a few microseconds
# each they take less. Reasons may take a thousand times as long, and classes ten times.
_SLICE, _AT_ONCE = 0.001, 200


class Inline:
    """Answers where it is asked; the other kind of desk."""

    def __init__(self, name: str, model: RowModel, classes: Sequence[str]) -> None:
        self.name, self.waiting, self.restarts = name, 0, 0
        self.deaths, self.down = 0, False
        self._model, self._classes = model, tuple(classes)

    @property
    def quick(self) -> RowModel | None:
        """Return the model for one row now; None where an answer is more than one number."""
        return None if self._classes else self._model

    def score(self, row: Row) -> float:
        """Answer one row now. Raises DataError."""
        return self._model.score(row.values)

    async def open(self) -> None:
        """Do nothing: it was opened and proven before."""

    async def ask(
        self,
        rows: Sequence[Row],
        *,
        explain: bool,
        timeout: float,
        spent: dict[str, float] | None = None,
    ) -> Sequence[Outcome]:
        """Return an outcome for each row. Raises DataError, TimeoutError."""
        found: list[Outcome] = []
        step = 1 if explain or self._classes else _AT_ONCE
        async with asyncio.timeout(timeout):
            since = time.perf_counter()
            for start in range(0, len(rows), step):
                if time.perf_counter() - since > _SLICE:
                    await asyncio.sleep(0)
                    since = time.perf_counter()
                found += self._some(rows[start : start + step], explain)
        return found

    def close(self) -> None:
        """Do nothing."""

    def _some(self, rows: Sequence[Row], explain: bool) -> list[Outcome]:
        values = [row.values for row in rows]
        if not explain and not self._classes:
            return [Outcome(score=score) for score in self._model.scores(values)]
        return [
            Outcome(
                score=score,
                classes=self._chances(row),
                explanation=self._model.contributions(row) if explain else {},
            )
            for score, row in zip(self._model.scores(values), values, strict=True)
        ]

    def _chances(self, row: Mapping[str, Value]) -> dict[str, float]:
        if not self._classes:
            return {}
        return dict(zip(self._classes, self._model.chances(row), strict=True))
