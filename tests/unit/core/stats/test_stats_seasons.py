"""Seasons: which weeks are compared, and which columns count the calendar."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.stats.arrays import Floats
from tamid.core.stats.drift import psi_rows
from tamid.core.stats.edetector import alarms_in, family_run_length
from tamid.core.stats.reference import psi_reference
from tamid.core.stats.seasons import counts_the_calendar, season_mates, season_table


def _waving(rng: np.random.Generator, weeks: int, noise: float, tilt: float = 0.0) -> Floats:
    """Counts of weeks whose shares follow a yearly wave and wander around it."""
    slope = np.linspace(-1, 1, 10)
    made, wander = [], 0.0
    for week in range(weeks):
        wander = noise * wander + np.sqrt(1 - noise**2) * rng.normal(0, 0.15)
        p = np.exp(slope * (0.6 * np.sin(2 * np.pi * week * 7 / 365.25) + wander + tilt))
        made.append(rng.multinomial(1500, p / p.sum()))
    return np.array(made, dtype=np.float64)


def _year_of_checks(seed: int, noise: float, tilt: float = 0.0) -> list[int]:
    rng = np.random.default_rng(seed)
    weeks = 104
    counts = np.concatenate(
        [_waving(rng, weeks, noise), _waving(rng, weeks + 52, noise, tilt)[weeks:]]
    )
    days = np.arange(weeks + 52) * 7.0
    reference = counts[:weeks]
    table = season_table(days[:weeks])
    assert table is not None
    found = psi_reference({"s": reference}, np.arange(weeks), {"s": 1.0}, rng, table)
    mates = np.stack([season_mates(days[:weeks], day) for day in days[weeks:]])
    scores = psi_rows(mates.astype(float) @ reference, counts[weeks:])
    run_length = family_run_length(52, 4)
    return alarms_in(found.scores, run_length, scores.tolist(), rng.random(52).tolist(), weeks)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_a_yearly_wave_raises_no_alarm(noise: float) -> None:
    """Against the same season of other years a wave is usual, also with wandering weeks."""
    # At the stated rate, one in four years, 7.5 are expected; 14 happen once in 50 times.
    assert sum(len(_year_of_checks(seed, noise)) for seed in range(30)) < 14


def test_a_shift_is_seen_through_the_wave() -> None:
    """A shift of three spreads is noticed within weeks although the wave is larger."""
    first = [min(_year_of_checks(seed, 0.0, 0.45), default=52) + 1 for seed in range(15)]
    assert np.median(first) <= 6


def test_seasons_need_more_than_a_year_and_wrap_around_it() -> None:
    """Too few weeks with a like week make no season; the turn of the year divides none."""
    assert season_table([]) is None
    assert season_table(np.arange(52) * 7) is None
    assert season_table(np.arange(80) * 7) is not None
    near = season_mates(np.arange(104) * 7, 0.0)
    assert near[[51, 52, 53]].all()
    assert not near[[0, 4, 5, 26, 78]].any()


@given(st.integers(0, 200), st.integers(21, 130))
def test_mates_are_mutual(day: int, weeks: int) -> None:
    """If one week is compared with another, that one is compared with it; none with itself."""
    days = np.arange(weeks) * 7.0 + day
    table = season_table(days)
    if table is not None:
        assert (table == table.T).all()
        assert not table.diagonal().any()


def test_columns_of_the_calendar_are_known_by_their_counts() -> None:
    """A month drifts by construction, a weekday, a measurement and an empty column do not."""
    month = np.zeros((26, 6))
    month[np.arange(26), np.arange(26) * 6 // 26] = 300.0
    assert counts_the_calendar(month)
    assert counts_the_calendar(month[:, ::-1])
    assert not counts_the_calendar(np.full((26, 7), 40.0))
    assert not counts_the_calendar(_waving(np.random.default_rng(3), 26, 0.0))
    assert not counts_the_calendar(np.zeros((26, 3)))
