"""Declared cleaning and point-in-time numbers, as training and scoring both see them."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from tamid.core.contract.model import Aggregate, CleanStep
from tamid.core.errors import DataError
from tamid.core.values import ENTITY, RULE, TIME
from tamid.stages.features import assemble, clean

DAY = timedelta(days=1)
WEEK = datetime(2026, 1, 4, tzinfo=UTC)
MOMENT = pl.Datetime("us", "UTC")


def rows(**columns: list[Any]) -> pl.DataFrame:
    """Return rows of three customers of one week with more columns."""
    return pl.DataFrame({ENTITY: ["a", "b", "c"], TIME: [WEEK] * 3, **columns}, strict=False)


def calls(*found: tuple[str, float, str, float | None]) -> pl.DataFrame:
    """Return events: entity, days after the week's row, kind, minutes."""
    return pl.DataFrame(
        [(e, WEEK + d * DAY, kind, x) for e, d, kind, x in found],
        schema={ENTITY: pl.String, TIME: MOMENT, "kind": pl.String, "minutes": pl.Float64},
        orient="row",
    )


def test_steps_are_done_in_order_and_counted() -> None:
    """Each step says what it changed; Tamid's own columns stay as they are."""
    frame = rows(x=[1.0, None, 99.0], plan=[" Basic", "PLUS ", None])
    found = clean(
        frame,
        [
            CleanStep(step="fill", value=0.0),
            CleanStep(step="clip", columns=("x",), high=10.0),
            CleanStep(step="strip"),
            CleanStep(step="lower"),
            CleanStep(step="fill", columns=("plan",), value="none"),
        ],
    )
    assert found.frame.get_column("x").to_list() == [1.0, 0.0, 10.0]
    assert found.frame.get_column("plan").to_list() == ["basic", "plus", "none"]
    assert [c.changed for c in found.counts] == [1, 1, 2, 2, 1]
    assert found.frame.select(ENTITY, TIME).equals(frame.select(ENTITY, TIME))


def test_repeated_rows_are_dropped_and_counted() -> None:
    """Rows of one entity and moment, or of the columns named, are kept once: the first."""
    frame = pl.concat([rows(x=[1, 2, 3]), rows(x=[4, 4, 4])])
    found = clean(frame, [CleanStep(step="drop_duplicates")])
    assert found.frame.get_column("x").to_list() == [1, 2, 3]
    assert [(c.before, c.after) for c in found.counts] == [(6, 3)]
    other = clean(frame, [CleanStep(step="drop_duplicates", columns=("x",))])
    assert other.frame.get_column("x").to_list() == [1, 2, 3, 4]


def test_values_that_mean_nothing_become_missing() -> None:
    """By name and out of bounds, each in columns of its type; other columns stay as they are."""
    frame = rows(x=[-999.0, 3.0, 70.0], n=[-999, 1, 2], plan=["n/a", "basic", None])
    named = clean(frame, [CleanStep(step="blank", values=(-999, "n/a"))])
    assert named.frame.get_column("x").to_list() == [None, 3.0, 70.0]
    assert named.frame.get_column("n").to_list() == [None, 1, 2]
    assert named.frame.get_column("plan").to_list() == [None, "basic", None]
    assert [(c.before, c.after, c.changed) for c in named.counts] == [(3, 3, 3)]
    outside = clean(frame, [CleanStep(step="blank", columns=("x",), low=0.0, high=50.0)])
    assert outside.frame.get_column("x").to_list() == [None, 3.0, None]
    assert outside.frame.drop("x").equals(frame.drop("x"))


def test_no_steps_change_nothing() -> None:
    """Without steps the frame is what it was."""
    found = clean(rows(x=[1, 2, 3]), [])
    assert (found.frame.equals(rows(x=[1, 2, 3])), found.counts) == (True, ())


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (CleanStep(step="clip", columns=("y",), high=1.0), "there is no column 'y'"),
        (CleanStep(step="lower", columns=("x",)), "column 'x' is Int64"),
        (CleanStep(step="fill", columns=("x",), value="none"), "column 'x' is Int64"),
        (CleanStep(step="drop_duplicates", columns=("y",)), "there is no column 'y'"),
    ],
)
def test_a_step_that_does_not_fit_is_named(step: CleanStep, reason: str) -> None:
    """The error names the step and the column."""
    with pytest.raises(DataError, match=reason) as error:
        clean(rows(x=[1, 2, 3]), [step])
    assert step.step in error.value.what


def test_numbers_are_over_the_window_before_the_row() -> None:
    """t - window <= event < t: the left end counts, the row's own moment does not."""
    events = calls(
        ("a", -28, "x", 5.0), ("a", -1, "y", 3.0), ("a", 0, "z", 100.0), ("b", -29, "x", 7.0)
    )
    aggregates = {
        "calls_28d": Aggregate(table="calls", function="count", window=28 * DAY),
        "minutes_28d": Aggregate(table="calls", function="sum", column="minutes", window=28 * DAY),
        "last_kind": Aggregate(table="calls", function="last", column="kind"),
        "kinds": Aggregate(table="calls", function="distinct", column="kind"),
    }
    found = assemble(rows(plan=["p"] * 3), {"calls": events}, aggregates)
    assert found.columns == [ENTITY, TIME, "plan", *aggregates]
    assert found.select(*aggregates).rows() == [
        (2.0, 8.0, "y", 2.0),
        (0.0, None, "x", 1.0),
        (0.0, None, None, 0.0),
    ]


def test_bad_events_do_not_count() -> None:
    """Events that broke a rule are left out."""
    events = calls(("a", -1, "x", 1.0), ("a", -2, "x", 1.0))
    events = events.with_columns(pl.Series(RULE, ["kind: not allowed", None]))
    counted = {"n": Aggregate(table="calls", function="count")}
    assert assemble(rows(), {"calls": events}, counted).get_column("n").to_list() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("events", [{}, {"calls": calls()}])
def test_a_table_without_events_counts_nothing(events: dict[str, pl.DataFrame]) -> None:
    """Columns are there all the same, in the same types."""
    aggregates = {
        "n": Aggregate(table="calls", function="count"),
        "m": Aggregate(table="calls", function="mean", column="minutes"),
    }
    found = assemble(rows(), events, aggregates)
    assert found.select("n", "m").rows() == [(0.0, None)] * 3
    assert found.select("n", "m").dtypes == [pl.Float64, pl.Float64]


def test_no_rows_give_no_numbers() -> None:
    """An empty frame keeps its columns and gets the new ones."""
    counted = {"n": Aggregate(table="calls", function="count")}
    found = assemble(rows().clear(), {"calls": calls(("a", -1, "x", 1.0))}, counted)
    assert (found.height, found.columns) == (0, [ENTITY, TIME, "n"])


@pytest.mark.parametrize(
    ("aggregate", "reason"),
    [
        (Aggregate(table="calls", function="sum", column="cost"), "has no column 'cost'"),
        (Aggregate(table="calls", function="mean", column="kind"), "mean of calls.kind cannot"),
    ],
)
def test_what_cannot_be_computed_is_named(aggregate: Aggregate, reason: str) -> None:
    """The error names the table and the column."""
    with pytest.raises(DataError, match=reason):
        assemble(rows(), {"calls": calls(("a", -1, "x", 1.0))}, {"n": aggregate})


@pytest.mark.bench
def test_a_number_over_events_costs_a_few_bare_joins() -> None:
    """600,000 rows and a million events, seven numbers; held against an as-of join of the two."""
    chance, day = np.random.default_rng(7), 86_400 * 10**6
    names = np.array([f"c{n}" for n in range(15_000)])
    at = pl.Series(chance.integers(0, 80, 600_000) * 7 * day).cast(MOMENT)
    when = pl.Series(chance.integers(0, 560 * day, 1_000_000)).cast(MOMENT)
    many = pl.DataFrame({ENTITY: names[chance.integers(0, 15_000, 600_000)], TIME: at})
    events = pl.DataFrame(
        {
            ENTITY: names[chance.integers(0, 15_000, 1_000_000)],
            TIME: when,
            "x": chance.normal(size=1_000_000),
        }
    )
    aggregates = {
        f: Aggregate(table="e", function=f, column="x", window=28 * DAY)
        for f in ("count", "sum", "mean", "min", "max", "last", "distinct")
    }
    started = time.process_time()
    found = assemble(many, {"e": events}, aggregates)
    own = (time.process_time() - started) / len(aggregates)
    started = time.process_time()
    many.sort(TIME).join_asof(events.sort(TIME), on=TIME, by=ENTITY, check_sortedness=False)
    bare = time.process_time() - started
    sys.stdout.write(
        f"\nnumbers over events: {own:.2f} s of processor time each, an as-of join {bare:.2f} s: "
        f"{own / bare:.2f} times"
    )
    assert found.height == 600_000
    assert own < 2 * bare
