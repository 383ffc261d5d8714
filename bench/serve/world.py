"""A workspace as a user would have it: data on disk, a contract, one released version."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

MODEL = "churn"
WEEKS, PER_WEEK = 20, 1000
# Levels of each word, as many as such columns have.
LEVELS = {"plan": 3, "contract": 4, "payment": 3, "region": 20, "device": 6}
NUMBERS = [f"n{i:02d}" for i in range(20)]
# Three columns with holes, three of a hundred each.
HOLED = ("n03", "n07", "n11")
_CONTRACT = """\
tamid: 1
name: churn
task: binary
data:
  source: data/rows/*.csv
  entity: customer
  time: week
  label: {{column: left, positive: true, horizon: 7d, reporting_lag: 2d, source: data/left/*.csv}}
  schema:
{columns}
features: {features}
training: {{model: "pipeline.py:build", calibrate: none, threads: 1, threshold: 0.5}}
gates: {{}}
service: {{p99_ms: {deadline}, fallback: [default: 0.2]}}
delivery: {{to: []}}
"""
# Code that changes nothing is code all the same: the model is served from its stored form.
_OWN = "def build(frame):\n    return frame\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the servers are given: a workspace, the same pipeline as a pickle, rows with answers.

    `uncompiled`: a workspace whose model is left to a worker. `program`: our compiled model.
    `rows`: rows as JSON would hold them; `wanted`: what the original says of each, on pandas.
    """

    folder: Path
    workspace: Path
    uncompiled: Path
    pickle: Path
    program: Path
    rows: Sequence[Mapping[str, Any]]
    wanted: Sequence[float]


def make(folder: Path, python: str) -> World:
    """Make the world in a folder, or read the one that is there; `python` is one with pandas."""
    workspace, pickled, program = folder / "workspace", folder / "model.pickle", folder / "program"
    uncompiled = folder / "uncompiled"
    rows_file, wanted_file = folder / "rows.json", folder / "wanted.json"
    for place in (workspace, uncompiled):
        # Logs of earlier runs: nobody takes them into tables, and a full one is kept otherwise.
        shutil.rmtree(place / ".tamid" / "spool", ignore_errors=True)
    if not wanted_file.is_file():
        if not (workspace / ".tamid" / "ledger.sqlite").is_file():
            _train(workspace)
        files = _bundle(workspace)
        pickled.write_bytes(pickle.dumps(_original(files["model/model.skops"])))
        program.write_bytes(files["compiled/program.bin"])
        # A missing number is another thing in every protocol: rows with holes are trained on, and
        # are not sent.
        frame = _frame(80, seed=99, week=date(2020, 1, 6)).drop("customer", "week")
        rows_file.write_text(json.dumps(frame.drop_nulls().to_dicts()))
        script = str(Path(__file__).parent / "apps" / "answers.py")
        command = [python, script, str(pickled), str(rows_file)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        wanted_file.write_text(told)
    if not (uncompiled / ".tamid" / "ledger.sqlite").is_file():
        # A row takes as long as its pipeline does; the gate of 50 ms would hold it back.
        _train(uncompiled, features='{code: "features.py:build"}', deadline=5000)
    return World(
        folder=folder,
        workspace=workspace,
        uncompiled=uncompiled,
        pickle=pickled,
        program=program,
        rows=json.loads(rows_file.read_text()),
        wanted=json.loads(wanted_file.read_text()),
    )


def _train(workspace: Path, *, features: str = "{}", deadline: int = 50) -> None:
    workspace.mkdir(parents=True, exist_ok=True)
    here = Path(__file__).parent
    _tamid(workspace.parent, "init", workspace.name)
    kinds = dict.fromkeys(NUMBERS, "{type: number, nullable: true}")
    for name, levels in LEVELS.items():
        words = ", ".join(f"{name}-{i}" for i in range(levels))
        kinds[name] = f"{{type: category, allowed: [{words}]}}"
    columns = "\n".join(f"    {name}: {kind}" for name, kind in kinds.items())
    text = _CONTRACT.format(columns=columns, features=features, deadline=deadline)
    (workspace / "contract.yaml").write_text(text)
    (workspace / "features.py").write_text(_OWN)
    (workspace / "pipeline.py").write_bytes((here / "pipeline.py").read_bytes())
    for part in ("rows", "left"):
        (workspace / "data" / part).mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).date()
    monday = today - timedelta(days=today.weekday())
    for i in range(WEEKS):
        week = monday - timedelta(weeks=WEEKS - 1 - i)
        frame = _frame(PER_WEEK, seed=i, week=week)
        frame.write_csv(workspace / "data" / "rows" / f"{week}.csv")
        if week + timedelta(days=9) <= today:
            left = frame.select("customer", "week", left=pl.Series(_left(frame, seed=i)))
            left.write_csv(workspace / "data" / "left" / f"{week}.csv")
    _tamid(workspace, "tick")


def _frame(rows: int, *, seed: int, week: date) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {
        "customer": [f"c{i:05d}" for i in range(rows)],
        "week": [week.isoformat()] * rows,
    }
    for name in NUMBERS:
        values = rng.normal(size=rows).round(6)
        holes = rng.random(rows) < 0.03
        made[name] = pl.Series(values)
        if name in HOLED:
            made[name] = pl.Series(np.where(holes, np.nan, values)).fill_nan(None)
    for name, levels in LEVELS.items():
        made[name] = [f"{name}-{i}" for i in rng.integers(0, levels, rows)]
    return pl.DataFrame(made)


def _left(frame: pl.DataFrame, *, seed: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    rng = np.random.default_rng(10_000 + seed)
    x = {name: frame[name].fill_null(0.0).to_numpy() for name in NUMBERS}
    pull = x["n00"] - 0.7 * x["n01"] + 0.5 * x["n02"] * x["n03"] + 0.4 * np.abs(x["n04"])
    pull = pull + 0.8 * (frame["plan"] == "plan-0").to_numpy() - 0.6
    pull = pull + 0.5 * (frame["region"].str.slice(7).cast(pl.Int64) % 5 == 0).to_numpy()
    return np.asarray(rng.random(len(frame)) < 1 / (1 + np.exp(-1.5 * pull)))


def _bundle(workspace: Path) -> Mapping[str, bytes]:
    """Return the files of the released version."""
    from tamid.adapters.blobs import FileBlobs
    from tamid.adapters.sqlite import SqliteLedger
    from tamid.core.fold import fold
    from tamid.core.learning.bundle import read_manifest

    store = workspace / ".tamid"
    state = fold(SqliteLedger(store / "ledger.sqlite", read_only=True).read(MODEL))
    blobs = FileBlobs(store / "blobs")
    bundle = state.versions[state.champion].registered.ref.bundle
    files = read_manifest(blobs.get(bundle)).files
    return {path: blobs.get(digest) for path, digest in files.items()}


def _original(content: bytes) -> Any:
    """Return the very pipeline that was fitted and released."""
    import skops.io

    # Our own file, just written by this machine: every type in it is trusted.
    return skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))


def _tamid(folder: Path, *words: str) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "tamid", *words], cwd=folder, env=env, check=True)
