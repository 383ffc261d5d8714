"""A frame of the past, shown as it became known: the source of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tamid.core.errors import BatchNotReady
from tamid.core.values import instant
from tamid.ports import Batch

if TYPE_CHECKING:
    from tamid.ports import Clock, Source

_MICRO = timedelta(microseconds=1)


class HistorySource:
    """Rows with the moment at which each became known; none is shown before it.

    What was known at `begin` is the first batch; after that there is one batch for each span of
    `every` in which something became known, shown when the span is over; what became known after
    `end` is one last batch, shown when all of it was. A row whose moment is missing never became
    known and is never shown.
    """

    def __init__(
        self,
        frame: pl.DataFrame,
        known: pl.Series,
        clock: Clock,
        *,
        begin: datetime,
        end: datetime,
        every: timedelta,
    ) -> None:
        self._clock = clock
        self._batches: list[Batch] = []
        self._parts: dict[str, pl.DataFrame] = {}
        micros = known.cast(pl.Datetime("us", "UTC")).to_physical()
        there = micros.is_not_null()
        after = micros.filter(there).to_numpy() - (begin - _EPOCH) // _MICRO
        spans = np.maximum(-(-after // (every // _MICRO)), 0)
        late = spans > (end - begin) // every
        spans[late] = spans.max(initial=0)
        numbered = frame.filter(there).with_columns(pl.Series(_SPAN, spans, dtype=pl.Int64))
        for part in numbered.sort(_SPAN, maintain_order=True).partition_by(
            _SPAN, maintain_order=True
        ):
            shown = begin + every * int(part.get_column(_SPAN)[0])
            name = instant(shown)
            self._parts[name] = part.drop(_SPAN)
            self._batches.append(
                Batch(
                    name=name,
                    fingerprint=f"{name}/{part.height}",
                    size=part.height,
                    modified=shown,
                )
            )

    @property
    def last(self) -> datetime | None:
        """Return the moment at which all is shown; None without any row."""
        return self._batches[-1].modified if self._batches else None

    def batches(self) -> Sequence[Batch]:
        """Return what the clock allows to be seen, oldest first."""
        now = self._clock.now()
        return [b for b in self._batches if b.modified <= now]

    def read(self, batch: Batch) -> pl.DataFrame:
        """Return a batch's rows. Raises BatchNotReady before its time."""
        if batch.modified > self._clock.now() or batch.name not in self._parts:
            raise BatchNotReady(f"batch {batch.name} is not known yet")
        return self._parts[batch.name]


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_SPAN = "_span"


if TYPE_CHECKING:

    def _check(frame: pl.DataFrame, known: pl.Series, clock: Clock, day: datetime) -> Source:
        return HistorySource(frame, known, clock, begin=day, end=day, every=timedelta(days=1))
