"""What the churn model sees, second version: payments join usage and complaints.

The answer to a held candidate: customers whose direct debits fail leave since the new billing
system went live, and the first version could not see a payment.
"""

import polars as pl

LIST_PRICE = {"basic": 60.0, "plus": 90.0, "fibre": 120.0}  # ILS a month
REGIONS = ("north", "haifa", "centre", "jerusalem", "south")


def build(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row of features for each row of the frame, in the same order."""
    list_price = pl.col("plan").replace_strict(LIST_PRICE, default=None, return_dtype=pl.Float64)
    return frame.select(
        "tenure_months",
        "monthly_charge",
        "contract_months_left",
        "minutes",
        "data_gb",
        pl.col("complaints_7d").fill_null(0),
        pl.col("complaints_28d").fill_null(0),
        pl.col("failed_debits_7d").fill_null(0),
        pl.col("failed_debits_28d").fill_null(0),
        pl.col("days_late_28d").fill_null(0),
        price_to_list=pl.col("monthly_charge") / list_price,
        minutes_ratio=pl.col("minutes") / pl.col("minutes_prev").clip(lower_bound=1.0),
        data_ratio=pl.col("data_gb") / pl.col("data_gb_prev").clip(lower_bound=0.1),
        list_price=list_price,
        **{f"in_{region}": (pl.col("region") == region).cast(pl.Int8) for region in REGIONS},
    )
