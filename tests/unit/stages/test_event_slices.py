"""Of event tables only the slices are read that can count for the rows that are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
from weekly import number, with_calls

from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Contract
from tamid.core.events import DataAccepted
from tamid.core.values import PERIOD, TablePin
from tamid.stages import data, joining
from tamid.stages.feeds import feeds

WEEKS = 40
DAY = timedelta(days=1)
FIRST = datetime(2026, 1, 4, tzinfo=UTC)


class Watched(MemoryTables):
    """Tables that remember which slices of the calls were asked for."""

    asked: Sequence[str] | None = None

    def read(
        self,
        pin: TablePin,
        *,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.DataFrame:
        """Read, and note what was wanted."""
        if pin.table.endswith("calls"):
            self.asked = periods
        return super().read(pin, periods=periods, columns=columns)


def contract(window: timedelta | None) -> Contract:
    """Return a contract of weekly rows with calls counted over a window."""
    return with_calls(number("count", window=window), number("sum", "minutes", window))


def stored(rules: Contract) -> tuple[Watched, dict[str, TablePin]]:
    """Return tables with rows of many weeks, and a call of two customers every third day."""
    tables, pins = Watched(), {}
    weeks = [FIRST + 7 * n * DAY for n in range(WEEKS)]
    days = [FIRST + n * DAY for n in range(-60, 7 * WEEKS, 3)]
    frames = {
        "rows": pl.DataFrame({"id": ["a", "b"] * WEEKS, "week": [w for w in weeks for _ in "ab"],
                              "x": 1.0}),
        "calls": pl.DataFrame({"id": ["a", "b"] * len(days), "at": [d for d in days for _ in "ab"],
                               "minutes": [float(n) for n in range(2 * len(days))]}),
    }  # fmt: skip
    now = weeks[-1] + DAY
    for feed in feeds(rules):
        put = MemorySource()
        put.put("all", frames[feed.source], now)
        for event in data.ingest(feed, put, tables, known={}, now=now, token=1, first=True):
            assert isinstance(event, DataAccepted)
            pins[event.pin.table] = event.pin
    return tables, pins


def test_a_period_alone_sees_what_all_periods_together_see() -> None:
    """Reading few slices gives the same numbers as reading all of them."""
    rules = contract(28 * DAY)
    tables, pins = stored(rules)
    now = FIRST + 7 * WEEKS * DAY
    whole = joining.joined(tables, rules, pins, None, now)
    for week in (0, 17, WEEKS - 1):
        period = str((FIRST + 7 * week * DAY).date())
        alone = joining.joined(tables, rules, pins, [period], now)
        assert alone["count"].sum() > 0
        assert alone.equals(whole.filter(pl.col(PERIOD) == period))
        assert tables.asked is not None
        assert len(tables.asked) < 70
        assert (str(FIRST.date()) in tables.asked) == (week == 0)


def test_without_a_window_all_the_past_is_read() -> None:
    """A number over all the past needs every slice."""
    rules = contract(None)
    tables, pins = stored(rules)
    period = str((FIRST + 7 * (WEEKS - 1) * DAY).date())
    joining.joined(tables, rules, pins, [period], FIRST + 7 * WEEKS * DAY)
    assert tables.asked is None
