"""A history whose campaign saved most of those it called, and says whom: for replays of it.

Who has a high `x` leaves, unless called: four fifths of them are called each week, drawn by lot.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from tamid.core.values import ENTITY, TIME

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
WEEK = timedelta(weeks=1)
WEEKS, PEOPLE, HELD_BACK = 20, 300, 0.2
CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {timezone: UTC, week_starts: monday}
data:
  source: {path: rows.parquet, owner: mlops_engineer}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, absence: unknown}
  schema: {x: {type: number}, z: {type: number}, left: {type: integer}}
training: {model: logistic, seed: 7, threads: 1}
gates: {minimum: {f1: 0.05}, baselines: [majority]}
service: {p99_ms: 60000, start_s: 600, fallback: [default: 0.5]}
release: {path: [live], approval: auto}
monitoring: {every: 7d, quality: {metric: f1, at_least: 0.05}}
delivery:
  every: 7d
  control_group: 20%
  actions: {path: acts.csv, time: at, offer: offer}
"""


def history() -> pl.DataFrame:
    """Return rows with `left` as it came out, `free` as it would have without calls, `called`."""
    rng = np.random.default_rng(11)
    n = WEEKS * PEOPLE
    week = np.repeat(np.arange(WEEKS), PEOPLE)
    x, z = rng.normal(size=(2, n))
    free = (rng.random(n) < 1 / (1 + np.exp(-3 * (x - 0.5)))).astype(np.int64)
    chosen = x > 0.3
    called = chosen & (rng.random(n) >= HELD_BACK)
    saved = called & (rng.random(n) < 0.9)
    return pl.DataFrame(
        {
            "customer": [f"c{i % PEOPLE}" for i in range(n)],
            "week": pl.Series([MONDAY + int(w) * WEEK for w in week]).cast(
                pl.Datetime("us", "UTC")
            ),
            "x": x,
            "z": z,
            "left": np.where(saved, 0, free),
            "free": free,
            "chosen": chosen,
            "called": called,
        }
    )


def folder(root: Path, found: pl.DataFrame, label: str, text: str = CONTRACT) -> Path:
    """Lay a workspace down whose label is one of the two, with the inbox of the campaign."""
    root.mkdir(parents=True)
    rows = found.select("customer", "week", "x", "z", pl.col(label).alias("left"))
    rows.write_parquet(root / "rows.parquet")
    (root / "contract.yaml").write_text(text, "utf-8")
    acts = found.filter("called").select(
        "customer", pl.lit("call").alias("offer"), (pl.col("week") + timedelta(days=2)).alias("at")
    )
    acts.write_csv(root / "acts.csv")
    return root


def planned(found: pl.DataFrame) -> pl.DataFrame:
    """Return what the live loop would know: whom it treated, and its chance of not doing so."""
    chance = pl.when(pl.col("chosen")).then(HELD_BACK).otherwise(1.0)
    return found.select(
        pl.col("customer").alias(ENTITY),
        pl.col("week").alias(TIME),
        pl.col("called").alias("treated"),
        chance.alias("propensity"),
    )
