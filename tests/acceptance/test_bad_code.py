"""The user's code goes wrong: the run fails, the ML developer hears of it, the champion stays.

One workspace lives through it all, each way after the other, through real `tamid tick`s.
"""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from processes import present, tamid

from tamid.core.policy import RESTARTS_PER_RUN
from tamid.core.state import Run, State
from tamid.core.values import Role

CONTRACT = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows.csv, owner: mlops_engineer}
  entity: customer
  time: week
  label: {column: left, positive: 1, horizon: 7d, source: {path: labels.csv}}
  schema:
    minutes: {type: number, min: 0, max: 10080}
    calls: {type: number, min: 0}
features: {code: "features.py:build"}
training: {model: logistic, timeout: 300s}
gates: {minimum: {f1: 0.3}, calibration: {max_ece: 0.3}}
service: {p99_ms: 60000, start_s: 600, memory_mb: 4000}
delivery: {every: 7d}
"""
GOOD = "import polars as pl\n\n\ndef build(rows):\n    return rows.select('minutes', 'calls')\n"
BEGIN = GOOD.partition("    return")[0]
# The code, and what the run's failure must say.
BAD = {
    "raises": (BEGIN + "    raise RuntimeError('no such thing as minutes')\n", "no such thing"),
    "too short": (BEGIN + "    return rows.select('minutes').head(3)\n", "returned 3 rows for"),
    "row order": (
        BEGIN + "    return rows.select('calls', pl.col('minutes').cum_sum())\n",
        "depend on the order of rows",
    ),
    # Training sees many rows; the service asks for one.
    "alone": (
        BEGIN + "    assert rows.height > 1\n    return rows.select('minutes', 'calls')\n",
        "the candidate does not answer",
    ),
}
HANGS = "import time\n\n\ndef build(rows):\n    time.sleep(3600)\n"
RARER = {
    "no frame": (BEGIN + "    return 42\n", "not a Polars DataFrame"),
    "no syntax": (BEGIN + "    return (\n", "SyntaxError"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a champion."""
    root = tmp_path_factory.mktemp("code")
    (root / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    (root / "features.py").write_text(GOOD, encoding="utf-8")
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    chance, rows, labels = random.Random(7), ["customer,week,minutes,calls"], ["customer,week,left"]
    for week in range(11, 1, -1):
        stamp = (sunday - timedelta(weeks=week)).isoformat()
        for n in range(120):
            minutes = chance.uniform(0, 1000)
            left = int(chance.random() < (0.9 if minutes < 250 else 0.03))
            rows.append(f"c{n},{stamp},{minutes:.1f},{chance.randint(0, 20)}")
            labels.append(f"c{n},{stamp},{left}")
    (root / "rows.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (root / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    result = tamid(root, "tick")
    assert result.returncode == 0, result.stderr
    assert present(root).champion == 1, result.stdout
    return root


def failed(root: Path, code: str) -> tuple[State, Run]:
    """Put new code down, turn the loop, and return the state with the run that failed."""
    (root / "features.py").write_text(code, encoding="utf-8")
    result = tamid(root, "tick")
    assert (result.returncode, result.stderr) == (0, "")
    state = present(root)
    run = list(state.runs.values())[-1]
    assert run.started.trigger == "code"
    assert run.failed is not None, run.judged
    assert state.run_in_flight is None
    assert state.champion == 1
    return state, run


def owners(state: State, run: Run) -> list[Role]:
    """Return who has an open case about a run."""
    return [c.opened.role for c in state.open_cases.values() if run.started.run in c.runs]


@pytest.mark.parametrize(
    "way", [*BAD, *(pytest.param(way, marks=pytest.mark.integration) for way in RARER)]
)
def test_code_that_goes_wrong_is_a_case_for_its_developer(root: Path, way: str) -> None:
    """The run fails at once as the code's fault, and is not tried again."""
    code, told = (BAD | RARER)[way]
    state, run = failed(root, code)
    assert run.failed is not None
    assert run.failed.failure == "user_code"
    assert told in run.failed.message
    assert "own code failed" not in run.failed.message
    assert run.attempts == 1
    assert owners(state, run) == [Role.ML_DEVELOPER]


def test_code_that_hangs_is_a_case_for_its_developer(root: Path, tmp_path: Path) -> None:
    """It is killed when its time is over, and that is the code's fault like any other."""
    copy = shutil.copytree(root, tmp_path / "copy")
    (copy / "contract.yaml").write_text(CONTRACT.replace("300s", "6s"), encoding="utf-8")
    state, run = failed(copy, HANGS)
    assert run.failed is not None
    assert run.failed.failure == "user_code"
    assert "took longer than 6 s" in run.failed.message
    assert run.attempts == 1
    assert owners(state, run) == [Role.ML_DEVELOPER]


@pytest.mark.integration
def test_a_worker_that_dies_each_time_is_given_up(root: Path) -> None:
    """A process that ends without a word is tried again a few times, then it is nobody's secret."""
    state, run = failed(root, BEGIN + "    import os\n    os._exit(3)\n")
    assert run.failed is not None
    assert run.failed.failure == "abandoned"
    assert "exited with code 3" in run.failed.message
    assert run.attempts == RESTARTS_PER_RUN + 1
    assert len(owners(state, run)) == 1
