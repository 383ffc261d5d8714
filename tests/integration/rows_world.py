"""A workspace of one static table, trained in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

CONTRACT = """\
tamid: 1
name: churn
task: binary
data:
  source: {{path: {source}}}
  entity: customer
  label: {{column: left, positive: 1}}
  schema:
    calls: {{type: number, min: -50, max: 50}}
    minutes: {{type: number}}
    plan: {{type: category, allowed: [basic, plus, fibre]}}
features: {features}
training: {{model: lightgbm, threads: 1}}
service: {{p99_ms: 3000, fallback: [default: 0.05]}}
gates: {{minimum: {{auc: 0.6}}}}
release: {{path: [live], approval: auto}}
"""
PLAIN = "{}"
CODE = '{code: "features.py:build"}'
FEATURES = '''\
"""A feature of the user's own."""
import polars as pl


def build(frame):
    """Return the columns and one more."""
    return frame.with_columns((pl.col("calls") * pl.col("minutes")).alias("product"))
'''


def rows(seed: int = 0, count: int = 1500) -> pl.DataFrame:
    """Return customers who leave, mostly for their calls and their plan."""
    rng = np.random.default_rng(seed)
    calls, minutes = rng.normal(size=(2, count)).round(4)
    plan = rng.choice(["basic", "plus", "fibre"], count)
    left = calls + (plan == "fibre") + rng.normal(size=count) * 0.5 > 0.5
    return pl.DataFrame(
        {
            "customer": [f"c{n}" for n in range(count)],
            "calls": calls,
            "minutes": minutes,
            "plan": plan,
            "left": left.astype(np.int64),
        }
    )


def workspace(root: Path, source: str, features: str = PLAIN) -> Path:
    """Make a folder with a contract, its code, and the rows in `data/rows.parquet`."""
    (root / "data").mkdir(parents=True)
    (root / "contract.yaml").write_text(CONTRACT.format(source=source, features=features), "utf-8")
    (root / "features.py").write_text(FEATURES, "utf-8")
    (root / ".gitignore").write_text(".tamid/\n", "utf-8")
    rows().write_parquet(root / "data" / "rows.parquet")
    return root
