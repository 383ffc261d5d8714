"""A workspace on disk that really trained, in this process: for tests of what developers run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from in_process import InProcess, inline

from tamid.adapters.memory_clock import SimulatedClock
from tamid.cli.turning import turn
from tamid.ports import Trainer

MODEL = "churn"
WEEK = timedelta(weeks=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)  # a Sunday
WEEKS, PEOPLE = 10, 150
CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows/*.parquet, owner: mlops_engineer}
  entity: customer
  time: week
  label:
    {column: left, positive: 1, horizon: 7d, reporting_lag: 2d, source: {path: labels/*.parquet}}
  schema:
    minutes: {type: number, min: 0, max: 10080}
    calls: {type: number, min: 0}
    plan: {type: category, allowed: [basic, plus]}
training: {model: logistic}
gates:
  {minimum: {f1: 0.3}, baselines: [majority], calibration: {max_ece: 0.3}, slices: {by: [plan]}}
service: {p99_ms: 60000, start_s: 600, memory_mb: 4000, fallback: [default: 0.5]}
release: {path: [live], approval: auto}
monitoring: {every: 1d}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}]}
"""


class Lab(InProcess):
    """The workspace some days after its last week; the learner needs only numpy."""

    def __init__(self, root: Path, weeks: int = WEEKS, trainer: Trainer | None = None) -> None:
        clock = SimulatedClock(BEGIN + weeks * WEEK + timedelta(days=3))
        super().__init__(root, clock, lambda rig: inline(rig, trainer))


def make(root: Path, contract: str = CONTRACT, weeks: int = WEEKS) -> Path:
    """Make a workspace with weeks of rows and labels, in which nothing was done yet."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "contract.yaml").write_text(contract, encoding="utf-8")
    (root / "tamid.toml").write_text('[workspace]\nmodels = ["contract.yaml"]\n')
    for week in range(weeks):
        put(root, week)
    return root


def put(root: Path, week: int) -> None:
    """Put a week's rows and labels down; who calls little and has plan basic leaves."""
    rng = np.random.default_rng([5, week])
    minutes = rng.uniform(0, 1000, PEOPLE).round(2)
    plan = np.where(rng.random(PEOPLE) < 0.4, "basic", "plus")
    # Every fourth label is noise, so that a metric is no round number.
    left = np.where(rng.random(PEOPLE) < 0.25, rng.random(PEOPLE) < 0.3, minutes < 300)
    rows = pl.DataFrame(
        {
            "customer": [f"c{n}" for n in range(PEOPLE)],
            "week": [BEGIN + week * WEEK] * PEOPLE,
            "minutes": minutes,
            "calls": rng.integers(0, 20, PEOPLE),
            "plan": plan,
        }
    )
    for folder, frame in (
        ("rows", rows),
        ("labels", rows.select("customer", "week", pl.Series("left", left.astype(np.int64)))),
    ):
        (root / folder).mkdir(exist_ok=True)
        frame.write_parquet(root / folder / f"{week:03d}.parquet")


def ticked(root: Path, weeks: int = WEEKS, trainer: Trainer | None = None) -> Path:
    """Turn the loop of a workspace once."""
    app = Lab(root, weeks, trainer)
    try:
        turn(app, MODEL)
    finally:
        app.close()
    return root
