"""Acts of later periods on rows whose outcome is still open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import tamid.examples.telecom as telecom
from tamid.adapters import yaml
from tamid.core.contract.model import Contract
from tamid.core.contract.parse import parse
from tamid.core.values import ENTITY, TIME
from tamid.stages import treated

FIRST = datetime(2025, 7, 20, tzinfo=UTC)  # a rotation of 13 weeks ends on 24 July
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The telecom contract with labels that take four weeks."""
    text = (Path(telecom.__file__).parent / "contract.yaml").read_text("utf-8")
    made = parse(yaml.read(text, "contract.yaml"), name="contract.yaml")
    label = replace(made.data.label, horizon=4 * WEEK)
    return replace(made, data=replace(made.data, label=label))


def week(number: int, **of: tuple[bool, float]) -> pl.DataFrame:
    """Return one week's rows: whether each entity is treated, and its chance not to be."""
    return pl.DataFrame(
        {
            ENTITY: list(of),
            TIME: [FIRST + number * WEEK] * len(of),
            "treated": [acted for acted, _ in of.values()],
            "propensity": [chance for _, chance in of.values()],
        }
    )


def told(contract: Contract, rows: pl.DataFrame, *later: pl.DataFrame) -> list[tuple[bool, float]]:
    """Return what is told of the rows once the later weeks are known."""
    found = treated.while_open(contract, rows, pl.concat([rows, *later]))
    assert found.columns == rows.columns
    assert_frame_equal(found.select(ENTITY, TIME), rows.select(ENTITY, TIME))
    return [(a, round(c, 6)) for a, c in found.select("treated", "propensity").rows()]


def test_an_act_while_the_outcome_is_open_counts(contract: Contract) -> None:
    """Who is called a week later was acted on; who is spared twice was spared against more odds."""
    rows = week(0, called=(False, 0.3), spared=(False, 0.3), missed=(False, 1.0))
    later = week(1, called=(True, 0.3), spared=(False, 0.3), missed=(False, 0.3))
    assert told(contract, rows, later) == [(True, 0.09), (False, 0.09), (False, 0.3)]


def test_weeks_of_one_rotation_share_one_draw(contract: Contract) -> None:
    """Being spared again in the same rotation is no further luck."""
    rows = week(1, spared=(False, 0.3))
    later = [week(number, spared=(False, 0.3)) for number in (2, 3)]
    assert told(contract, rows, *later) == [(False, 0.3)]


def test_acts_after_the_outcome_or_before_the_row_do_not_count(contract: Contract) -> None:
    """Four weeks later the outcome is decided; what was done before is part of the world."""
    rows = week(0, one=(False, 0.3))
    acts = [week(number, one=(True, 0.3)) for number in (-1, 4)]
    assert told(contract, rows, *acts) == [(False, 0.3)]


def test_it_is_asked_only_where_outcomes_outlast_the_period(contract: Contract) -> None:
    """With a horizon of one period, or nobody acting, a row's own period says all."""
    label = replace(contract.data.label, horizon=WEEK)
    short = replace(contract, data=replace(contract.data, label=label))
    free = replace(contract, delivery=replace(contract.delivery, control_group=0.0))
    assert treated.open_long(contract)
    assert not treated.open_long(short)
    assert not treated.open_long(free)


def test_only_weeks_within_the_horizon_are_read(contract: Contract) -> None:
    """From the first row to where the last outcome is decided."""
    weeks = [(FIRST + number * WEEK).date().isoformat() for number in range(-2, 8)]
    found = treated.watched(contract, week(0, one=(False, 1.0)), weeks)
    assert set(weeks[2:6]) <= set(found)
    assert not {weeks[1], weeks[7]} & set(found)
