"""Numbers over the past agree with a plain reckoning, row by row, whatever the events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.contract.model import Aggregate
from tamid.core.values import ENTITY, TIME
from tamid.stages.features import assemble

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOMENT = pl.Datetime("us", "UTC")
FUNCTIONS = ("count", "sum", "mean", "min", "max", "last", "distinct")

entities = st.sampled_from(["7", "8", "לקוח"])
hours = st.integers(0, 12)
values = st.one_of(st.none(), st.integers(-3, 3).map(float))
events = st.lists(st.tuples(entities, hours, values), max_size=25)
rows = st.lists(st.tuples(entities, hours), min_size=1, max_size=8)
window_hours = st.one_of(st.none(), st.integers(1, 14))

Event = tuple[str, int, float | None]


def events_frame(found: list[Event]) -> pl.DataFrame:
    """Return events as a stored table gives them."""
    return pl.DataFrame(
        {
            ENTITY: [e for e, _, _ in found],
            TIME: [START + h * HOUR for _, h, _ in found],
            "x": [x for _, _, x in found],
        },
        schema={ENTITY: pl.String, TIME: MOMENT, "x": pl.Float64},
    )


def rows_frame(found: list[tuple[str, int]]) -> pl.DataFrame:
    """Return rows as stored."""
    return pl.DataFrame(
        {ENTITY: [e for e, _ in found], TIME: [START + h * HOUR for _, h in found]},
        schema={ENTITY: pl.String, TIME: MOMENT},
    )


def plain(function: str, past: list[Event]) -> float | None:
    """Compute one number over events, the slow and obvious way."""
    known = [x for _, _, x in sorted(past, key=lambda e: (e[1], e[2] or -9.0)) if x is not None]
    if function == "count":
        return float(len(known))
    if function == "distinct":
        return float(len(set(known)))
    if not known:
        return None
    if function == "sum":
        return sum(known)
    if function == "mean":
        return sum(known) / len(known)
    if function == "last":
        return known[-1]
    return min(known) if function == "min" else max(known)


@pytest.mark.parametrize("function", FUNCTIONS)
@given(rows, events, window_hours)
def test_a_number_is_what_plain_reckoning_gives(
    function: Any, found: list[tuple[str, int]], happened: list[Event], hours_: int | None
) -> None:
    """Every function over t - window <= event < t, null values left out."""
    window = None if hours_ is None else hours_ * HOUR
    aggregate = Aggregate(table="e", function=function, column="x", window=window)
    got = assemble(rows_frame(found), {"e": events_frame(happened)}, {"n": aggregate})
    expected = [
        plain(
            function,
            [
                e
                for e in happened
                if e[0] == who and e[1] < at and (hours_ is None or e[1] >= at - hours_)
            ],
        )
        for who, at in found
    ]
    assert got.get_column("n").to_list() == pytest.approx(expected)


@given(rows, events, st.randoms(use_true_random=False))
def test_what_happens_later_changes_nothing(
    found: list[tuple[str, int]], happened: list[Event], chance: Any
) -> None:
    """Events planted at or after the last row's moment, and the order of events, change nothing."""
    aggregates = {
        f: Aggregate(table="e", function=f, column="x", window=5 * HOUR)  # type: ignore[arg-type]
        for f in FUNCTIONS
    }
    last = max(at for _, at in found)
    past = [e for e in happened if e[1] < last]
    planted = past + [(who, last + n % 3, 99.0) for n, (who, _) in enumerate(found)]
    chance.shuffle(planted)
    frame = rows_frame(found)
    without = assemble(frame, {"e": events_frame(past)}, aggregates)
    assert assemble(frame, {"e": events_frame(planted)}, aggregates).equals(without)
