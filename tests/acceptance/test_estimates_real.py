"""Estimates without labels against an oracle, and against what the labels of real weeks brought."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from environments import python_with

from tamid.adapters.lightgbm import LightGBMLearner
from tamid.core.learning.model import Feature, FeatureTable
from tamid.core.stats.calibration import apply_calibration
from tamid.core.stats.conformal import adaptive_width
from tamid.core.stats.corrected import reported
from tamid.core.stats.estimate import combined, expected_error, expected_metric, fit_chances
from tamid.core.stats.metrics import terms
from tamid.core.stats.threshold import best_for_f1
from tamid.core.values import Task

pytestmark = pytest.mark.integration

Floats = npt.NDArray[np.float64]
ORACLE = Path(__file__).with_name("nannyml_oracle.py")
# Weeks: training, first reference, and how late labels come.
TRAINED, REFERENCE, DELAY = 26, 10, 4


@pytest.fixture(scope="module")
def nannyml() -> Path:
    """The Python of an environment that holds NannyML alone."""
    # statsmodels: it imports it and does not ask for it.
    return python_with("nannyml==0.13.1", "statsmodels")


def asked(
    python: Path, kind: str, past: pl.DataFrame, now: pl.DataFrame, at: Path
) -> Mapping[str, list[float]]:
    """What the oracle says of the chunks of `now`."""
    names = [at / "past.csv", at / "now.csv", at / "out.json"]
    past.write_csv(names[0])
    now.write_csv(names[1])
    env = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1"}
    command = [str(python), str(ORACLE), kind, *map(str, names)]
    ran = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: dict[str, list[float]] = json.loads(names[2].read_text())
    return found


def chunks(rng: np.random.Generator, count: int, shift: float) -> pl.DataFrame:
    """Chunks of calibrated chances whose positives become more."""
    parts = []
    for k in range(count):
        chance = 1 / (1 + np.exp(-rng.normal(-0.8 + shift * k / count, 1.3, 1000)))
        y = (rng.random(1000) < chance).astype(int)
        called = (chance >= 0.4).astype(int)
        parts.append({"chunk": [k] * 1000, "y_true": y, "y_pred": called, "y_pred_proba": chance})
    return pl.concat([pl.DataFrame(part) for part in parts])


def test_the_metrics_of_calibrated_chances_are_those_of_the_oracle(
    nannyml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F1, precision, recall and accuracy agree to the last digits, the area to 1e-6."""
    rng = np.random.default_rng(1)
    past, now = chunks(rng, 10, 0.0), chunks(rng, 6, 1.0)
    found = asked(nannyml, "cbpe", past, now, tmp_path)
    names = {"f1": "f1", "precision": "precision", "recall": "recall", "accuracy": "accuracy"}
    for theirs, ours in (names | {"roc_auc": "auc"}).items():
        mine = []
        for part in now.partition_by("chunk", maintain_order=True):
            c = part["y_pred_proba"].to_numpy()
            mine.append(expected_metric(ours, Task.BINARY, c, c, threshold=0.4).value)
        assert mine == pytest.approx(found[theirs], abs=1e-6 if ours == "auc" else 1e-9)
        apart = float(np.abs(np.array(mine) - found[theirs]).max())
        _told(capsys, f"expected {ours} of 6 chunks, at most apart from NannyML's: {apart:.1e}")


def test_expected_errors_are_as_near_the_truth_as_those_of_the_oracle(
    nannyml: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where errors depend on a feature that moves, both follow it, within 5 % of each other."""
    rng = np.random.default_rng(2)

    def world(count: int, shift: float) -> pl.DataFrame:
        parts = []
        for k in range(count):
            x1, x2 = rng.normal(0, 1, 1000), rng.normal(shift * k / count, 1, 1000)
            y = x1 + rng.normal(0, 1, 1000) * np.exp(x2 / 2)
            row = {"chunk": [k] * 1000, "y_true": y, "y_pred": x1, "x1": x1, "x2": x2}
            parts.append(pl.DataFrame(row))
        return pl.concat(parts)

    past, now = world(6, 0.0), world(6, 1.0)
    found = asked(nannyml, "dle", past, now, tmp_path)
    features = tuple(Feature(name=n) for n in ("x1", "x2", "y_pred"))
    params = {"num_iterations": 60, "num_leaves": 15, "min_data_in_leaf": 50}
    for name in ("mae", "rmse"):
        error = (past["y_true"] - past["y_pred"]).abs().to_numpy()
        y = error if name == "mae" else error**2
        table = FeatureTable(features=features, values=past.select("x1", "x2", "y_pred").to_numpy())
        model = LightGBMLearner(Task.REGRESSION).fit(table, y, np.ones(len(y)), params, 1)
        mine, truth = [], []
        for part in now.partition_by("chunk", maintain_order=True):
            values = part.select("x1", "x2", "y_pred").to_numpy()
            guess = model.predict(FeatureTable(features=features, values=values))
            prediction = part["y_pred"].to_numpy()
            mine.append(expected_error(name, np.maximum(guess, 0), prediction).value)
            truth.append(terms(name, Task.REGRESSION, part["y_true"], prediction).point())
        assert mine == pytest.approx(found[name], rel=0.05)
        ours = np.abs(np.array(mine) - truth).mean()
        theirs = np.abs(np.array(found[name]) - truth).mean()
        apart = np.abs(np.array(mine) / found[name] - 1).max()
        text = f"{name} of 6 chunks, off by: ours {ours:.4f}, NannyML's {theirs:.4f}"
        _told(capsys, f"{text}; at most {apart:.2%} apart")
        assert ours < 1.1 * theirs + 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """Weeks of bookings as one frozen model answered them; labels come four weeks late."""

    y: Floats
    score: Floats
    week: npt.NDArray[np.int64]
    threshold: float


@pytest.fixture(scope="module")
def hotel(test_data: Path) -> Year:
    """Hotel bookings by week of arrival, a model of the first half year."""
    notes = json.loads((test_data / "hotel_bookings.json").read_text())
    frame = pl.read_parquet(test_data / "hotel_bookings.parquet").sort(
        "arrival_date", maintain_order=True
    )
    day = pl.col("arrival_date")
    week = frame.select((day - day.min()).dt.total_days() // 7).to_series().to_numpy()
    y = frame["is_canceled"].cast(pl.Float64).to_numpy()
    inputs = frame.drop([*notes["drop_for_model"], "is_canceled"])
    features, columns = [], []
    for column in inputs:
        word = column.dtype == pl.String
        features.append(Feature(name=column.name, kind="category" if word else "number"))
        coded = column.rank("dense") if word else column
        columns.append(coded.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    table = FeatureTable(features=tuple(features), values=np.stack(columns, axis=1))
    past = week < TRAINED
    learner = LightGBMLearner(Task.BINARY)
    model = learner.fit(table.take(past), y[past], np.ones(past.sum()), {"num_iterations": 60}, 0)
    score = model.predict(table)
    reference = (week >= TRAINED) & (week < TRAINED + REFERENCE)
    threshold = best_for_f1(y[reference], score[reference]).threshold
    return Year(y=y, score=score, week=week, threshold=threshold)


@pytest.mark.parametrize(("metric", "at_most"), [("f1", 0.040), ("accuracy", 0.033)])
def test_hotel_weeks_are_estimated_four_weeks_ahead(
    hotel: Year, metric: str, at_most: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nearer than the reference and than the mean of the last four matured weeks, and covered."""
    weeks = range(TRAINED + REFERENCE, int(hotel.week.max()) + 1)
    truth, raw, told, always, recent = {}, {}, {}, {}, {}
    for t in range(TRAINED, int(hotel.week.max()) + 1):
        here = hotel.week == t
        truth[t] = _measured(hotel, metric, here)
    for t in weeks:
        known = (hotel.week <= t - DELAY) & (hotel.week > t - DELAY - 8)
        curve = fit_chances(hotel.y[known], hotel.score[known])
        s = hotel.score[hotel.week == t]
        chance = apply_calibration(curve, s)
        raw[t] = expected_metric(metric, Task.BINARY, chance, s, threshold=hotel.threshold).value
        met = [u for u in raw if u <= t - DELAY]
        known_raw, known_truth = [raw[u] for u in met], [truth[u] for u in met]
        found = reported(metric, raw[t], known_raw, known_truth, DELAY - 1)
        told[t] = found.value
        always[t] = combined(metric, raw[t], known_raw, known_truth)
        recent[t] = float(np.mean([truth[u] for u in range(t - DELAY - 3, t - DELAY + 1)]))
    reference = (hotel.week >= TRAINED) & (hotel.week < TRAINED + REFERENCE)
    usual = _measured(hotel, metric, reference)
    off = {
        "told": np.mean([abs(told[t] - truth[t]) for t in weeks]),
        "always corrected": np.mean([abs(always[t] - truth[t]) for t in weeks]),
        "raw": np.mean([abs(raw[t] - truth[t]) for t in weeks]),
        "mean of 4": np.mean([abs(recent[t] - truth[t]) for t in weeks]),
        "reference": np.mean([abs(usual - truth[t]) for t in weeks]),
    }
    width = adaptive_width([truth[t] - told[t] for t in weeks], delay=DELAY - 1)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in off.items())
    text = f"hotel {metric}, mean absolute error: {figures}; coverage {width.coverage:.2f}"
    _told(capsys, text)
    assert off["told"] < at_most
    assert off["told"] <= max(off["raw"], off["always corrected"])
    assert off["told"] < off["reference"]
    assert off["told"] < off["mean of 4"]
    assert 0.82 < width.coverage < 0.97


def _measured(hotel: Year, metric: str, rows: npt.NDArray[np.bool_]) -> float:
    y, s = hotel.y[rows], hotel.score[rows]
    return terms(metric, Task.BINARY, y, s, threshold=hotel.threshold).point()


def _told(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - the figures are what the test is run for
