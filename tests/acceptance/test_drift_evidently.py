"""How much faster a week is held against stored profiles than Evidently reports it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from environments import python_with

from tamid.core.stats.drift import number_counts, profile_numbers, psi

T = TypeVar("T")
Floats = npt.NDArray[np.float64]
COLUMNS, USUAL, MOVED = 20, 50_000, 5
REPORT = Path(__file__).with_name("evidently_report.py")


@pytest.fixture(scope="module")
def evidently() -> Path:
    """The Python of an environment that holds Evidently alone, which works with pandas 2 only."""
    return python_with("evidently==0.7.23", "pandas<3")


@pytest.mark.bench
@pytest.mark.timeout(1800)  # Evidently takes a minute of CPU for a million rows
@pytest.mark.parametrize("rows", [100_000, 1_000_000])
def test_drift_is_a_hundred_times_faster_than_the_report_of_evidently(
    evidently: Path, tmp_path: Path, rows: int
) -> None:
    """Twenty columns against 50,000 rows by CPU of one run, and the same columns have moved."""
    rng = np.random.default_rng(0)
    usual, table = rng.normal(size=(COLUMNS, USUAL)), rng.normal(size=(COLUMNS, rows))
    table[:MOVED] += 0.5
    table[:, ::100] = np.nan
    profiled, profiles = _timed(lambda: [profile_numbers("x", column) for column in usual])

    def ours() -> list[float]:
        pairs = zip(profiles, table, strict=True)
        return [psi(p.counts, number_counts(p, column)) for p, column in pairs]

    before, found = min((_timed(ours) for _ in range(3)), key=lambda pair: pair[0])
    theirs, distances = _reported(evidently, usual, table, tmp_path)
    after, _ = min((_timed(ours) for _ in range(3)), key=lambda pair: pair[0])
    slowest = max(before, after)  # a machine that is slower for one is so for the other
    text = f"{slowest:.3f} s against {theirs:.1f} s, {theirs / slowest:.0f} times as fast"
    also = f"{theirs / (slowest + profiled):.0f} with profiling the reference"
    sys.stdout.write(f"\ndrift of {rows} x {COLUMNS}, Evidently: {text}; {also}")
    moved = set(range(MOVED))
    assert set(np.argsort(found)[-MOVED:]) == moved == set(np.argsort(distances)[-MOVED:])
    assert theirs > 100 * slowest


def _timed(work: Callable[[], list[T]]) -> tuple[float, list[T]]:
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def _reported(python: Path, usual: Floats, table: Floats, at: Path) -> tuple[float, list[float]]:
    names = [at / "usual.npy", at / "now.npy", at / "out.json"]
    np.save(names[0], usual)
    np.save(names[1], table)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    env |= {"OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1"}
    command = [str(python), str(REPORT), *map(str, names)]
    ran = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = json.loads(names[2].read_text())
    return told["seconds"], [told["distances"][f"x{k}"] for k in range(COLUMNS)]
