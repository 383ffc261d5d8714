"""What a column may hold is what is possible, not what was seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tamid.core.adoption.columns import Facts, closed, drafted
from tamid.core.adoption.leaks import alone, parts
from tamid.core.adoption.names import known_afterwards
from tamid.core.values import Task

PRICE = Facts(name="price", kind="number", rows=500, missing=0, distinct=400, low=18.25, high=118.0)
PLAN = Facts(
    name="plan", kind="category", rows=500, missing=3, distinct=2, levels=(("a", 400), ("b", 97))
)


@pytest.mark.parametrize(
    ("facts", "low", "high"),
    [
        (PRICE, 0, None),
        (replace(PRICE, name="temperature"), None, None),
        (replace(PRICE, name="account_balance"), None, None),
        (replace(PRICE, low=-3.0), None, None),
        (replace(PRICE, rows=50), None, None),
        (replace(PRICE, name="flag", kind="integer", distinct=2, low=0, high=1), 0, 1),
        (replace(PRICE, name="hour", kind="integer", low=6, high=22), 0, 23),
        (replace(PRICE, name="hour", kind="integer", low=6, high=24), 0, None),
        (replace(PRICE, name="humidity", low=0.1, high=0.9), 0, None),
        (replace(PRICE, name="גיל", kind="integer", low=18, high=90), 0, 130),
    ],
)
def test_only_physical_limits_are_drafted(
    facts: Facts, low: float | None, high: float | None
) -> None:
    """Zero below what never is negative, the bounds of a unit; never the largest value seen."""
    column = drafted(facts).column
    assert (column.min, column.max) == (low, high)


def test_few_and_stable_words_are_a_closed_list() -> None:
    """Two words that are always there are all there are."""
    assert closed(PLAN)
    assert drafted(PLAN).column.allowed == ("a", "b")
    assert drafted(PLAN).column.nullable


@pytest.mark.parametrize(
    "facts",
    [
        replace(PLAN, steady=False),
        replace(PLAN, levels=(("a", 496), ("b", 1))),
        replace(PLAN, distinct=20, levels=tuple((f"w{n}", 25) for n in range(20))),
        replace(PLAN, rows=40, levels=(("a", 20), ("b", 20))),
    ],
    ids=["came lately", "seldom", "many", "few rows"],
)
def test_words_that_may_grow_stay_open(facts: Facts) -> None:
    """A word that came lately, seldom or among many may be followed by another."""
    assert not closed(facts)
    assert drafted(facts).column.allowed is None


def test_names_of_rows_are_no_features() -> None:
    """Free text and running numbers tell rows apart and foretell nothing."""
    text = replace(PLAN, name="note", distinct=450, levels=())
    number = replace(PRICE, name="row_id", kind="integer", distinct=500)
    assert (drafted(text).column.type, drafted(text).column.feature) == ("text", False)
    assert not drafted(number).column.feature


def test_a_column_that_is_the_outcome_is_found() -> None:
    """As words, as a number, or by where it is missing; what only names rows is not."""
    rng = np.random.default_rng(7)
    y = (rng.random(2000) < 0.3).astype(float)
    assert alone(y + 3, y, Task.BINARY) == 1.0
    assert alone(np.where(y > 0, rng.random(2000), np.nan), y, Task.BINARY) == 1.0
    assert alone(y * 5 + rng.random(2000), y, Task.BINARY) == 1.0
    assert alone(np.arange(2000.0), y, Task.BINARY) < 0.6
    assert alone(rng.random(2000), y, Task.BINARY) < 0.6


def test_a_strong_and_honest_column_is_not_suspected() -> None:
    """An AUC of 0.9 is good, not too good."""
    rng = np.random.default_rng(7)
    y = (rng.random(4000) < 0.3).astype(float)
    assert 0.85 < alone(y * 1.8 + rng.normal(size=4000), y, Task.BINARY) < 0.95


def test_parts_of_a_sum_are_found() -> None:
    """Two counts that add up to the label are named, other columns not."""
    rng = np.random.default_rng(7)
    a, b, c = rng.poisson(20, (3, 500)).astype(float)
    assert set(parts({"a": a, "b": b, "c": c}, a + b)) == {"a", "b"}
    assert parts({"a": a, "c": c}, a + b) == ()


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("reservation_status_date", True), ("cancellationReason", True), ("churn_score", True),
        ("סיבת עזיבה", True), ("previous_churns", False), ("tenure", False), ("status", False),
    ],
)  # fmt: skip
def test_names_that_speak_of_afterwards(name: str, later: bool) -> None:
    """Reasons, ends and what is called like the label are asked about; history is not."""
    assert known_afterwards(name, "churned") is later
