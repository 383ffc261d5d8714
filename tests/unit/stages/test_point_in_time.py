"""A row sees the events that were known when it came: in scoring and, later, in training."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from weekly import number, with_calls

from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Aggregate, Contract
from tamid.core.events import DataAccepted
from tamid.core.values import ENTITY, KNOWN_AT, TIME, TablePin
from tamid.stages import data, joining
from tamid.stages.features import assemble
from tamid.stages.feeds import feeds

DAY = timedelta(days=1)
WEEK = datetime(2026, 1, 4, tzinfo=UTC)
TICK = WEEK + timedelta(hours=6)
MOMENT = pl.Datetime("us", "UTC")


def contract(known_at: str | None = None) -> Contract:
    """Return a contract of weekly rows with calls counted."""
    return with_calls(number("count"), number("last", "minutes"), known_at=known_at)


class World:
    """Rows and calls as they come, tick by tick."""

    def __init__(self, rules: Contract) -> None:
        self.rules = rules
        self.tables = MemoryTables()
        self.pins: dict[str, TablePin] = {}
        self.seen: dict[str, dict[str, str]] = {"rows": {}, "calls": {}}

    def come(self, source: str, frame: pl.DataFrame, now: datetime, *, first: bool = False) -> None:
        """Take a batch in."""
        feed = next(f for f in feeds(self.rules) if f.source == source)
        put = MemorySource()
        put.put(f"{source} {now}", frame, now)
        for event in data.ingest(
            feed, put, self.tables, known=self.seen[source], now=now, token=1, first=first
        ):
            assert isinstance(event, DataAccepted), event
            self.seen[source][event.batch] = event.fingerprint
            self.pins[event.pin.table] = event.pin

    def sees(self, now: datetime) -> dict[tuple[str, int], tuple[float, float | None]]:
        """Return number and last minutes of calls of each row, by entity and week."""
        frame = joining.joined(self.tables, self.rules, self.pins, None, now)
        week = ((pl.col(TIME) - WEEK).dt.total_days() // 7).alias("week")
        return {
            (e, w): (n, m) for e, w, n, m in frame.select(ENTITY, week, "count", "last").iter_rows()
        }


def rows(week: int) -> pl.DataFrame:
    """Return the rows of a week."""
    return pl.DataFrame({"id": ["a", "b"], "week": [WEEK + 7 * week * DAY] * 2, "x": [1.0, 2.0]})


def calls(
    *found: tuple[str, float, float], known: Mapping[int, float] | None = None
) -> pl.DataFrame:
    """Return calls: entity, day, minutes; `known`: by place the day on which one was known."""
    frame = pl.DataFrame(
        {
            "id": [e for e, _, _ in found],
            "at": [WEEK + d * DAY for _, d, _ in found],
            "minutes": [m for _, _, m in found],
        }
    )
    if known is None:
        return frame
    days = [known.get(n, d) for n, (_, d, _) in enumerate(found)]
    return frame.with_columns(pl.Series("told", [WEEK + d * DAY for d in days]))


def test_a_late_call_changes_no_row_that_was_scored() -> None:
    """Training sees the numbers that were scored; rows that come later see the call."""
    world = World(contract())
    world.come("rows", rows(0), TICK)
    world.come("calls", calls(("a", -3, 5.0)), TICK)
    scored = world.sees(TICK)
    assert scored == {("a", 0): (1.0, 5.0), ("b", 0): (0.0, None)}
    late = TICK + 2 * DAY
    world.come("calls", calls(("a", -1, 9.0), ("b", -1, 7.0)), late)
    assert world.sees(late) == scored
    world.come("rows", rows(1), TICK + 7 * DAY)
    trained = world.sees(TICK + 8 * DAY)
    assert {k: v for k, v in trained.items() if k[1] == 0} == scored
    assert trained["a", 1] == (2.0, 9.0)
    assert trained["b", 1] == (1.0, 7.0)


def test_calls_of_the_same_tick_count() -> None:
    """What came together with a row was known when it was scored."""
    world = World(contract())
    world.come("rows", rows(0), TICK, first=True)
    world.come("calls", calls(("a", -9, 1.0)), TICK, first=True)
    world.come("rows", rows(1), TICK + 7 * DAY)
    world.come("calls", calls(("a", 6.9, 5.0)), TICK + 7 * DAY)
    assert world.sees(TICK + 7 * DAY)["a", 1] == (2.0, 5.0)
    assert world.sees(TICK + 70 * DAY)["a", 1] == (2.0, 5.0)


def test_a_corrected_row_sees_what_it_saw() -> None:
    """A correction of the row brings no later calls with it."""
    world = World(contract())
    world.come("rows", rows(0), TICK)
    world.come("calls", calls(("a", -3, 5.0)), TICK)
    world.come("calls", calls(("a", -1, 9.0)), TICK + DAY)
    world.come("rows", rows(0).with_columns(x=pl.lit(9.0)), TICK + 2 * DAY)
    assert world.sees(TICK + 3 * DAY)["a", 0] == (1.0, 5.0)


def test_history_is_cut_by_the_column_that_says_when() -> None:
    """In the first import a call counts from when it was known, not from when it happened."""
    world = World(contract(known_at="told"))
    history = pl.concat([rows(week) for week in range(-8, 1)])
    world.come("rows", history, TICK, first=True)
    found = calls(("a", -40, 1.0), ("a", -38, 2.0), known={1: -30.0})
    world.come("calls", found, TICK, first=True)
    seen = world.sees(TICK)
    assert seen["a", -5] == (1.0, 1.0)
    assert seen["a", -4] == (2.0, 2.0)


@pytest.mark.parametrize("first", [True, False])
def test_a_call_of_the_future_changes_nothing(first: bool) -> None:
    """A planted call at or after the row's moment is not seen, whenever it came."""
    world = World(contract())
    world.come("rows", rows(0), TICK, first=first)
    world.come("calls", calls(("a", 0, 100.0), ("a", 0.2, 100.0)), TICK, first=first)
    assert world.sees(TICK + 9 * DAY)["a", 0] == (0.0, None)


def test_numbers_as_known_are_those_of_a_slow_count() -> None:
    """Every function agrees with a count by hand, row by row, with late events everywhere."""
    chance = np.random.default_rng(3)
    n, m = 300, 60
    hours = timedelta(hours=1)
    at = [WEEK + int(h) * hours for h in chance.integers(0, 500, n)]
    events = pl.DataFrame(
        {
            ENTITY: [f"e{k}" for k in chance.integers(0, 4, n)],
            TIME: at,
            KNOWN_AT: [
                t + int(h) * hours for t, h in zip(at, chance.integers(0, 200, n), strict=True)
            ],
            "x": chance.integers(0, 9, n).astype(float),
        },
        schema_overrides={TIME: MOMENT, KNOWN_AT: MOMENT},
    )
    moments = [WEEK + int(h) * hours for h in chance.integers(0, 600, m)]
    frame = pl.DataFrame(
        {ENTITY: [f"e{k}" for k in chance.integers(0, 4, m)], TIME: moments},
        schema_overrides={TIME: MOMENT},
    )
    cut = pl.Series(
        [t + int(h) * hours for t, h in zip(moments, chance.integers(0, 90, m), strict=True)]
    )
    window = 100 * hours
    wanted = {
        "count": Aggregate(table="t", function="count", window=window),
        "sum": Aggregate(table="t", function="sum", column="x", window=window),
        "distinct": Aggregate(table="t", function="distinct", column="x"),
    }
    found = assemble(frame, {"t": events}, wanted, {"t": cut.cast(MOMENT)})
    for (entity, moment), limit, row in zip(
        frame.iter_rows(), cut, found.select(*wanted).iter_rows(), strict=True
    ):
        seen = events.filter(
            (pl.col(ENTITY) == entity) & (pl.col(TIME) < moment) & (pl.col(KNOWN_AT) <= limit)
        )
        near = seen.filter(pl.col(TIME) >= moment - window).get_column("x")
        total = near.sum() if near.len() else None
        assert row == (float(near.len()), total, float(seen.get_column("x").n_unique()))
