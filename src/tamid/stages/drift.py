"""Drift of what goes in and what comes out, held against the profile that the bundle carries.

Needs no labels and proves nothing about quality: it is recorded for the diagnosis and for people.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from tamid.core.events import Measured
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.stats.drift import (
    Profile,
    number_counts,
    profile_from,
    psi,
    text_counts,
    weighted_psi,
)
from tamid.core.values import Task
from tamid.stages.bundling import PROFILE
from tamid.stages.rig import Rig

# Columns named in the record of a period: those that moved most.
NAMED = 8


def measure_drift(
    rig: Rig, state: State, task: Task, rows: pl.DataFrame, answered: pl.DataFrame, period: str
) -> Iterator[Measured]:
    """Yield the PSI of a scored period's scores and, weighted by importance, of its inputs.

    `rows`: joined good rows; `answered`: the period's predictions.
    """
    number = state.champion
    registered = state.versions[number].registered
    manifest = read_manifest(rig.blobs.get(registered.ref.bundle))
    stored = json.loads(rig.blobs.get(manifest.files[PROFILE]))
    mine = answered.filter(pl.col("rung") == "champion")
    if task is not Task.MULTICLASS and not mine.is_empty():
        profile = profile_from(stored["score"])
        scores = mine.get_column("score").cast(pl.Float64).to_numpy()
        yield from _measured("score_psi", psi(profile.counts, number_counts(profile, scores)),
                             period, number, len(scores))  # fmt: skip
    moved = {
        p.column: _psi(p, rows.get_column(p.column))
        for p in map(profile_from, stored["inputs"])
        if p.column in rows.columns
    }
    if moved and not rows.is_empty():
        value = weighted_psi(moved, _importance(rig, state, registered.run, moved))
        most = sorted(moved.items(), key=lambda item: -item[1])[:NAMED]
        yield from _measured("input_psi", value, period, number, rows.height, dict(most))


def _psi(profile: Profile, column: pl.Series) -> float:
    if profile.kind == "categories":
        return psi(profile.counts, text_counts(profile, column.cast(pl.String).to_list()))
    numbers = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return psi(profile.counts, number_counts(profile, numbers))


def _importance(
    rig: Rig, state: State, run: str, columns: Mapping[str, float]
) -> Mapping[str, float]:
    """Return the model's importance of the columns; all alike where it knows them otherwise."""
    finished = state.runs[run].finished
    report = json.loads(rig.blobs.get(finished.report)) if finished else {}
    known = {n: float(v) for n, v in report.get("importance", {}).items() if n in columns}
    return known if sum(known.values()) > 0 else dict.fromkeys(columns, 1.0)


def _measured(
    signal: str,
    value: float,
    period: str,
    number: int,
    rows: int,
    detail: Mapping[str, float] | None = None,
) -> Iterator[Measured]:
    if math.isfinite(value):
        yield Measured(
            key=f"{signal}/{number}/{period}",
            signal=signal,
            period=period,
            value=value,
            model_version=number,
            rows=rows,
            matured=0.0,
            detail={k: v for k, v in (detail or {}).items() if math.isfinite(v)},
        )
