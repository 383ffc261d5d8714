"""What is usual: movements against reference weeks, and a reference that is moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.edetector import gross_limit
from tamid.core.usual import (
    Weeks,
    calendar_columns,
    movement,
    ordinary,
    outstanding,
    recentred,
    usual_scores,
    with_a_usual_week,
)

NAMES = tuple(f"2026-0{1 + n // 4}-{1 + 7 * (n % 4):02d}" for n in range(24))


def _weeks(seed: int = 0) -> Weeks:
    rng = np.random.default_rng(seed)
    month = np.zeros((24, 6))
    month[np.arange(24), np.arange(24) // 4] = 400.0
    counts: dict[str, Floats] = {
        name: rng.multinomial(400, shares, size=24).astype(np.float64)
        for name, shares in (("age", [0.2] * 5), ("plan", [0.5, 0.3, 0.2]))
    }
    return Weeks(names=NAMES, counts={**counts, "month": month})


def _moved(weeks: Weeks, shares: list[float]) -> dict[str, Floats]:
    return {
        "age": np.full(5, 80.0),
        "plan": 400.0 * np.array(shares),
        "month": weeks.counts["month"][0],
    }


def test_a_moved_column_moves_the_sum_and_is_named() -> None:
    """The importance-weighted index rises, and the column stands out."""
    weeks, weight = _weeks(), {"age": 0.5, "plan": 0.5}
    calm = movement(weeks, "2026-07-05", _moved(weeks, [0.5, 0.3, 0.2]), weight)
    far = movement(weeks, "2026-07-05", _moved(weeks, [0.1, 0.3, 0.6]), weight)
    assert far.value > 20 * calm.value
    assert far.columns["plan"] > 0.5
    assert far.column == "plan"
    z = outstanding(weeks, {"age": far.columns["age"], "plan": far.columns["plan"]}, 1)
    assert list(z) == ["plan"]
    usual = usual_scores(weeks, "input_psi", weight, np.random.default_rng(1))
    assert far.value > max(usual["input_psi"]) > calm.value


def test_the_calendar_is_no_drift() -> None:
    """A month is found by its counts, whatever its name."""
    assert calendar_columns(_weeks()) == {"month"}


def test_special_weeks_are_no_part_of_the_reference() -> None:
    """What is left out is gone from every column."""
    kept = ordinary(_weeks(), set(NAMES[:4]))
    assert kept.names == NAMES[4:]
    assert {len(t) for t in kept.counts.values()} == {20}


def test_nothing_known_gives_no_reference() -> None:
    """Without weeks, or with too few, there is nothing to rank among."""
    rng = np.random.default_rng(0)
    assert usual_scores(Weeks(counts={}), "s", {}, rng) == {}
    few = ordinary(_weeks(), set(NAMES[:22]))
    assert usual_scores(few, "s", {"age": 1.0}, rng) == {}


def test_a_centre_known_from_few_weeks_widens_the_reference() -> None:
    """Against one other week each reference week lies further off than against all."""
    weeks, weight = _weeks(), {"age": 1.0}
    wide = usual_scores(weeks, "s", weight, np.random.default_rng(1), against=1)["s"]
    narrow = usual_scores(weeks, "s", weight, np.random.default_rng(1))["s"]
    assert np.mean(wide) > 1.5 * np.mean(narrow)


@given(st.lists(st.floats(0.05, 1.0), min_size=3, max_size=3), st.integers(0, 5))
def test_a_moved_reference_lies_where_the_new_weeks_lie(shares: list[float], seed: int) -> None:
    """Its centre is the new one, each week keeps its rows, and new weeks are usual in it."""
    weeks = _weeks(seed)
    new = 4000.0 * np.array(shares) / sum(shares)
    moved = recentred(weeks, {"plan": new})
    np.testing.assert_allclose(moved.counts["plan"].sum(axis=1), 400.0)
    centre = moved.counts["plan"].sum(axis=0) / moved.counts["plan"].sum()
    np.testing.assert_allclose(centre, new / new.sum(), atol=0.02)
    np.testing.assert_array_equal(moved.counts["age"], weeks.counts["age"])


def test_a_bin_that_was_never_used_is_used_after_moving() -> None:
    """An unseen category that came to stay is no news any more."""
    weeks = Weeks(names=NAMES, counts={"plan": np.tile([300.0, 100.0, 0.0], (24, 1))})
    moved = recentred(weeks, {"plan": np.array([200.0, 100.0, 100.0])})
    found = movement(moved, "2026-07-05", {"plan": np.array([200.0, 100.0, 100.0])}, {"plan": 1.0})
    assert found.value == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_newer_nights_alone_do_not_make_days_news(seed: int) -> None:
    """Weeks are of two kinds, and the few newer ones are of one: the other kind stays usual."""
    rng = np.random.default_rng(seed)
    night, day = [1.0, 0.0, 0.0, 0.0], [0.05, 0.15, 0.4, 0.4]
    kinds = [night if rng.random() < 0.6 else day for _ in NAMES]
    weeks = Weeks(names=NAMES, counts={"s": np.array([rng.multinomial(400, k) for k in kinds])})
    nights, weight = {"s": rng.multinomial(1600, night).astype(float)}, {"s": 1.0}
    moved = recentred(weeks, with_a_usual_week(weeks, nights, 4))
    limit = gross_limit(usual_scores(moved, "s", weight, rng, against=4)["s"])
    for kind in (night, day):
        counts = {"s": rng.multinomial(400, kind).astype(float)}
        assert movement(moved, "2026-07-05", counts, weight).value <= limit
    alone = recentred(weeks, nights)
    lost = gross_limit(usual_scores(alone, "s", weight, rng, against=4)["s"])
    assert movement(alone, "2026-07-05", {"s": weeks.counts["s"].max(axis=0)}, weight).value > lost
