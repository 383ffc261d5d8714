"""Rows that break the contract are set aside under the rule they broke; batches may be refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from tamid.core.contract.model import Column
from tamid.core.errors import BatchRefused
from tamid.core.values import ENTITY, RULE, TIME
from tamid.stages.quarantine import Checked, Shape, check

NOW = datetime(2026, 1, 4, 6, tzinfo=UTC)
WEEK = NOW - timedelta(hours=8)
SHAPE = Shape(
    schema={
        "minutes": Column(type="number", min=0, max=10_000),
        "lines": Column(type="integer", min=1, nullable=True),
        "תוכנית": Column(type="category", allowed=("בסיס", "פלוס")),
    },
    entity="customer",
    time="week",
    timezone="UTC",
    forbidden=("national_id",),
    aside=("churned",),
)


def batch(rows: int = 3, **columns: list[Any]) -> pl.DataFrame:
    """Return a good batch with some columns replaced."""
    good: dict[str, list[Any]] = {
        "customer": [str(n) for n in range(rows)],
        "week": [WEEK] * rows,
        "minutes": [10.0 * n for n in range(rows)],
        "lines": [1 + n % 2 for n in range(rows)],
        "תוכנית": ["בסיס", "פלוס", "בסיס"] * (rows // 3) + ["בסיס"] * (rows % 3),
    }
    return pl.DataFrame({**good, **columns}, strict=False)


def checked(raw: pl.DataFrame, shape: Shape = SHAPE) -> Checked:
    """Check a batch now."""
    return check(raw, shape, NOW)


def test_a_good_batch_breaks_nothing() -> None:
    """Rows get their entity and moment; Hebrew names and values are names and values."""
    found = checked(batch())
    assert (dict(found.broken), found.bad, found.notes) == ({}, 0, ())
    assert found.frame.columns == [ENTITY, TIME, "minutes", "lines", "תוכנית", RULE]
    assert found.frame.get_column("תוכנית").to_list() == ["בסיס", "פלוס", "בסיס"]


@pytest.mark.parametrize(
    ("columns", "broken"),
    [
        ({"minutes": [1.0, -1.0, 10_001.0]}, {"minutes: below min": 1, "minutes: above max": 1}),
        ({"minutes": ["1.5", "1,5", "2"]}, {"minutes: wrong type": 1}),
        ({"minutes": [1.0, float("nan"), float("inf")]}, {"minutes: not finite": 2}),
        ({"minutes": [1.0, None, 2.0]}, {"minutes: missing value": 1}),
        ({"lines": [None, 0, 1]}, {"lines: below min": 1}),
        ({"lines": ["1", "one", "2"]}, {"lines: wrong type": 1}),
        ({"תוכנית": ["בסיס", "זהב", None]}, {"תוכנית: not allowed": 1, "תוכנית: missing value": 1}),
        ({"customer": ["1", None, "2"]}, {"customer: missing value": 1}),
        ({"customer": [None, None, "2"]}, {"customer: missing value": 2}),
        ({"customer": ["1", "1", "2"]}, {"duplicate key": 2}),
        ({"week": [WEEK, None, WEEK]}, {"week: missing value": 1}),
        ({"week": [WEEK, NOW + timedelta(minutes=6), WEEK]}, {"week: in the future": 1}),
        ({"week": [WEEK, NOW + timedelta(minutes=4), WEEK]}, {}),
        ({"week": ["2026-01-03", "soon", "2026-01-03"]}, {"week: wrong type": 1}),
    ],
)
def test_each_rule_is_counted(columns: dict[str, list[Any]], broken: dict[str, int]) -> None:
    """Rows that break a rule are counted under its name and carry it; the others are good."""
    found = checked(batch(3, **columns))
    assert dict(found.broken) == broken
    assert found.bad == sum(broken.values())
    named = found.frame.get_column(RULE).drop_nulls()
    assert set(named) == set(broken)
    assert named.len() == found.bad


def test_a_row_that_comes_twice_counts_once() -> None:
    """Of equal rows the first is good; of contradicting ones none is."""
    twice = pl.concat([batch(), batch()[:1]])
    assert dict(checked(twice).broken) == {"repeated row": 1}
    against = pl.concat([batch(), batch()[:1].with_columns(minutes=99.0)])
    found = checked(against)
    assert dict(found.broken) == {"duplicate key": 2}
    assert found.frame.filter(pl.col(RULE).is_null()).height == 2


def test_a_row_is_counted_under_every_rule_but_once_in_all() -> None:
    """One row may break many rules; it is one bad row."""
    found = checked(batch(minutes=[-1.0, 1.0, 1.0], lines=[0, 1, 1]))
    assert dict(found.broken) == {"lines: below min": 1, "minutes: below min": 1}
    assert found.bad == 1


@pytest.mark.parametrize("column", ["customer", "week", "minutes"])
def test_a_missing_column_refuses_the_batch(column: str) -> None:
    """All missing columns are named at once, with a near name if there is one."""
    raw = batch().rename({column: f"{column}_"}).drop("lines")
    with pytest.raises(BatchRefused) as error:
        checked(raw)
    assert f"column {column!r} is missing, did you mean {column}_?" in error.value.what
    assert "column 'lines' is missing" in error.value.what


def test_other_columns_are_left_out_and_noted() -> None:
    """A column the contract does not know is told; one it forbids or uses elsewhere is not kept."""
    extra = batch(extra=[1, 2, 3], national_id=["a", "b", "c"], churned=[0, 1, 0])
    found = checked(extra)
    assert found.notes == ("column 'extra' is not in the contract and was left out",)
    assert found.frame.columns == checked(batch()).frame.columns


def test_what_never_changes_is_noted() -> None:
    """A column with one value or none breaks nothing by that, but is told."""
    found = checked(batch(30, minutes=[5.0] * 30, lines=[None] * 30))
    assert found.bad == 0
    assert set(found.notes) == {
        "column 'minutes' has one value only",
        "column 'lines' has no value at all",
    }


def test_an_unseen_category_is_told() -> None:
    """The values that are not allowed are quoted, a few of them."""
    found = checked(batch(5, תוכנית=["a", "b", "c", "d", "בסיס"]))
    assert found.notes == ("תוכנית: not allowed: 'a', 'b', 'c'",)


def test_names_in_another_unicode_form_are_the_same_names() -> None:
    """A column typed with combining marks is the column of the contract."""
    shape = replace(SHAPE, schema={"caf\u00e9": Column(type="number")})
    raw = pl.DataFrame({"customer": ["1"], "week": [WEEK], "cafe\u0301": [1.0]})
    assert checked(raw, shape).frame.get_column("caf\u00e9").to_list() == [1.0]


def test_names_that_mean_something_to_libraries_are_names() -> None:
    """A column may be called anything, also what a method or rule is called."""
    names = ("filter", "a|b: c", "primary_key", "columns", "len")
    shape = replace(SHAPE, schema={n: Column(type="number", min=0) for n in names})
    raw = pl.DataFrame({"customer": ["1"], "week": [WEEK], **{n: [-1.0] for n in names}})
    assert dict(checked(raw, shape).broken) == {f"{n}: below min": 1 for n in names}


def test_one_row_is_a_batch() -> None:
    """A single row is checked like many."""
    assert checked(batch(1)).frame.height == 1


def test_events_may_be_equal() -> None:
    """In a table of events the same entity may have many at one moment."""
    events = replace(SHAPE, schema={"lines": Column(type="integer")}, unique=False)
    raw = pl.DataFrame({"customer": ["1", "1"], "week": [WEEK] * 2, "lines": [1, 1]})
    assert checked(raw, events).bad == 0


def test_without_a_schema_columns_are_taken_as_they_come() -> None:
    """No schema, no rules but those of entity and time."""
    raw = batch(extra=["a", "b", "c"])
    found = checked(raw, replace(SHAPE, schema={}))
    assert found.frame.columns == [ENTITY, TIME, "minutes", "lines", "תוכנית", "extra", RULE]


SPARING = replace(SHAPE, spared=("minutes",))


@pytest.mark.parametrize(
    ("columns", "rules", "lost"),
    [
        ({"minutes": [-1.0, 5.0, None]}, ["minutes: below min", None, "minutes: missing value"], 0),
        ({"minutes": ["x", 5.0, 5.0], "lines": [0, 0, 1]},
         ["lines: below min", "lines: below min", None], 2),
        ({"minutes": [-1.0, 5.0, 5.0], "lines": [0, 1, 1]}, ["lines: below min", None, None], 1),
    ],
)  # fmt: skip
def test_a_spared_column_is_named_last(
    columns: dict[str, list[Any]], rules: list[str | None], lost: int
) -> None:
    """A row whose rule names it breaks nothing else, so that a model without it may be asked."""
    found = checked(batch(3, **columns), SPARING)
    assert found.frame.get_column(RULE).to_list() == rules
    assert found.lost == lost
    assert found.bad == sum(rule is not None for rule in rules)


def test_a_spared_column_that_does_not_come_sets_all_rows_aside() -> None:
    """The batch is taken: nothing learns from these rows, and the second model answers for them."""
    found = checked(batch().drop("minutes"), SPARING)
    assert found.frame.get_column(RULE).to_list() == ["minutes: missing column"] * 3
    assert (found.bad, found.lost) == (3, 0)
    assert found.frame.schema["minutes"] == pl.Float64
    with pytest.raises(BatchRefused, match="'lines' is missing"):
        checked(batch().drop("minutes", "lines"), SPARING)
