"""What is usual for a new version, by the rows that it was judged on."""

from __future__ import annotations

from statistics import fmean, median

import numpy as np
import polars as pl

from tamid.core.stats.edetector import MIN_REFERENCE
from tamid.core.values import ENTITY, LABEL, PERIOD, WEIGHT
from tamid.stages.registry import reference_of
from tamid.testing.life import CONTRACT
from tamid.workshop import parse


def judged(periods: int, rows: int = 400) -> pl.DataFrame:
    """Return judged rows with an F1 near 0.8 in each period."""
    rng = np.random.default_rng(1)
    y = rng.random(periods * rows) < 0.2
    hit = np.where(y, rng.random(len(y)) < 0.8, rng.random(len(y)) < 0.05)
    return pl.DataFrame(
        {
            ENTITY: [f"e{i}" for i in range(len(y))],
            PERIOD: [f"p{i // rows:02d}" for i in range(len(y))],
            LABEL: y.astype(float),
            WEIGHT: np.ones(len(y)),
            "score": hit.astype(float),
        }
    )


def test_enough_periods_are_their_own_reference() -> None:
    """Each judged period gives one value."""
    found = reference_of(parse(CONTRACT), judged(MIN_REFERENCE), 0.5)
    assert len(found["quality"]) == MIN_REFERENCE


def test_few_periods_give_a_cautious_reference() -> None:
    """Below the point that was measured, so that luck at the gates raises no alarm later."""
    many = fmean(reference_of(parse(CONTRACT), judged(MIN_REFERENCE), 0.5)["quality"])
    few = reference_of(parse(CONTRACT), judged(1), 0.5)["quality"]
    assert len(few) >= MIN_REFERENCE
    assert fmean(few) < many
    assert min(few) < fmean(few) < max(few)


def test_a_lucky_week_does_not_make_a_narrow_reference() -> None:
    """Below a high F1 there is more room than above it: a worse week errs by more."""
    few = reference_of(parse(CONTRACT), judged(1), 0.5)["quality"]
    assert median(few) - min(few) > 1.05 * (max(few) - median(few))
