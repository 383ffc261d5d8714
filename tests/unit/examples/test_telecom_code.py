"""The telecom example's contracts and user code: accepted, row by row, and fit to the drift."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import tamid.examples.telecom as telecom
from tamid.adapters import yaml
from tamid.core.contract.model import Contract
from tamid.core.contract.parse import parse
from tamid.examples.telecom import World, features, features_v2, rules

FOLDER = Path(telecom.__file__).parent


def contract_of(name: str) -> Contract:
    """Return one of the example's contracts."""
    return parse(yaml.read((FOLDER / name).read_text("utf-8"), name), name=name)


@pytest.fixture(scope="module")
def joined() -> pl.DataFrame:
    """A week of usage with the aggregates of both contracts."""
    world = World(seed=1, customers=400)
    day = world.first_day
    usage = world.files_for(day)[f"usage/{day}.parquet"].drop("customer_id", "week")
    count = usage.height
    return usage.with_columns(
        complaints_7d=pl.Series([0.0, 2.0] * (count // 2)),
        complaints_28d=pl.Series([1.0, 3.0] * (count // 2)),
        failed_debits_7d=pl.Series([None, 2.0] * (count // 2)),
        failed_debits_28d=pl.Series([0.0, 2.0] * (count // 2)),
        days_late_28d=pl.Series([None, 4.0] * (count // 2)),
    )


@pytest.mark.parametrize("name", ["contract.yaml", "contract_v2.yaml"])
def test_contracts_are_accepted(name: str) -> None:
    """Each contract parses, and names columns and tables that the world delivers."""
    contract = contract_of(name)
    world = World(seed=1, customers=50)
    day = world.first_day
    files = world.files_for(day)
    usage = files[f"usage/{day}.parquet"]
    assert set(contract.data.schema) == set(usage.columns) - {"customer_id", "week"}
    for table, spec in contract.data.tables.items():
        columns = set(files[f"{table}/{day}.parquet"].columns)
        assert columns == {spec.entity, spec.time, *spec.schema}


def test_physical_limits_hold_for_every_usual_row_and_for_no_minutes_in_seconds() -> None:
    """A good week breaks no limit of the contract; the planted bug breaks one in most rows."""
    schema = contract_of("contract.yaml").data.schema
    world = World(seed=2, customers=1_000)
    frame = world.files_for(world.first_day)[f"usage/{world.first_day}.parquet"]
    for name, column in schema.items():
        values = frame[name]
        if column.allowed is not None:
            assert set(values) <= set(column.allowed)
        if column.min is not None and column.max is not None:
            assert values.is_between(column.min, column.max).all()
    assert (frame["minutes"] * 60 > (schema["minutes"].max or 0)).sum() > frame.height / 2


def test_the_second_contract_differs_in_payments_alone() -> None:
    """The ML developer's answer adds a table, its aggregates and the code that reads them."""
    one, two = contract_of("contract.yaml"), contract_of("contract_v2.yaml")
    assert set(two.data.tables) - set(one.data.tables) == {"payments"}
    assert two.features.code == "features_v2.py:build"
    new = [a for n, a in two.features.aggregates.items() if n not in one.features.aggregates]
    assert {aggregate.table for aggregate in new} == {"payments"}
    assert (one.gates, one.delivery, one.training) == (two.gates, two.delivery, two.training)


@pytest.mark.parametrize("code", [features, features_v2])
def test_features_depend_on_their_row_alone(code: object, joined: pl.DataFrame) -> None:
    """Turning the rows round or taking half of them gives each row the same features."""
    build = code.build  # type: ignore[attr-defined]
    whole = build(joined)
    assert whole.equals(build(joined.reverse()).reverse())
    assert whole.head(50).equals(build(joined.head(50)))
    assert whole.height == joined.height
    assert sum(whole.null_count().row(0)) == 0


def test_only_the_second_version_sees_payments(joined: pl.DataFrame) -> None:
    """The first version ignores failed debits, the second does not; neither sees gender."""
    other = joined.with_columns(failed_debits_7d=pl.lit(0.0))
    assert features.build(joined).equals(features.build(other))
    assert not features_v2.build(joined).equals(features_v2.build(other))
    turned = joined.with_columns(gender=pl.col("gender").reverse())
    assert features_v2.build(joined).equals(features_v2.build(turned))


def test_the_rule_of_thumb_answers_between_0_and_1(joined: pl.DataFrame) -> None:
    """The rule gives one chance a row, and a higher one where minutes collapse."""
    scores = rules.score(joined)
    assert scores.len() == joined.height
    assert scores.is_between(0.0, 1.0).all()
    fell = joined.with_columns(minutes=pl.lit(1.0), contract_months_left=pl.lit(1.0))
    assert (rules.score(fell) >= scores).all()
