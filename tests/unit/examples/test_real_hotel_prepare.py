"""Bookings as they were when they were made: no column that came later goes along."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from tamid.examples.hotel.prepare import AT_BOOKING, prepare
from tamid.wiring import load_contract

EXAMPLES = Path(__file__).parents[3] / "src" / "tamid" / "examples"


@pytest.fixture(scope="module")
def stays(test_data: Path) -> pl.DataFrame:
    """The published table."""
    return pl.read_parquet(test_data / "hotel_bookings.parquet")


def test_a_booking_is_made_lead_time_before_arrival(stays: pl.DataFrame) -> None:
    """Its outcome is known the day after the status was set, never before it was made."""
    made = prepare(stays)
    assert made.height == stays.height
    assert made.get_column("booking").n_unique() == stays.height
    first = made.filter(pl.col("booking") == "booking-0").row(0, named=True)
    arrival, lead = stays.row(0, named=True)["arrival_date"], stays["lead_time"][0]
    assert (arrival - first["booked_at"]).days == lead
    told = datetime.fromisoformat(stays["reservation_status_date"][0])
    assert (first["outcome_known_at"] - told).days == 1
    assert (made["outcome_known_at"] > made["booked_at"]).all()


def test_nothing_that_came_later_is_kept(stays: pl.DataFrame, test_data: Path) -> None:
    """The columns that leak the outcome, by the description of the data, are not offered."""
    about = json.loads((test_data / "hotel_bookings.json").read_text("utf-8"))
    leaks = {*about["drop_for_model"], "days_in_waiting_list"}
    assert not leaks & set(prepare(stays).columns)


def test_the_contract_offers_what_is_known_at_booking() -> None:
    """Contract and preparation name the same columns."""
    contract = load_contract(EXAMPLES / "hotel" / "contract.yaml")
    assert tuple(contract.data.schema) == AT_BOOKING


def test_half_of_the_outcomes_are_known_after_forty_days(stays: pl.DataFrame) -> None:
    """The delay is the one that the description tells: 39 days at the median, 202 at 90 %."""
    made = prepare(stays)
    days = (made["outcome_known_at"] - made["booked_at"]).dt.total_days() - 1
    assert days.median() == pytest.approx(39, abs=1)
    assert days.quantile(0.9) == pytest.approx(202, abs=2)
