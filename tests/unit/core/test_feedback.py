"""A campaign that works spoils its own labels; rows that nobody acted on tell the truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tamid.core.control import in_control, rotation
from tamid.core.quality import realised
from tamid.core.stats.arrays import Bools, Floats
from tamid.core.values import Task

WEEKS, CUSTOMERS, SHARE, PREVENTED, CUT = 26, 4000, 0.2, 0.4, 0.5
START, QUARTER = datetime(2026, 1, 4, tzinfo=UTC), timedelta(weeks=13)


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """26 weeks of a campaign, all weeks one after another: (26 x 4000,)."""

    score: Floats
    would_leave: Floats
    left: Floats
    treated: Bools
    chance: Floats
    entity: Floats


def campaign(seed: int) -> Half:
    """Everybody above the cut is called, except the control group; 40 % of the leavers stay."""
    rng = np.random.default_rng(seed)
    names = [f"c{n}" for n in range(CUSTOMERS)]
    weeks = []
    for week in range(WEEKS):
        would = (rng.random(CUSTOMERS) < 0.12) * 1.0
        score = 1 / (1 + np.exp(-(3.6 * would - 1.9 + rng.normal(size=CUSTOMERS))))
        high = score >= CUT
        turn = rotation(START + week * timedelta(weeks=1), QUARTER)
        treated = high & ~in_control(names, SHARE, f"salt{seed}", turn)
        saved = treated & (rng.random(CUSTOMERS) < PREVENTED)
        chance = np.where(high, SHARE, 1.0)
        weeks.append((score, would, np.where(saved, 0.0, would), treated, chance))
    columns = zip(*weeks, strict=True)
    score, would, left, treated, chance = (np.concatenate(c) for c in columns)
    return Half(
        score=score.astype(np.float64), would_leave=would.astype(np.float64),
        left=left.astype(np.float64), treated=treated.astype(bool),
        chance=chance.astype(np.float64),
        entity=np.tile(np.arange(CUSTOMERS, dtype=np.float64), WEEKS),
    )  # fmt: skip


def f1(y: Floats, score: Floats, weights: Floats, entity: Floats) -> tuple[float, float, float]:
    """F1 with the ends of its interval."""
    found = realised("f1", Task.BINARY, y, score, threshold=CUT, weights=weights, entities=entity)
    return found.value, found.interval.low, found.interval.high


@pytest.mark.parametrize("seed", range(3))
def test_pooled_over_half_a_year_ours_is_true_and_the_naive_figure_is_not(seed: int) -> None:
    """Naive F1 is off by more than .1, ours by less than .03, and its interval holds the truth."""
    half = campaign(seed)
    ones = np.ones(len(half.score))
    truth, _, _ = f1(half.would_leave, half.score, ones, half.entity)
    naive, _, _ = f1(half.left, half.score, ones, half.entity)
    kept = ~half.treated
    ours, low, high = f1(
        half.left[kept], half.score[kept], 1 / half.chance[kept], half.entity[kept]
    )
    assert abs(naive - truth) > 0.1
    assert abs(ours - truth) < 0.03
    assert low <= truth <= high


def test_unweighted_control_rows_are_no_better() -> None:
    """Rows of the high band that were held back stand for five: unweighted, F1 is off again."""
    half = campaign(0)
    kept = ~half.treated
    truth, _, _ = f1(half.would_leave, half.score, np.ones(len(half.score)), half.entity)
    plain, _, _ = f1(half.left[kept], half.score[kept], np.ones(int(kept.sum())), half.entity[kept])
    assert abs(plain - truth) > 0.05
