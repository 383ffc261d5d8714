"""What stands where in a bundle, and the golden rows that each copy of it must answer alike.

Apart from how a bundle is made: who only opens one need not know that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import polars as pl

from tamid.core.stats.calibration import Calibration
from tamid.stages.answering import Predictor

MODEL, CODE, CONTRACT = "model", "code", "contract.yaml"
GOLDEN, PROFILE, SCHEMA, CARD, PARITY = (
    "golden.json", "profile.json", "schema.json", "card.md", "parity.json",
)  # fmt: skip
# The types of the columns of golden rows, by the word that stands for each.
TYPES = {
    "number": pl.Float64(), "integer": pl.Int64(), "text": pl.String(), "boolean": pl.Boolean(),
    "datetime": pl.Datetime("us", "UTC"), "naive": pl.Datetime("us"), "date": pl.Date(),
}  # fmt: skip


def golden_frame(stored: Mapping[str, object]) -> pl.DataFrame:
    """Return the golden rows that `golden.json` holds."""
    columns = stored["columns"]
    assert isinstance(columns, list)
    made = []
    for column in columns:
        kind = TYPES[column["type"]]
        series = pl.Series(column["name"], column["values"], dtype=_carrier(kind), strict=False)
        made.append(series.cast(kind))
    return pl.DataFrame(made)


def golden_difference(predictor: Predictor, stored: Mapping[str, object]) -> float:
    """Return the largest difference between a bundle's answers and its golden scores.

    Both are taken before calibration, which belongs to the overlay and may change.
    """
    expected = np.asarray(stored["expected"], dtype=np.float64)
    answered = uncalibrated(predictor).answer(golden_frame(stored), 0).to_numpy()
    return float(np.abs(answered - expected).max(initial=0.0))


def uncalibrated(predictor: Predictor) -> Predictor:
    """Return the same answers before calibration, which belongs to the overlay and may change."""
    return dataclasses.replace(predictor, calibration=Calibration())


def _carrier(kind: pl.DataType) -> pl.DataType:
    if isinstance(kind, pl.Datetime):
        return pl.Int64()
    return pl.Int32() if isinstance(kind, pl.Date) else kind
