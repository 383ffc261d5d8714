"""Real delays: hotel bookings, of which cancellations are heard of sooner than stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT
from tamid.stages import labels

MOMENT = pl.Datetime("us", "UTC")
START = datetime(2015, 7, 6, tzinfo=UTC)
# Every fourth booking week from 2016-01 to 2017-02: enough to see a bias, and quick to run.
WEEKS = range(26, 86, 4)


@pytest.fixture(scope="module")
def bookings(test_data: Path) -> pl.DataFrame:
    """Bookings made since the file is complete, with their true outcome and when it was heard."""
    raw = pl.read_parquet(test_data / "hotel_bookings.parquet")
    made = pl.col("arrival_date") - pl.duration(days=pl.col("lead_time"))
    heard = pl.col("reservation_status_date").str.to_datetime("%Y-%m-%d")
    return raw.select(
        pl.int_range(pl.len()).cast(pl.String).alias(ENTITY),
        made.dt.replace_time_zone("UTC").cast(MOMENT).alias(TIME),
        heard.dt.replace_time_zone("UTC").cast(MOMENT).alias("heard"),
        pl.col("is_canceled").cast(pl.Float64).alias("truth"),
        (pl.col("market_segment") + pl.col("deposit_type")).alias("kind"),
    ).filter(pl.col(TIME) >= START)


def as_known(frame: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """Return the bookings made by now, with the outcomes heard by now."""
    known = pl.col("heard") <= now
    return frame.filter(pl.col(TIME) < now).with_columns(
        known.alias(labels.KNOWN),
        pl.when(known).then("truth").alias(LABEL),
        pl.when(known).then("heard").alias(labels.LABEL_KNOWN_AT),
        pl.lit("2016-01-04").alias(PERIOD),
        pl.lit(1.0).alias(WEIGHT),
    )


def rate(frame: pl.DataFrame) -> float:
    """Return the weighted share of cancellations."""
    return float(np.average(frame[LABEL].to_numpy(), weights=frame[WEIGHT].to_numpy()))


@pytest.mark.parametrize("age", [4, 8, 13])
def test_partly_known_weeks_are_judged_nearer_to_the_truth(
    bookings: pl.DataFrame, age: int
) -> None:
    """Cancellations of weeks 4, 8 and 13 weeks old: half the bias of the known rows, or less."""
    naive, completed, weighted = [], [], []
    for week in WEEKS:
        first = START + week * timedelta(weeks=1)
        now = first + timedelta(weeks=age + 1)
        history = as_known(bookings, now)
        rows = history.filter(pl.col(TIME) >= first, pl.col(TIME) < first + timedelta(weeks=1))
        final = float(rows["truth"].to_numpy().mean())
        naive.append(rate(rows.filter(labels.KNOWN)) - final)
        completed.append(rate(labels.completed(rows, history, now, strata="kind")) - final)
        weighted.append(rate(labels.weights_known(rows, history, now, strata="kind")) - final)
    assert np.mean(naive) > 0.03
    assert abs(np.mean(completed)) < 0.5 * np.mean(naive)
    assert np.mean(np.abs(completed)) < 0.7 * np.mean(np.abs(naive))
    assert abs(np.mean(weighted)) < 0.75 * np.mean(naive)
