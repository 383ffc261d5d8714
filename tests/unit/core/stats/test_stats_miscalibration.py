"""The calibration error without what chance adds: error rates, power, clusters, pairs."""

from __future__ import annotations

import numpy as np
import pytest

from tamid.core.stats.arrays import Floats
from tamid.core.stats.calibration import calibration_error
from tamid.core.stats.miscalibration import calibration_change, calibration_interval

LIMIT = 0.05


def _drawn(rng: np.random.Generator, n: int, base: float = 0.2) -> tuple[Floats, Floats]:
    """Return chances around `base` and labels drawn from them."""
    p = rng.beta(1.2, 1.2 / base - 1.2, n)
    return p, (rng.random(n) < p).astype(np.float64)


@pytest.mark.parametrize("n", [150, 400, 2000])
@pytest.mark.parametrize("off", [0.0, 0.05])
def test_error_rate_up_to_the_limit(n: int, off: float) -> None:
    """Scores that are off by no more than the limit are proven worse in at most 5 %."""
    rng = np.random.default_rng(0)
    failed = 0
    for _ in range(120):
        p, y = _drawn(rng, n)
        # Off by the limit in either direction, as a slope would be.
        score = np.clip(p + off * np.sign(p - 0.15), 0, 1)
        failed += calibration_interval(y, score, rng=rng).low > LIMIT
    assert failed / 120 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)


def test_rare_positives_are_no_miscalibration() -> None:
    """Two in a hundred: most bins have none, which is what such scores say."""
    rng = np.random.default_rng(1)
    lows = [calibration_interval(*_drawn(rng, 400, 0.02)[::-1], rng=rng).low for _ in range(100)]
    assert np.mean(np.array(lows) > 0) <= 0.05


def test_the_point_is_nearly_without_bias() -> None:
    """The plain error of calibrated scores is 0.06 at 150 rows; without chance it is near zero."""
    rng = np.random.default_rng(2)
    plain, point = [], []
    for _ in range(100):
        p, y = _drawn(rng, 150)
        plain.append(calibration_error(y, p))
        point.append(calibration_interval(y, p, rng=rng).point)
    assert np.mean(plain) > LIMIT
    assert np.mean(point) < 0.015


def test_what_is_off_is_found() -> None:
    """Ten points too high: always on 2,000 rows, mostly on 800."""
    rng = np.random.default_rng(3)
    for n, least in ((2000, 1.0), (800, 0.7)):
        found = []
        for _ in range(40):
            p, y = _drawn(rng, n)
            shifted = np.clip(p + 0.1, 0, 1)
            found.append(calibration_interval(y, shifted, rng=rng).low > LIMIT)
        assert np.mean(found) >= least


def test_customers_who_come_back_are_one_voice() -> None:
    """Labels that a customer keeps for ten weeks are not ten labels."""
    rng = np.random.default_rng(4)
    failed = {"rows": 0, "customers": 0}
    for _ in range(100):
        p, y = _drawn(rng, 100)
        who = np.repeat(np.arange(100), 10)
        p, y = np.clip(p[who] + 0.01 * rng.normal(size=1000), 0, 1), y[who]
        failed["rows"] += calibration_interval(y, p, rng=rng).low > LIMIT
        failed["customers"] += calibration_interval(y, p, clusters=who, rng=rng).low > LIMIT
    assert failed["customers"] <= 10
    assert failed["customers"] < failed["rows"]


def test_two_models_of_one_calibration_rarely_differ() -> None:
    """Both calibrated, each in its own way: hardly ever is one proven a point worse."""
    rng = np.random.default_rng(5)
    worse = 0
    for _ in range(60):
        signals = rng.normal(size=(2, 600))
        truth = signals.sum(axis=0) - 1.5 + rng.logistic(size=600) > 0
        # The chance given one signal alone, by a fine simulation of the other.
        other = np.sort(rng.normal(size=400))
        one, two = (
            (1 / (1 + np.exp(1.5 - s[:, None] - other[None, :]))).mean(axis=1) for s in signals
        )
        worse += calibration_change(truth.astype(float), one, two, rng=rng, draws=200).low > 0.01
    assert worse <= 6


def test_a_pair_mirrors_and_a_loss_is_found() -> None:
    """From good to bad and back have the same size; ten points on 1,500 rows are proven."""
    rng = np.random.default_rng(6)
    p, y = _drawn(rng, 1500)
    bad = np.clip(p + 0.1, 0, 1)
    down = calibration_change(y, p, bad, rng=np.random.default_rng(0))
    back = calibration_change(y, bad, p, rng=np.random.default_rng(0))
    assert down.low > 0.01
    assert down.point == pytest.approx(-back.point)
    assert back.high < 0


def test_nothing_is_known_of_nothing() -> None:
    """Without weight there is no error to speak of, and no bound that says anything."""
    found = calibration_interval([0, 1], [0.5, 0.5], [0, 0], rng=np.random.default_rng(0))
    assert np.isnan(found.point)
    assert (found.low, found.high) == (0.0, 1.0)
    change = calibration_change([0], [0.5], [0.5], rng=np.random.default_rng(0))
    assert (change.low, change.high) == (-1.0, 1.0)
