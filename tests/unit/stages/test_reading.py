"""Raw columns are read into the contract's types strictly: what does not fit is named, not bent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from tamid.core.errors import BatchRefused
from tamid.stages.reading import NOT_FINITE, WRONG_TYPE, name_of, typed

ZONE = "Asia/Jerusalem"
NAN = float("nan")


def read(values: pl.Series | list[Any], kind: str) -> tuple[list[Any], dict[str, list[int]]]:
    """Return the read values and, per rule, the places that broke it."""
    series = values if isinstance(values, pl.Series) else pl.Series("c", values)
    found = typed(series, kind, ZONE)
    assert found.values.len() == series.len()
    return found.values.to_list(), {r: m.arg_true().to_list() for r, m in found.broken.items()}


@pytest.mark.parametrize(
    ("kind", "given", "values", "broken"),
    [
        ("number", ["1.5", " -2 ", "1e3", "", None], [1.5, -2.0, 1000.0, None, None], {}),
        ("number", ["1,5", "1 000", "0x10", "twelve"], [None] * 4, {WRONG_TYPE: [0, 1, 2, 3]}),
        ("number", ["nan", "-inf", "1e999", "2"], [None, None, None, 2.0], {NOT_FINITE: [0, 1, 2]}),
        ("number", [1.0, NAN, float("inf"), None], [1.0, None, None, None], {NOT_FINITE: [1, 2]}),
        ("number", [1, 2], [1.0, 2.0], {}),
        ("number", [True], [None], {WRONG_TYPE: [0]}),
        ("number", [date(2026, 1, 4)], [None], {WRONG_TYPE: [0]}),
        ("integer", ["7", "-3", "7.0", "7.5", "x"], [7, -3, 7, None, None], {WRONG_TYPE: [3, 4]}),
        ("integer", [1.0, 2.5, NAN], [1, None, None], {WRONG_TYPE: [1], NOT_FINITE: [2]}),
        ("integer", [2.0**60], [None], {WRONG_TYPE: [0]}),
        ("boolean", ["True", "no", "1", "perhaps"], [True, False, True, None], {WRONG_TYPE: [3]}),
        ("boolean", [0, 1, 2], [False, True, None], {WRONG_TYPE: [2]}),
        ("category", ["בסיס", " a "], ["בסיס", " a "], {}),
        ("category", [7, 8], ["7", "8"], {}),
        ("category", [7.0, 7.5], ["7", "7.5"], {}),
        ("text", [True], ["true"], {}),
        ("text", [datetime(2026, 1, 4, tzinfo=UTC)], [None], {WRONG_TYPE: [0]}),
        ("number", [None, None], [None, None], {}),
    ],
)
def test_values_are_read_or_named(
    kind: str, given: list[Any], values: list[Any], broken: dict[str, list[int]]
) -> None:
    """Each value is itself in the column's type, or missing under the rule that it broke."""
    assert read(given, kind) == (values, broken)


def test_categories_of_any_encoding_are_texts() -> None:
    """A dictionary-encoded column is read as the texts that it stands for."""
    assert read(pl.Series(["a", "b"], dtype=pl.Categorical), "category")[0] == ["a", "b"]
    assert read(pl.Series(["1.5"], dtype=pl.Categorical), "number")[0] == [1.5]


SIX = datetime(2026, 1, 4, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        ["2026-01-04T06:00:00Z"],
        ["2026-01-04 08:00:00.000000+02:00"],
        ["2026-01-04T01:00-0500"],
        ["2026-01-04 08:00"],  # no zone: the calendar's
        pl.Series([datetime(2026, 1, 4, 8)]),  # noqa: DTZ001
        pl.Series([datetime(2026, 1, 4, 8)], dtype=pl.Datetime("ns")),  # noqa: DTZ001
        pl.Series([datetime(2026, 1, 4, 8, tzinfo=timezone(timedelta(hours=2)))]),
    ],
    ids=str,
)
def test_moments_are_utc(given: Any) -> None:
    """Zoned moments keep their moment, others are local time of the contract's calendar."""
    assert read(given, "datetime") == ([SIX], {})


def test_a_day_is_its_local_midnight() -> None:
    """A date without a time is where that day begins."""
    midnight = datetime(2026, 1, 3, 22, tzinfo=UTC)
    assert read(["2026-01-04"], "datetime")[0] == [midnight]
    assert read([date(2026, 1, 4)], "datetime")[0] == [midnight]


def test_an_hour_that_does_not_exist_is_no_moment() -> None:
    """When clocks jump ahead an hour is skipped; when they fall back the first of two is meant."""
    values, broken = read(["2026-03-27 02:30", "2026-10-25 01:30"], "datetime")
    assert values == [None, datetime(2026, 10, 24, 22, 30, tzinfo=UTC)]
    assert broken == {WRONG_TYPE: [0]}


@pytest.mark.parametrize(
    "given", ["04/01/2026", "2026-13-01", "2026-01-04T25:00", "1767500000", "x"]
)
def test_other_ways_to_write_moments_are_refused(given: str) -> None:
    """Only ISO 8601 is read: day and month are never guessed."""
    assert read([given, "2026-01-04"], "datetime")[1] == {WRONG_TYPE: [0]}


def test_moments_with_and_without_zone_are_refused() -> None:
    """A column that mixes both cannot be ordered; both are counted."""
    with pytest.raises(BatchRefused, match=r"'c' mixes moments: 2 carry a time zone, 1 do not"):
        read(["2026-01-04T06:00Z", "2026-01-04T06:00", "2026-01-04T06:00+02:00"], "datetime")


@pytest.mark.parametrize("given", [[7], ["7"], [7.0]], ids=str)
def test_an_entity_has_one_name(given: list[Any]) -> None:
    """The same entity is the same text whether its column holds texts or numbers."""
    assert name_of(pl.Series("c", given)).values.to_list() == ["7"]
