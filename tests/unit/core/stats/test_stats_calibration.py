"""Platt, isotonic and the calibration error."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from tamid.core.stats.arrays import Floats
from tamid.core.stats.calibration import (
    Calibration,
    apply_calibration,
    calibration_error,
    calibration_from,
    fit_isotonic,
    fit_platt,
)
from tamid.core.values import canonical_json


def _distorted(seed: int, n: int = 4000) -> tuple[Floats, Floats, Floats]:
    """True chances, labels drawn from them, and an overconfident score (logit doubled, shifted)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 1, n)
    p = 1 / (1 + np.exp(-z))
    return p, (rng.random(n) < p).astype(float), 1 / (1 + np.exp(-(2 * z + 0.5)))


def test_platt_recovers_the_distortion() -> None:
    """A score with doubled, shifted logit is put right: slope 1/2, intercept -1/4."""
    p, y, s = _distorted(0, 20_000)
    fitted = fit_platt(y, s)
    assert fitted.slope == pytest.approx(0.5, abs=0.03)
    assert fitted.intercept == pytest.approx(-0.25, abs=0.05)
    assert np.abs(apply_calibration(fitted, s) - p).mean() < 0.01


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_calibration_lowers_the_error_on_new_rows(
    fit: Callable[[Floats, Floats], Calibration],
) -> None:
    """Fitted on one sample, either way lowers the calibration error on another."""
    _, y, s = _distorted(1)
    _, y_new, s_new = _distorted(2)
    before = calibration_error(y_new, s_new)
    after = calibration_error(y_new, apply_calibration(fit(y, s), s_new))
    assert before > 0.08
    assert after < before / 2


def test_isotonic_equals_the_oracle() -> None:
    """Weighted and tied, the fit equals scikit-learn's."""
    rng = np.random.default_rng(3)
    s = np.round(rng.random(500), 2)
    y = (rng.random(500) < s).astype(float)
    w = rng.random(500) + 0.1
    grid = np.linspace(-0.2, 1.2, 200)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(s, y, sample_weight=w)
    np.testing.assert_allclose(
        apply_calibration(fit_isotonic(y, s, w), grid), oracle.predict(grid), atol=1e-9
    )


def test_weights_move_the_curve_to_the_whole_population() -> None:
    """Where positives are seen half as often, weights of two give the curve of all rows."""
    _, y, s = _distorted(4, 40_000)
    chance = np.where(y > 0, 0.5, 1.0)
    seen = np.random.default_rng(5).random(len(y)) < chance
    whole = fit_platt(y, s)
    weighed = fit_platt(y[seen], s[seen], 1 / chance[seen])
    naive = fit_platt(y[seen], s[seen])
    assert weighed.intercept == pytest.approx(whole.intercept, abs=0.06)
    assert abs(naive.intercept - whole.intercept) > 0.4


def test_separable_scores_give_a_finite_curve() -> None:
    """A perfect score does not send the slope to infinity."""
    fitted = fit_platt([0] * 50 + [1] * 50, [0.01] * 50 + [0.99] * 50)
    low, high = apply_calibration(fitted, [0.01, 0.99])
    assert np.isfinite(fitted.slope)
    assert 0 < low < 0.05 < 0.95 < high < 1


@pytest.mark.parametrize(("y", "s"), [([1, 1], [0.2, 0.4]), ([], []), ([0, 1], [0.9, 0.1])])
def test_nothing_to_fit_leaves_the_score_alone(y: list[int], s: list[float]) -> None:
    """One class, no rows, or a score that runs backwards: ranks are never turned around."""
    fitted = fit_platt(y, s)
    assert fitted == Calibration()
    np.testing.assert_array_equal(apply_calibration(fitted, s), s)


def test_a_constant_score_becomes_the_base_rate() -> None:
    """A score that says nothing is mapped to the share of positives."""
    fitted = fit_platt([0] * 30 + [1] * 10, [0.5] * 40)
    assert apply_calibration(fitted, [0.5])[0] == pytest.approx(0.25, abs=0.02)


def test_error_of_a_known_offset() -> None:
    """A score that is 0.1 too high everywhere has an error of 0.1; fewer rows use fewer bins."""
    rng = np.random.default_rng(6)
    p = rng.uniform(0.1, 0.8, 30_000)
    y = (rng.random(30_000) < p).astype(float)
    assert calibration_error(y, p + 0.1) == pytest.approx(0.1, abs=0.005)
    assert calibration_error(y, p) < 0.012
    assert calibration_error([0, 1] * 5, [0.5] * 10) == 0.0
    assert np.isnan(calibration_error([], []))


def test_equal_scores_share_a_bin() -> None:
    """The error does not depend on the order of rows with equal scores."""
    y = np.array([0, 1] * 200)
    s = np.full(400, 0.5)
    order = np.argsort(y, kind="stable")
    assert calibration_error(y, s) == calibration_error(y[order], s[order]) == 0.0


def test_calibrations_survive_json() -> None:
    """A stored calibration maps the same."""
    _, y, s = _distorted(7, 300)
    for fitted in (Calibration(), fit_platt(y, s), fit_isotonic(y, s)):
        back = calibration_from(json.loads(canonical_json(fitted)))
        assert back == fitted
        np.testing.assert_array_equal(apply_calibration(back, s), apply_calibration(fitted, s))
