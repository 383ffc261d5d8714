"""A candidate may lean on a new column only if the column is still there."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.values import PERIOD
from tamid.core.verdict import GateOutcome, GateVerdict
from tamid.stages.availability import availability, gaps
from tamid.stages.evidence import Evidence, Gap
from tamid.testing.candidates import contract_text
from tamid.workshop import parse

ROWS = 300


def rows_of(**missing: list[float]) -> pl.DataFrame:
    """Weeks of rows in which a share of a column's values is missing."""
    weeks = len(next(iter(missing.values())))
    week = np.repeat(np.arange(weeks), ROWS)
    place = np.tile(np.arange(ROWS), weeks) / ROWS
    columns = {
        name: pl.Series(np.where(place < np.array(shares)[week], np.nan, 1.0)).fill_nan(None)
        for name, shares in missing.items()
    }
    return pl.DataFrame({PERIOD: [f"w{w:02d}" for w in week], **columns})


def judged(found: tuple[Gap, ...]) -> list[GateVerdict]:
    """The gate's verdicts on candidates against a champion."""
    mine = Evidence(
        contract=parse(contract_text()), rows=pl.DataFrame(), threshold=0.5,
        champion=pl.Series([0.5]), champion_threshold=0.5, probe={}, degraded=False, attempt=1,
        report="{}", rng=np.random.default_rng(0), gaps=found,
    )  # fmt: skip
    return list(availability(mine))


@pytest.mark.parametrize(
    ("new", "old", "outcome"),
    [
        ([0.02] * 6, [0.0] * 6, GateOutcome.PASS),
        ([0.6] * 6, [0.0] * 6, GateOutcome.PASS),
        ([0.02] * 5 + [0.5], [0.0] * 6, GateOutcome.FAIL),
        ([0.02] * 3 + [0.5] + [0.02] * 2, [0.0] * 6, GateOutcome.FAIL),
        ([0.5] + [0.02] * 5, [0.0] * 6, GateOutcome.PASS),
        ([0.02] * 5 + [0.08], [0.0] * 6, GateOutcome.PASS),
        ([0.02] * 5 + [0.5], [0.0] * 5 + [0.6], GateOutcome.PASS),
    ],
    ids=["there", "often empty by nature", "gone last week", "gone a while ago", "back again",
         "within chance", "as much as what the champion reads"],
)  # fmt: skip
def test_a_new_column_must_be_there_as_it_was(
    new: list[float], old: list[float], outcome: GateOutcome
) -> None:
    """Against its own weeks before, and against what is missing of the champion's columns."""
    found = gaps(rows_of(new=new, old=old), ["old"], ["old", "new"])
    (verdict,) = judged(found)
    assert verdict.gate == "feature availability"
    assert verdict.outcome is outcome
    assert "new, which the champion does not read" in verdict.message


def test_what_the_champion_reads_too_holds_nobody_back() -> None:
    """A source that failed hits both alike, and its weeks are another gate's matter."""
    found = gaps(rows_of(old=[0.0] * 5 + [0.9]), ["old"], ["old"])
    assert judged(found) == []
    assert found[0].fewer.point == pytest.approx(0.9)


def test_rows_without_time_or_with_few_weeks_say_nothing() -> None:
    """Nothing came before that a late week could be held against."""
    assert gaps(rows_of(new=[0.5] * 4), [], ["new"]) == ()
    assert gaps(rows_of(new=[0.5] * 9).drop(PERIOD), [], ["new"]) == ()
    assert gaps(rows_of(new=[0.5] * 9), [], ["unknown"]) == ()


@given(st.integers(0, 2**32 - 1))
def test_a_column_that_comes_and_goes_by_chance_is_hardly_ever_called_gone(seed: int) -> None:
    """Two columns, eight weeks, a tenth missing by chance: beyond five in a hundred never."""
    rng = np.random.default_rng(seed)
    rows = rows_of(a=[0.0] * 8, b=[0.0] * 8).with_columns(
        pl.when(pl.Series(rng.random(8 * ROWS) < 0.1)).then(None).otherwise(pl.col(c)).alias(c)
        for c in ("a", "b")
    )
    assert not any(g.fewer.low > 0.05 for g in gaps(rows, [], ["a", "b"]))
