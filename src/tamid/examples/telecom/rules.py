"""The rule of thumb from before the model: what is answered when no model can."""

import polars as pl


def score(frame: pl.DataFrame) -> pl.Series:
    """Return a score for each row: high when minutes collapse near the end of the contract."""
    fell = pl.col("minutes") < 0.5 * pl.col("minutes_prev")
    near_end = pl.col("contract_months_left") <= 6
    chance = pl.when(fell & near_end).then(0.7).when(fell | near_end).then(0.06).otherwise(0.02)
    return frame.select(score=chance).to_series()
