"""Whom campaigns really acted on: which rows an act concerns, and what the others count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Contract
from tamid.core.state import State
from tamid.core.values import ENTITY, PERIOD, TIME, WEIGHT
from tamid.stages import dataset, in_fact
from tamid.wiring import load_contract

SMALLEST = Path(__file__).parents[2] / "assets" / "contracts" / "smallest.yaml"
SUNDAY = datetime(2026, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = pl.Datetime("us", "UTC")


@pytest.fixture
def contract() -> Contract:
    """Weekly, decided after ten days, with a control group."""
    found = load_contract(SMALLEST)
    label = replace(found.data.label, horizon=10 * DAY)
    delivery = replace(found.delivery, control_group=0.25, every=7 * DAY)
    return replace(found, data=replace(found.data, label=label), delivery=delivery)


def framed(**columns: object) -> pl.DataFrame:
    """Return a frame whose moments are stored ones."""
    return pl.DataFrame(columns, schema_overrides={TIME: MOMENT})


def acts(*found: tuple[str, timedelta]) -> pl.DataFrame:
    """Return acts so long after Sunday."""
    return framed(**{ENTITY: [e for e, _ in found], TIME: [SUNDAY + t for _, t in found]})


ROWS = framed(**{ENTITY: ["a", "b", "c", "d"], TIME: [SUNDAY] * 4, PERIOD: ["p"] * 4})
PLAN = framed(
    **{
        ENTITY: ["a", "b", "c"],
        TIME: [SUNDAY] * 3,
        "treated": [True, False, False],
        "propensity": [0.25, 0.25, 1.0],
    }
)


def test_an_act_concerns_rows_whose_outcome_was_open(contract: Contract) -> None:
    """At the row's very moment and up to its decision; before and from then on it does not."""
    some = acts(
        ("a", 0 * DAY), ("b", 10 * DAY), ("c", 10 * DAY - timedelta(seconds=1)), ("d", -DAY)
    )
    known = in_fact.facts(contract, some, None)
    assert known is not None
    both = in_fact.beside(ROWS, known)
    assert both.get_column(in_fact.DONE).to_list() == [True, False, True, False]
    assert both.get_column(in_fact.BLIND).to_list() == [True, False, True, False]
    assert both.get_column(in_fact.CHANCE).to_list() == [1.0] * 4


def test_plan_and_inbox_are_one_knowledge(contract: Contract) -> None:
    """Who was to be called counts as called; who was held back and called all the same, too."""
    known = in_fact.facts(contract, acts(("b", DAY), ("b", 2 * DAY), ("d", DAY)), PLAN)
    assert known is not None
    both = in_fact.beside(ROWS, known)
    assert both.height == ROWS.height
    assert both.get_column(in_fact.DONE).to_list() == [True, True, False, True]
    assert both.get_column(in_fact.BLIND).to_list() == [False, False, False, True]


def test_judged_are_rows_left_alone_by_their_chance(contract: Contract) -> None:
    """Without a control group nobody can stand for the called: all count as they came out."""
    known = in_fact.facts(contract, acts(("d", DAY)), PLAN)
    kept, told = in_fact.fairly(contract, ROWS, known, WEIGHT)
    assert dict(zip(kept[ENTITY], kept[WEIGHT], strict=True)) == {"b": 4.0, "c": 1.0}
    assert told == in_fact.Acted(rows=2, blind=1, left_out=True, weighted=1, judged=2)
    free = replace(contract, delivery=replace(contract.delivery, control_group=0.0))
    whole, said = in_fact.fairly(free, ROWS, known, WEIGHT)
    assert (whole.height, whole[WEIGHT].unique().to_list()) == (4, [1.0])
    assert (said.rows, said.left_out, said.judged) == (2, False, 4)
    assert "no control group" in said.words[0]


def test_training_of_a_rehearsal_leaves_them_out(contract: Contract) -> None:
    """Before its first delivery, and after it together with whom the rehearsal itself treats."""
    tables, known = MemoryTables(), in_fact.facts(contract, acts(("d", DAY)), PLAN)
    name = contract.name
    state = in_fact.stored(tables, State(), f"{name}.{in_fact.IN_FACT}", known)
    before = dataset.observed(tables, contract, state, state.pins, ROWS)
    assert dict(zip(before[ENTITY], before[WEIGHT], strict=True)) == {"b": 4.0, "c": 1.0}
    assert dataset.observed(tables, contract, State(), {}, ROWS).height == 4
    own = ROWS.with_columns(treated=pl.col(ENTITY) == "c", propensity=pl.lit(0.5))
    assert known is not None
    both = in_fact.in_fact(own, known)
    assert both["treated"].to_list() == [True, False, True, True]
    assert both["propensity"].to_list() == [0.125, 0.125, 0.5, 0.5]


def test_nothing_known_is_no_table(contract: Contract) -> None:
    """Nor is there one where a plan treated nobody."""
    calm = PLAN.with_columns(treated=pl.lit(value=False), propensity=pl.lit(1.0))
    assert in_fact.facts(contract, None, None) is None
    assert in_fact.facts(contract, acts(), None) is None
    kept, told = in_fact.fairly(contract, ROWS, in_fact.facts(contract, None, calm), WEIGHT)
    assert (kept.height, told.rows, told.words) == (4, 0, ())
