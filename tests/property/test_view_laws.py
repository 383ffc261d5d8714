"""Feature views say what was known at each row's moment, as a naive look at every event does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.adapters import yaml
from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Contract, View
from tamid.core.contract.parse import parse
from tamid.core.values import ARRIVED, BATCH, ENTITY, KNOWN_AT, RULE, TIME, canonical_json
from tamid.stages import views
from tamid.stages.feeds import SHARED_RULE, stored_name
from tamid.stages.filing import with_periods

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = BEGIN + 5000 * HOUR
MOMENT = pl.Datetime("us", "UTC")
FUNCTIONS = ("count", "sum", "mean", "min", "max", "last", "distinct")
Event = tuple[str, int, int, float | None]

entities = st.sampled_from(["a", "b", "c"])
hours = st.integers(min_value=0, max_value=300)
# Entity, hour, hours until it was known, value.
events_ = st.lists(
    st.tuples(
        entities,
        hours,
        st.sampled_from([0, 0, 0, 1, 24, 200]),
        st.one_of(st.none(), st.sampled_from([-1.5, 0.0, 2.0, 2.5, 40.0])),
    ),
    max_size=25,
)
# Entity, hour, hours after which the row came.
rows_ = st.lists(st.tuples(entities, hours, st.sampled_from([0, 0, 30])), min_size=1, max_size=12)


def contract_of(delay: int, windows: tuple[int | None, ...]) -> Contract:
    """Return a contract that uses one view with every function over every window."""
    features = {}
    for window in windows:
        for function in FUNCTIONS:
            column = "true" if function == "count" else "x"
            span = "" if window is None else f", window: {window}h"
            features[f"{function}_{window}"] = f"{{{function}: {column}{span}}}"
    listed = "\n".join(f"      {n}: {spec}" for n, spec in features.items())
    text = f"""tamid: 1
name: m
task: binary
data: {{source: a.csv, entity: id, time: t, label: {{column: y, positive: 1}}}}
features: {{views: [calls]}}
views:
  calls:
    owner: data-team
    version: 1
    table: {{path: c.csv, entity: id, time: at, delay: {delay}h}}
    features:
{listed}
"""
    return parse(yaml.read(text, "contract.yaml"))


def stored(contract: Contract, events: list[Event]) -> tuple[MemoryTables, dict[str, Any]]:
    """Return tables that hold the events and what was materialised of them, and the pins."""
    tables, table = MemoryTables(), stored_name(contract, "calls")
    frame = pl.DataFrame(
        [(e, BEGIN + h * HOUR, BEGIN + (h + late) * HOUR, x) for e, h, late, x in events],
        schema={ENTITY: pl.String, TIME: MOMENT, KNOWN_AT: MOMENT, "x": pl.Float64},
        orient="row",
    ).with_columns(
        pl.lit("b").alias(BATCH),
        pl.lit(None, pl.String).alias(RULE),
        pl.col(KNOWN_AT).alias(ARRIVED),
    )
    pin = tables.write(table, with_periods(frame, SHARED_RULE, LATER), key="k", token=0,
                       mode="append")  # fmt: skip
    return tables, {table: pin}


def joined(
    contract: Contract, events: list[Event], rows: list[tuple[str, int, int]]
) -> pl.DataFrame:
    """Return the features of rows, out of what was materialised."""
    tables, pins = stored(contract, events)
    view = contract.views["calls"]
    key = views.materialise_one(tables, "calls", view, next(iter(pins.values())), LATER)
    assert key.pin.table == views.steps_table("calls", view)
    frame = pl.DataFrame(
        [(e, BEGIN + h * HOUR) for e, h, _ in rows],
        schema={ENTITY: pl.String, TIME: MOMENT},
        orient="row",
    )
    cut = pl.Series([BEGIN + (h + came) * HOUR for _, h, came in rows], dtype=MOMENT)
    return views.joined(tables, contract, pins, frame, {"calls": cut}, LATER)


def naive(view: View, events: list[Event], row: tuple[str, int, int]) -> dict[str, float | None]:
    """Return one row's features by looking at every event."""
    entity, at, came = row
    delay, found = view.table.delay // HOUR, dict[str, float | None]()
    for name, measure in view.features.items():
        window = None if measure.window is None else measure.window // HOUR
        seen = [
            (h, x)
            for e, h, late, x in events
            if e == entity
            and h < at
            and h + delay <= at
            and (window is None or h >= at - window)
            and h + late <= at + came
        ]
        values = [x for _, x in seen if x is not None]
        last = max((h for h, x in seen if x is not None), default=None)
        found[name] = {
            "count": float(len(seen)),
            "sum": sum(values) if values else None,
            "mean": sum(values) / len(values) if values else None,
            "min": min(values, default=None),
            "max": max(values, default=None),
            "last": max((x for h, x in seen if h == last and x is not None), default=None),
            "distinct": float(len(set(values))),
        }[measure.function]
    return found


@pytest.mark.parametrize("windows", [(24, 72), (None, 24)])
@pytest.mark.parametrize("delay", [0, 6])
@settings(max_examples=30, deadline=None)
@given(events=events_, rows=rows_)
def test_every_number_is_what_the_naive_way_finds(
    windows: tuple[int | None, ...], delay: int, events: list[Event], rows: list[Any]
) -> None:
    """Whatever came late, at one moment, or after the row."""
    contract = contract_of(delay, windows)
    view = contract.views["calls"]
    found = joined(contract, events, rows).select(list(view.features)).to_dicts()
    wanted = [naive(view, events, row) for row in rows]
    for one, other in zip(found, wanted, strict=True):
        assert one == pytest.approx(other, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(
    events=events_, rows=rows_, planted=st.lists(st.tuples(hours, st.floats(1e6, 1e9)), min_size=1)
)
def test_nothing_of_the_future_leaks(
    events: list[Event], rows: list[Any], planted: list[tuple[int, float]]
) -> None:
    """Events at or after the last row, or known only after its cut, change no digit of any row."""
    contract = contract_of(0, (24, 72))
    last = max(h + came for _, h, came in rows)
    future: list[Event] = [("a", last + h, 0, x) for h, x in planted]
    future += [("b", h % 300, last + 1, x) for h, x in planted]
    before = joined(contract, events, rows)
    after = joined(contract, [*events, *future], rows)
    assert canonical_json(before.to_dicts()) == canonical_json(after.to_dicts())
