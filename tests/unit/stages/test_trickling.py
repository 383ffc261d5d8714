"""Labels that come one by one: what a run sees, when it was told, and what it stands for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Contract
from tamid.core.state import State
from tamid.core.values import (
    ARRIVED,
    BATCH,
    ENTITY,
    FIT_WEIGHT,
    KNOWN_AT,
    LABEL,
    PERIOD,
    RULE,
    TIME,
    TablePin,
)
from tamid.stages import dataset
from tamid.stages.hearing import EVENT, VALUE
from tamid.stages.inbox import REVISION
from tamid.workshop import parse

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = MONDAY + 40 * DAY
TEXT = (
    "tamid: 1\nname: stays\ntask: binary\ndata:\n  source: {{path: rows.csv}}\n  entity: id\n"
    "  time: at\n  label: {{column: gone, positive: 1, {label}}}\n"
    "  schema: {{x: {{type: number}}}}\n"
)
TRICKLE = "absence: unknown, source: {path: l.csv, known_at: told}"


def contract(label: str = TRICKLE) -> Contract:
    """A weekly contract with the given label."""
    return parse(TEXT.format(label=label))


def stored(count: int = 40) -> tuple[MemoryTables, dict[str, TablePin]]:
    """One row a day from Monday on; odd ones are told gone after 2 days, even ones after 20."""
    tables = MemoryTables()
    days = range(count)
    times = [MONDAY + d * DAY for d in days]
    periods = [(MONDAY + (d // 7) * 7 * DAY).date().isoformat() for d in days]
    kind = pl.Datetime("us", "UTC")
    base = pl.DataFrame(
        {ENTITY: [f"r{d}" for d in days], TIME: times, PERIOD: periods},
        schema_overrides={TIME: kind},
    )
    moments = [pl.lit(MONDAY).cast(kind).alias(ARRIVED), pl.lit("b").alias(BATCH)]
    rows = base.with_columns(
        *moments,
        pl.col(TIME).alias(KNOWN_AT),
        pl.lit(None, pl.String).alias(RULE),
        pl.Series("x", [float(d) for d in days]),
    )
    told = pl.Series(KNOWN_AT, [MONDAY + (d + (2 if d % 2 else 20)) * DAY for d in days], kind)
    labels = base.with_columns(
        *moments,
        told,
        pl.Series(VALUE, [float(d % 2) for d in days]),
        pl.lit(None, kind).alias(EVENT),
        pl.lit(1, pl.Int64).alias(REVISION),
    )
    pins = {
        name: tables.write(name, frame, key=name, token=0, mode="append")
        for name, frame in (("stays.rows", rows), ("stays.labels", labels))
    }
    return tables, pins


@pytest.mark.parametrize(
    ("label", "slow"),
    [
        (TRICKLE, True),
        ("absence: unknown, horizon: 7d", False),
        ("absence: unknown, reporting_lag: 1d", False),
        ("absence: negative, horizon: 7d", False),
    ],
)
def test_labels_trickle_where_no_time_is_named(label: str, slow: bool) -> None:
    """With a horizon or a lag the contract says itself when all is in."""
    assert dataset.trickling(contract(label)) is slow


def test_a_period_is_as_mature_as_what_is_known_of_it() -> None:
    """The share of its rows whose label was told by now; nothing that is told later counts."""
    tables, pins = stored()
    read = (TEXT.format(label=TRICKLE), parse)
    shares = dataset.known_shares(tables, contract(), read, pins, NOW)
    assert shares["2026-01-05"] == 1.0
    assert shares["2026-02-02"] == pytest.approx(3 / 7)
    sooner = dataset.known_shares(tables, contract(), read, pins, MONDAY + 10 * DAY)
    assert sooner["2026-01-05"] == pytest.approx(3 / 7)


def test_a_run_sees_rows_in_the_weeks_in_which_they_were_told() -> None:
    """Each row lies in the week of its label's news, none is told later than now."""
    tables, pins = stored()
    periods = dataset.told_periods(tables, contract(), pins, NOW)
    frame = dataset.training_rows(tables, contract(), State(), pins, periods, NOW)
    assert (frame[KNOWN_AT] <= NOW).all()
    weeks = frame[KNOWN_AT].dt.truncate("1w").dt.date().cast(pl.String)
    assert frame[PERIOD].to_list() == weeks.to_list()
    part = dataset.training_rows(tables, contract(), State(), pins, periods[:2], NOW)
    assert set(part[PERIOD]) == set(periods[:2])
    assert part.height < frame.height


def test_what_is_told_late_stands_for_what_is_not_told_yet() -> None:
    """A young row told early weighs little more than itself, one of the slow kind more."""
    tables, pins = stored()
    periods = dataset.told_periods(tables, contract(), pins, NOW)
    frame = dataset.training_rows(tables, contract(), State(), pins, periods, NOW)
    assert (frame[FIT_WEIGHT] >= 1 - 1e-9).all()
    assert set(frame.columns) >= {LABEL, FIT_WEIGHT, "x"}
    assert "known" not in frame.columns
    gone = frame.filter(pl.col(LABEL) == 1)
    assert gone[FIT_WEIGHT].to_list() == pytest.approx([1.0] * gone.height)


def test_judged_rows_are_looked_up_by_their_own_time() -> None:
    """Whatever the period stands for, the periods of the rows themselves are read."""
    tables, pins = stored()
    periods = dataset.told_periods(tables, contract(), pins, NOW)
    frame = dataset.training_rows(tables, contract(), State(), pins, periods[-1:], NOW)
    own = dataset.periods_of_rows(contract(), frame, NOW)
    assert own == sorted(set(frame[TIME].dt.truncate("1w").dt.date().cast(pl.String)))
    assert set(own) != set(frame[PERIOD])
