"""A model in memory whose rows and labels are functions of the period, for tests of one thing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np
import polars as pl
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core import events as ev
from tamid.core.state import State
from tamid.stages.loop import adopt, tick

FIRST = datetime(2026, 1, 4, tzinfo=UTC)
Frame = Callable[[int], pl.DataFrame]
_E = TypeVar("_E", bound=ev.Event)


class Small(Stores):
    """All stores of one small model, and its turns: rows at once, labels a while later.

    `rows(k)` and `labels(k)` are the frames of period k; the first `past` periods are history.
    """

    def __init__(
        self, signer: Keys, contract: str, rows: Frame, labels: Frame, *, every: timedelta,
        past: int = 12, later: timedelta = timedelta(days=8),
    ) -> None:  # fmt: skip
        super().__init__("small", signer, "small" * 8)
        self.contract = contract
        self.rows_of, self.labels_of, self.every = rows, labels, every
        self.past, self.later = past, later
        self.state = State()
        self._at = past
        self.rows.put("past", pl.concat([rows(k) for k in range(past)]), self.start(past))

    def start(self, k: int) -> datetime:
        """Return when a period begins."""
        return FIRST + k * self.every

    def turn(self, moment: datetime) -> State:
        """Turn the loop once."""
        rig = self.opened(SimulatedClock(moment))
        self.state = tick(rig, "tester", adopt(rig, self.contract, {}, moment)).state
        return self.state

    def live(self, periods: int) -> State:
        """Live through so many periods: at the start of each, its rows; then labels that are due.

        The loop turns at the start of each and in its middle; labels come `later` after the start.
        """
        for k in range(self._at, self._at + periods):
            now = self.start(k)
            self.rows.put(f"r{k}", self.rows_of(k), now)
            self._labels_until(now)
            self.turn(now + self.every / 28)
            self._labels_until(now + self.every / 2)
            self.turn(now + self.every / 2)
        self._at += periods
        return self.state

    def _labels_until(self, now: datetime) -> None:
        due = [k for k in range(self._at + 99) if self.start(k) + self.later <= now]
        known = {b.name for b in self.labels.batches()}
        for k in due:
            if f"l{k}" not in known:
                self.labels.put(f"l{k}", self.labels_of(k), self.start(k) + self.later)

    def happened(self, kind: type[_E]) -> list[_E]:
        """Return all events of a kind."""
        return [r.event for r in self.ledger.read("small") if isinstance(r.event, kind)]


def customers(k: int, start: datetime, count: int, seed: int = 6) -> pl.DataFrame:
    """Return the same customers in each period, with two numbers that never drift."""
    rng = np.random.default_rng([seed, k])
    when = pl.Series([start] * count, dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "customer": [f"c{n:04d}" for n in range(count)],
            "week": when,
            "usage": rng.normal(size=count).round(3),
            "calls": rng.normal(size=count).round(3),
        }
    )
