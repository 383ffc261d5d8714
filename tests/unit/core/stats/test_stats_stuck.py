"""A column that is one value: the chance of it, and how often a sound one is called stuck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.stuck import chance_of_so_many, stuck_at


def test_alike_weeks_give_the_binomial_chance() -> None:
    """Without any spread beyond chance it is p to the power of the rows."""
    same = [90, 91, 89, 90, 90, 91, 89, 90]
    found = chance_of_so_many(same, [100] * 8, 60, 60)
    assert found == pytest.approx(0.9**60, rel=0.3)


def test_the_tail_sums_to_one() -> None:
    """None or more of the rows is certain, and each count has its share of it."""
    same, rows = [3, 9, 6, 1, 8, 4], [10] * 6
    assert chance_of_so_many(same, rows, 0, 12) == 1.0
    steps = [chance_of_so_many(same, rows, k, 12) for k in range(1, 13)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] < 1.0


@given(
    st.lists(st.integers(0, 40), min_size=3, max_size=12),
    st.integers(1, 60),
    st.randoms(use_true_random=False),
)
def test_it_is_a_chance_and_the_order_of_weeks_does_not_matter(
    same: list[int], now: int, turned: object
) -> None:
    """Between 0 and 1, falling with the count asked for, whatever the weeks and their order."""
    rows = [40] * len(same)
    found = chance_of_so_many(same, rows, now, now)
    assert 0.0 <= found <= chance_of_so_many(same, rows, max(now - 1, 0), now) <= 1.0
    mixed = sorted(same)
    assert chance_of_so_many(mixed, rows, now, now) == pytest.approx(found)


def test_too_little_is_never_surprising() -> None:
    """Two weeks or no rows say nothing."""
    assert chance_of_so_many([1, 2], [50, 50], 50, 50) == 1.0
    assert chance_of_so_many([1, 2, 3, 0], [50, 50, 50, 0], 0, 0) == 1.0


@pytest.mark.parametrize(("share", "rho"), [(0.9, 0.0), (0.97, 0.0), (0.9, 0.05), (0.7, 0.1)])
def test_a_sound_column_is_rarely_called_stuck(share: float, rho: float) -> None:
    """Type I: of 4,000 sound weeks, one of 20 columns is called stuck at most four times."""
    rng = np.random.default_rng(1)
    whole = 1.0 / rho - 1.0 if rho else 0.0
    hits = 0
    for _ in range(2000):
        weeks = rng.beta(share * whole, (1 - share) * whole, 28) if rho else np.full(28, share)
        hit = rng.binomial(150, weeks)
        for k in hit[26:]:
            if k >= 147 and hit[:26].max() < 147:
                chance = chance_of_so_many(hit[:26], [150] * 26, int(k), 150)
                hits += chance < 0.005 / 20
    assert hits <= 4


def test_stuck_at_a_value_that_was_rare_is_seen_whatever_was_common() -> None:
    """A week of nothing but the rarest word is stuck, although weeks of another word were pure."""
    rng = np.random.default_rng(2)
    past = [rng.choice([0.0, 1.0, 2.0], 150, p=[0.8, 0.15, 0.05]) for _ in range(14)]
    past[4][:] = 0.0
    assert stuck_at(past, np.full(150, 2.0), 30)[0]
    assert not stuck_at(past, np.zeros(150), 30)[0]


def test_missing_values_are_no_value() -> None:
    """A week without any known value is not stuck; a known rest that is one value is."""
    rng = np.random.default_rng(3)
    past = [rng.normal(size=100) for _ in range(10)]
    assert not stuck_at(past, np.full(100, np.nan), 5)[0]
    assert stuck_at(past, np.r_[np.full(50, np.nan), np.full(50, 1.5)], 5)[0]


def rare(rng: np.random.Generator, share: float = 0.03, rows: int = 250) -> Floats:
    """A week with a flag that few rows have."""
    return (rng.random(rows) < share).astype(np.float64)


def test_a_rare_flag_that_stays_away_is_stuck_in_its_second_week() -> None:
    """One week without it is nothing; two in a row never were. An almost pure week is no excuse."""
    rng = np.random.default_rng(5)
    past, gone = [rare(rng) for _ in range(25)], np.zeros(250)
    past.insert(9, (np.arange(250) < 4).astype(np.float64))
    assert not stuck_at(past, gone, 20)[0]
    assert stuck_at([*past, gone], gone, 20)[0]
    common = [rare(rng, 0.07) for _ in range(25)]
    common.insert(9, (np.arange(250) < 4).astype(np.float64))
    assert stuck_at(common, gone, 20)[0]


def test_what_a_person_found_sound_is_no_news_for_as_long_as_it_lasts() -> None:
    """However long the run; one that begins after other weeks is another matter."""
    rng = np.random.default_rng(6)
    past, gone = [rare(rng, 0.07) for _ in range(20)], np.zeros(250)
    assert stuck_at(past, gone, 20)[0]
    for more in range(1, 6):
        assert not stuck_at([*past, *[gone] * more], gone, 20, vouched=[20])[0]
    again = [*past[:6], gone, *past[6:]]
    assert stuck_at([*again, gone, gone], gone, 20, vouched=[6])[0]


def test_a_flag_that_sleeps_most_weeks_may_sleep_for_longer() -> None:
    """Holidays come in a third of the weeks: weeks without any are usual, eight in a row too."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(20):
        weeks = [rare(rng, 0.14, 168) * (rng.random() < 1 / 3) for _ in range(60)]
        hits += sum(stuck_at(weeks[t - 26 : t], weeks[t], 1)[0] for t in range(26, 60))
    assert hits <= 2


@pytest.mark.parametrize("share", [0.97, 0.99])
def test_runs_of_pure_weeks_are_rarely_called_stuck(share: float) -> None:
    """Type I of all lengths together, one column: at most one sound week in a hundred."""
    rng = np.random.default_rng(8)
    weeks = [rare(rng, 1 - share) for _ in range(326)]
    hits = sum(stuck_at(weeks[t - 26 : t], weeks[t], 1)[0] for t in range(26, 326))
    assert hits <= 3
