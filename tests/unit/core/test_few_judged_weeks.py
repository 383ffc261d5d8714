"""What is usual for a version judged on few weeks: by simulation, how often its luck pages."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.stats.edetector import alarms_in
from tamid.core.stats.runlength import AIM, caution_needed
from tamid.core.windows import pseudo_reference

YEAR = 52


def _alarms(
    good: float, rows: int, weeks: int, run_length: float, *, versions: int, fall: float = 0.0
) -> list[list[int]]:
    """Return when versions page in a year whose weeks, like the judged ones, have so many rows."""
    rng = np.random.default_rng([weeks, int(run_length), int(100 * fall)])
    later = good - fall * np.sqrt(good * (1 - good) / rows)
    return [
        alarms_in(
            _losses(rng.binomial(rows * weeks, good), rows, weeks, run_length).tolist(),
            run_length,
            (1.0 - rng.binomial(rows, later, size=YEAR) / rows).tolist(),
            rng.random(YEAR).tolist(),
            graded=True,
        )
        for _ in range(versions)
    ]


def _losses(right: int, rows: int, weeks: int, run_length: float) -> Floats:
    point = min(right, rows * weeks - 1) / (rows * weeks)
    error = float(np.sqrt(point * (1 - point) / (rows * weeks)))
    caution = caution_needed(run_length, weeks)
    usual = pseudo_reference(point, error, weeks, caution=caution, sign=1.0, low=0.0, high=1.0)
    return 1.0 - np.array(usual)


@pytest.mark.parametrize(("good", "rows"), [(0.97, 350), (0.7, 450)])
def test_luck_on_one_judged_week_pages_about_as_often_as_is_aimed_at(
    good: float, rows: int
) -> None:
    """Near the end of a metric's range, too, where a lucky week has a small error of its own."""
    aimed = 600 * YEAR / (AIM * 260)
    # In steps of the metric itself, 1.645 errors below the point: 4.8 times as many at 0.97, even
    # where evidence is not graded.
    assert sum(map(len, _alarms(good, rows, 1, 260.0, versions=600))) < 3.0 * aimed


def test_the_longer_the_run_length_the_more_caution() -> None:
    """Checked daily, a version pages by luck on its judged day less often than is stated."""
    stated = 1500 * YEAR / 1825
    # With the caution of weekly checks luck alone takes more than all of it.
    assert sum(map(len, _alarms(0.88, 400, 1, 1825.0, versions=1500))) < 0.6 * stated


def test_a_fall_of_three_spreads_is_seen_within_a_quarter() -> None:
    """Caution costs time, not sight: with three judged weeks four out of five falls are seen."""
    first = [found[:1] for found in _alarms(0.88, 400, 3, 260.0, versions=200, fall=3.0)]
    assert np.mean([bool(found) and found[0] < 13 for found in first]) > 0.75
