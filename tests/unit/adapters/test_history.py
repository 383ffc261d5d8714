"""The past as a source: nothing is shown before it was known, and everything once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.adapters.history import HistorySource
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core.errors import BatchNotReady

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def source(known: list[datetime | None], clock: SimulatedClock, days: int = 10) -> HistorySource:
    """Rows numbered from 0, known at the given moments; the replay lasts so many days."""
    moments = pl.Series("known", known, dtype=pl.Datetime("us", "UTC"))
    rows = pl.DataFrame({"row": range(len(known))})
    return HistorySource(rows, moments, clock, begin=BEGIN, end=BEGIN + days * DAY, every=DAY)


def shown(past: HistorySource) -> list[int]:
    """All rows that can be read now."""
    return [row for b in past.batches() for row in past.read(b).get_column("row").to_list()]


def test_what_was_known_at_the_beginning_is_one_batch() -> None:
    """Years of history before the replay are read once, together with the first moment's rows."""
    past = source([BEGIN - 400 * DAY, BEGIN - DAY, BEGIN], SimulatedClock(BEGIN))
    assert [b.size for b in past.batches()] == [3]


def test_a_row_is_shown_from_the_turn_after_it_became_known() -> None:
    """A row of noon is not there at noon's midnight, and there at the next."""
    clock = SimulatedClock(BEGIN)
    past = source([BEGIN, BEGIN + DAY / 2], clock)
    assert shown(past) == [0]
    clock.advance(DAY)
    assert shown(past) == [0, 1]


def test_a_batch_cannot_be_read_before_its_time() -> None:
    """Whoever knows the name of a future batch is refused."""
    clock = SimulatedClock(BEGIN)
    past = source([BEGIN, BEGIN + DAY], clock)
    other = SimulatedClock(BEGIN + DAY)
    future = source([BEGIN, BEGIN + DAY], other).batches()[-1]
    with pytest.raises(BatchNotReady, match="not known yet"):
        past.read(future)


def test_what_never_became_known_is_never_shown() -> None:
    """A label without a moment stays away for ever."""
    past = source([BEGIN, None], SimulatedClock(BEGIN + 1000 * DAY))
    assert shown(past) == [0]


def test_what_came_after_the_end_is_one_batch() -> None:
    """The late truth that a replay is judged on comes at once, when the last of it was known."""
    clock = SimulatedClock(BEGIN + 12 * DAY)
    past = source([BEGIN + 11 * DAY, BEGIN + 30 * DAY], clock)
    assert shown(past) == []
    clock.set(BEGIN + 30 * DAY)
    assert [b.size for b in past.batches()] == [2]
    assert past.last == BEGIN + 30 * DAY


def test_without_rows_there_is_no_batch() -> None:
    """An empty history is no batch, rather than an empty one."""
    past = source([], SimulatedClock(BEGIN))
    assert list(past.batches()) == []
    assert past.last is None


@given(st.lists(st.integers(-100, 40 * 24), max_size=30), st.integers(0, 40))
def test_exactly_what_was_known_is_shown(hours: list[int], day: int) -> None:
    """At every turn of the clock the rows shown are those known by then, each once."""
    known = [BEGIN + timedelta(hours=h) for h in hours]
    past = source(list(known), SimulatedClock(BEGIN + day * DAY), days=40)
    now = BEGIN + day * DAY
    assert sorted(shown(past)) == [i for i, moment in enumerate(known) if moment <= now]
