"""`tamid explain` of a model without a time: its rows have no moment, its answers one."""

from __future__ import annotations

from pathlib import Path

import lab
import numpy as np
import polars as pl
import pytest

from tamid.cli.main import main

TIMELESS = """\
tamid: 1
name: churn
task: binary
data:
  source: {path: rows/*.parquet, owner: mlops_engineer}
  entity: customer
  label: {column: left, positive: 1}
  schema: {minutes: {type: number}, calls: {type: number}, left: {type: integer}}
training: {model: logistic}
gates: {baselines: [majority]}
service: {p99_ms: 60000, start_s: 600, memory_mb: 4000, fallback: [default: 0.5]}
release: {path: [live], approval: auto}
"""


def test_what_moved_an_answer_is_said_without_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entity's only row is the one that the answer was made of."""
    root = lab.make(tmp_path / "w", TIMELESS, weeks=0)
    rng = np.random.default_rng(3)
    minutes, calls = rng.normal(size=(2, 900))
    left = (minutes + rng.normal(0, 0.3, 900) < 0).astype(np.int64)
    people = [f"c{n}" for n in range(900)]
    rows = {"customer": people, "minutes": minutes, "calls": calls, "left": left}
    (root / "rows").mkdir()
    pl.DataFrame(rows).write_parquet(root / "rows" / "1.parquet")
    lab.ticked(root)
    assert main(["-C", str(root), "explain", "c5"]) == 0
    said = capsys.readouterr().out
    assert "answers: 1" in said
    assert "not stored any more" not in said
    assert "    minutes " in said
