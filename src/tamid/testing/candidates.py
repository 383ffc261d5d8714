"""Builders of small training jobs: a contract, a labelled history, feature code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tamid.core.values import ENTITY, LABEL, PERIOD, STATIC_PERIOD, TIME, WEIGHT
from tamid.ports import TrainingJob

START = datetime(2026, 1, 4, tzinfo=UTC)
FEATURES = """\
import polars as pl

def build(frame):
    return frame.with_columns((pl.col("calls") * pl.col("minutes")).alias("strain"))
"""
RULES = """\
def score(frame):
    return frame["calls"].is_between(0, 1).cast(float) * 0.5
"""
_CONTRACT = """\
tamid: 1
name: churn
task: {task}
data:
  source: {{path: rows.parquet}}
  entity: customer
  {time}
  label: {{column: left, {label}}}
  schema:
    customer: {{type: text}}
    week: {{type: datetime}}
    left: {column}
    calls: {{type: number}}
    minutes: {{type: number}}
    age: {{type: number, nullable: true}}
    plan: {{type: category, allowed: [basic, plus, fibre]}}
features: {features}
training: {training}
gates: {gates}
"""
_LABELS = {
    "binary": "positive: 1",
    "multiclass": "absence: unknown",
    "regression": "absence: unknown",
}


class Steps:
    """A Progress that remembers its steps."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def step(self, text: str, done: int, total: int) -> None:
        """Remember a step; done never exceeds total."""
        assert 0 <= done <= total
        self.seen.append(text)


def contract_text(
    *,
    task: str = "binary",
    model: str = "lightgbm",
    training: str = "",
    gates: str = "{}",
    features: str = '{code: "features.py:build"}',
    horizon: str = "7d",
    time: bool = True,
) -> str:
    """Return a contract in YAML; `training` is further text of that block."""
    label = _LABELS[task] + (f", horizon: {horizon}, reporting_lag: 2d" if time else "")
    classes = "{type: category, allowed: [a, b, c]}"
    return _CONTRACT.format(
        task=task,
        time="time: week" if time else "",
        label=label,
        column={"multiclass": classes, "regression": "{type: number}"}.get(task, "{type: integer}"),
        features=features,
        training=f'{{model: "{model}", threads: 1{training}}}',
        gates=gates,
    )


def history(
    entities: int = 150, weeks: int = 16, *, seed: int = 0, task: str = "binary", drift: int = 0
) -> pl.DataFrame:
    """Return joined rows of a weekly panel; in the last `drift` weeks the sign of a cause turns."""
    rng = np.random.default_rng(seed)
    n = entities * weeks
    week = np.repeat(np.arange(weeks), entities)
    who = np.tile(np.arange(entities), weeks)
    calls, minutes, age = rng.normal(size=(3, n))
    plan = rng.choice(["basic", "plus", "fibre"], n)
    turn = np.where(week >= weeks - drift, -1.0, 1.0)
    pull = 2.5 * turn * calls + 1.5 * (plan == "fibre") + minutes - 1.0
    if task == "binary":
        label = (rng.random(n) < 1 / (1 + np.exp(-pull))).astype(np.float64)
    elif task == "multiclass":
        label = np.digitize(pull + 0.3 * rng.normal(size=n), [-1.5, 1.0]).astype(np.float64)
    else:
        label = pull + 0.3 * rng.normal(size=n)
    times = [START + timedelta(weeks=int(w)) for w in week]
    frame = pl.DataFrame(
        {
            ENTITY: [f"c{i:04d}" for i in who],
            TIME: pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            PERIOD: [t.date().isoformat() for t in times],
            LABEL: label,
            WEIGHT: np.ones(n),
            "left": label,
            "calls": calls,
            "minutes": minutes,
            "age": np.where(rng.random(n) < 0.1, np.nan, age),
            "plan": plan,
        }
    )
    return frame.with_columns(pl.col("age").fill_nan(None))


def static(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of a history as data without a time column."""
    return frame.with_columns(
        pl.lit(STATIC_PERIOD).alias(PERIOD),
        pl.lit(None, dtype=pl.Datetime("us", "UTC")).alias(TIME),
    )


def job(
    frame: pl.DataFrame | None = None,
    *,
    contract: str | None = None,
    code: Mapping[str, str] | None = None,
    windows: Mapping[str, Sequence[str]] | None = None,
    holdout: int = 4,
    run: str = "run-1",
    seed: int = 7,
    degraded: bool = False,
) -> TrainingJob:
    """Return a job over a history; its last `holdout` periods are judged."""
    rows = history() if frame is None else frame
    periods = rows.get_column(PERIOD).unique().sort().to_list()
    spans = windows or {"all": periods, "short": periods[-6:]}
    return TrainingJob(
        run=run,
        contract=contract or contract_text(),
        code={"features.py": FEATURES, "rules.py": RULES} if code is None else code,
        frame=rows,
        windows={name: tuple(span) for name, span in spans.items()},
        holdout=tuple(periods[-holdout:]) if holdout else (),
        seed=seed,
        degraded=degraded,
        judge_salt="salt",
    )


def unlabelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows as they come to be scored."""
    return frame.drop(LABEL, WEIGHT, "left")
