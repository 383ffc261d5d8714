"""A workspace of two models that use one feature view, turned in this process without workers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from in_process import InProcess

from tamid.adapters.memory_clock import SimulatedClock

FIRST = datetime(2026, 1, 4, tzinfo=UTC)  # a Sunday
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
WEEKS, PEOPLE = 13, 140
UNKNOWN = -9.0  # what the producer writes where nothing is known: two rows a week
NOW = FIRST + (WEEKS - 1) * WEEK + timedelta(hours=8)
MOMENT = pl.Datetime("us", "UTC")
MODELS = ("churn", "upsell")

VIEW = """\
tamid: 1
views:
  calls:
    owner: data-team
    version: 1
    about: how often customers call
    table: {path: ../data/calls-*.parquet, entity: customer, time: at, delay: 6h}
    features:
      calls_14d: {count: true, window: 14d}
      longest_14d: {max: minutes, window: 14d}
      minutes_14d: {sum: minutes, window: 14d}
"""
CONTRACT = """\
tamid: 1
name: {name}
task: binary
calendar: {{week_starts: sunday}}
data:
  source: {{path: rows.parquet, known_at: week}}
  entity: customer
  time: week
  label: {{column: y, positive: 1, horizon: 7d}}
  schema:
    usage: {{type: number}}
    y: {{type: integer, nullable: true}}
clean:
  - blank: {{columns: [usage], values: [-9]}}
  - fill: {{columns: [usage], value: 0}}
features: {{views: [{view}]}}
training: {{model: logistic}}
gates: {{minimum: {{f1: 0.1}}, baselines: [majority]}}
service: {{p99_ms: 60000, start_s: 600, fallback: [previous, default: 0.5]}}
release: {{path: [live], approval: auto}}
monitoring: {{every: 7d, quality: {{metric: f1, at_least: 0.1}}}}
delivery: {{every: 7d, to: [{{csv: "out/scores-{{period}}.csv"}}], reasons: 0}}
"""


class Shop(InProcess):
    """The workspace at a moment of its own time."""

    def __init__(self, root: Path, now: datetime = NOW) -> None:
        super().__init__(root, SimulatedClock(now))


def calls(seed: int = 3, first: float = -30.0, last: float = 7.0 * WEEKS) -> pl.DataFrame:
    """Return calls of everybody from a day on until a day, counted from the first week."""
    rng = np.random.default_rng(seed)
    found = [
        (f"c{n:03d}", FIRST + timedelta(seconds=round(day * 86400)), float(rng.integers(1, 60)))
        for n in range(PEOPLE)
        for day in rng.uniform(first, last, rng.poisson((n % 7) * (last - first) / 40))
    ]
    frame = pl.DataFrame(
        found, schema={"customer": pl.String, "at": MOMENT, "minutes": pl.Float64}, orient="row"
    )
    return frame.sort("at", "customer")


def make(root: Path, view: str = VIEW) -> None:
    """Lay the workspace down: history for both models, and the calls of the weeks before."""
    for folder in ("data", "views", *MODELS):
        (root / folder).mkdir(parents=True)
    calls(last=7.0 * (WEEKS - 1)).write_parquet(root / "data" / "calls-1.parquet")
    rng = np.random.default_rng(5)
    for model in MODELS:
        text = CONTRACT.format(name=model, view="calls")
        (root / model / "contract.yaml").write_text(text, encoding="utf-8")
        rows(rng).write_parquet(root / model / "rows.parquet")
    (root / "views" / "calls.yaml").write_text(view, encoding="utf-8")
    listed = ", ".join(f'"{m}/contract.yaml"' for m in MODELS)
    (root / "tamid.toml").write_text(
        f'[workspace]\nmodels = [{listed}]\nfeatures = ["views/calls.yaml"]\n', encoding="utf-8"
    )


def rows(rng: np.random.Generator) -> pl.DataFrame:
    """Return everybody's row of each week; the labels of the last are not known yet."""
    names = [f"c{n:03d}" for n in range(PEOPLE)]
    parts = []
    for week in range(WEEKS):
        often = np.arange(PEOPLE) % 7 + rng.normal(size=PEOPLE) * 0.4
        y = pl.Series("y", (often > 4).astype(int))
        when = pl.Series("week", [FIRST + week * WEEK] * PEOPLE, dtype=MOMENT)
        usage = pl.Series("usage", rng.normal(size=PEOPLE).round(4)).scatter([0, 7], UNKNOWN)
        part = pl.DataFrame([pl.Series("customer", names), when, usage, y])
        parts.append(part if week < WEEKS - 1 else part.with_columns(y=pl.lit(None, pl.Int64)))
    return pl.concat(parts)


def turn(root: Path, now: datetime = NOW, models: tuple[str, ...] = MODELS) -> Shop:
    """Turn the loop of some models once, in a fresh App, and return it closed."""
    app = Shop(root, now)
    try:
        for model in models:
            app.tick(model)
    finally:
        app.close()
    return app
