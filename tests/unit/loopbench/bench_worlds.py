"""Small invented sets for the tests of LoopBench: written as a folder, or made as a world."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from tamid.core.learning.model import Feature
from tamid.core.values import Task
from tamid.loopbench.world import World


def a_world(weeks: int = 40, rows: int = 60, task: Task = Task.BINARY) -> World:
    """Make a world of two numbers and a word, whose first number tells the outcome."""
    rng = np.random.default_rng(3)
    n = weeks * rows
    first, second = rng.normal(size=n), rng.normal(10.0, 2.0, size=n)
    word = rng.integers(0, 3, size=n).astype(np.float64)
    signal = first + 0.3 * rng.normal(size=n)
    y = signal * 5 + 20 if task is Task.REGRESSION else (signal > 0.5).astype(np.float64)
    if task is Task.MULTICLASS:
        y = np.digitize(signal, [-0.5, 0.5]).astype(np.float64)
    features = (
        Feature(name="first"),
        Feature(name="second"),
        Feature(name="word", kind="category", categories=("a", "b", "c")),
    )
    return World(
        name="made", task=task, classes={Task.MULTICLASS: 3}.get(task, 2), features=features,
        values=np.column_stack([first, second, word]), y=y, told=y,
        start=np.arange(weeks + 1) * rows, lag=np.full(weeks, 2), delay=2, warm_up=20,
    )  # fmt: skip


def write_set(
    folder: Path,
    name: str,
    task: Task,
    *,
    rows: int = 1920,
    said: Mapping[str, object] | None = None,
) -> None:
    """Write one set in the form of the benchmark; `said` overrides what its JSON says."""
    rng = np.random.default_rng(len(name))
    x = rng.normal(size=rows)
    signal = x + 0.5 * rng.normal(size=rows)
    words = np.array(["low", "middle", "high"])[np.digitize(signal, [-0.7, 0.7])]
    target = {
        Task.BINARY: np.where(signal > 0.3, "yes", "no"),
        Task.MULTICLASS: words,
        Task.REGRESSION: signal * 3 + 7,
    }[task]
    frame = pl.DataFrame(
        {
            "id": np.arange(rows),
            "x": x,
            "count": rng.poisson(4, size=rows),
            "plan": np.array(["basic", "plus", "fibre"])[rng.integers(0, 3, size=rows)],
            "outcome": target,
        }
    )
    frame.write_parquet(folder / f"{name}.parquet")
    described: dict[str, object] = {
        "name": name,
        "task": task.value,
        "target": "outcome",
        "time_column": None,
        "id_columns": ["id"],
        "drop_for_model": ["id"],
    }
    if task is Task.BINARY:
        described["positive"] = "yes"
    (folder / f"{name}.json").write_text(json.dumps(described | dict(said or {})), encoding="utf-8")
