"""From the published table of hotel bookings to what was known when each booking was made.

The table has one row a stay, by its day of arrival. A booking is made `lead_time` days before; its
outcome is known the day after `reservation_status_date`. Columns that are filled in later, or that
give the outcome away, are left behind.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

AT_BOOKING = (
    "hotel", "lead_time", "arrival_date_month", "stays_in_weekend_nights", "stays_in_week_nights",
    "adults", "children", "babies", "meal", "market_segment", "distribution_channel",
    "is_repeated_guest", "previous_cancellations", "previous_bookings_not_canceled",
    "reserved_room_type", "deposit_type", "agent", "customer_type", "adr",
    "total_of_special_requests",
)  # fmt: skip


def prepare(stays: pl.DataFrame) -> pl.DataFrame:
    """Return one row a booking: `booking`, `booked_at`, what was known then, and the outcome.

    `is_canceled` is known from `outcome_known_at` on and not before.
    """
    day = pl.duration(days=1)
    booked = pl.col("arrival_date").cast(pl.Datetime("us")) - pl.col("lead_time") * day
    told = pl.col("reservation_status_date").str.to_datetime("%Y-%m-%d", time_unit="us") + day
    named = stays.with_row_index("row").with_columns(
        pl.format("booking-{}", pl.col("row")).alias("booking"),
        booked.alias("booked_at"),
        told.alias("outcome_known_at"),
    )
    kept = ["booking", "booked_at", *AT_BOOKING, "outcome_known_at", "is_canceled"]
    return named.select(kept).sort("booked_at", maintain_order=True)


if __name__ == "__main__":
    source, target = (Path(word) for word in sys.argv[1:3])
    target.parent.mkdir(parents=True, exist_ok=True)
    prepare(pl.read_parquet(source)).write_parquet(target)
