"""Drift of what goes in and what comes out, held against the weeks that the bundle carries.

Needs no labels and proves nothing about quality. Scores and importance-weighted inputs are signals
that may page; that single columns stand out is recorded for people and for the diagnosis.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.state import State
from tamid.core.stats.arrays import Floats
from tamid.core.usual import INPUT_PSI, SCORE_PSI, outstanding
from tamid.core.values import WEIGHT, Task
from tamid.stages.moved import moved, ordinary_weeks, scores_moved, usual_of
from tamid.stages.rig import Rig
from tamid.stages.usual import Usual, column_counts, weights_of

# Columns named in the record of a period: those that moved most.
NAMED = 8
# How far the column that stands out most stands out: a ticket, never a page.
COLUMN_DRIFT = "column_drift"


def measure_drift(
    rig: Rig,
    state: State,
    contract: Contract,
    rows: pl.DataFrame,
    answered: pl.DataFrame,
    period: str,
    *,
    prefix: str = "",
    usual: Usual | None = None,
    weighed: bool = False,
) -> Iterator[Measured]:
    """Yield how far a scored period's scores and inputs moved, and the column that stands out.

    `contract`: the champion's; `rows`: joined good rows; `answered`: the period's predictions.
    `prefix`: what the names of the signals begin with, for answers that were given elsewhere;
    `usual`: what those are held against, if not what is usual for the version; `weighed`: rows and
    answers have weights, which add up to the rows that they are worth.
    """
    number = state.champion
    scores, inputs, columns = (prefix + s for s in (SCORE_PSI, INPUT_PSI, COLUMN_DRIFT))
    usual = usual or usual_of(rig, state, number)
    # Signals are measured anew when a period is scored anew: the second truth replaces the first.
    key = f"{number}/{period}/{state.seq}"
    mine = answered.filter(pl.col("rung") == "champion")
    told = scores_moved(rig, contract, usual, mine, period, _weights(mine, weighed))
    if told is not None:
        named = told.columns if contract.task is Task.MULTICLASS else {}
        yield from _measured(
            f"{scores}/{key}",
            scores,
            period,
            told.value,
            number,
            _worth(mine, weighed),
            _most({n.removeprefix("class_"): v for n, v in named.items()}),
        )
    if rows.is_empty():
        return
    weeks = ordinary_weeks(rig, contract, usual.input_weeks)
    importance = importance_of(rig, state, number)
    weight = weights_of(weeks, importance) if weeks.names else {}
    weights = _weights(rows, weighed)
    profiles = [p for p in usual.inputs if p.column in rows.columns]
    watched = [p for p in profiles if p.column in weight] or profiles
    weight = weight or {p.column: importance.get(p.column, 0.0) for p in watched}
    if not any(weight.get(p.column, 0.0) > 0 for p in watched):
        weight = {p.column: 1.0 for p in watched}
    counts = {p.column: column_counts(p, rows.get_column(p.column), weights) for p in watched}
    found = moved(weeks, watched, counts, period, weight)
    most = _most(found.columns)
    yield from _measured(
        f"{inputs}/{key}",
        inputs,
        period,
        found.value,
        number,
        _worth(rows, weighed),
        most,
    )
    yield from _measured(
        f"{columns}/{key}", columns, period, found.z, number, _worth(rows, weighed),
        outstanding(weeks, found.columns, NAMED),
    )  # fmt: skip


def importance_of(rig: Rig, state: State, number: int) -> Mapping[str, float]:
    """Return a version's importance of its features, by name; empty if it does not know them."""
    run = state.runs.get(state.versions[number].registered.run)
    report = json.loads(rig.blobs.get(run.finished.report)) if run and run.finished else {}
    return {name: float(share) for name, share in report.get("importance", {}).items()}


def _weights(rows: pl.DataFrame, weighed: bool) -> Floats | None:
    return rows.get_column(WEIGHT).to_numpy() if weighed else None


def _worth(rows: pl.DataFrame, weighed: bool) -> int:
    return round(rows.get_column(WEIGHT).sum()) if weighed else rows.height


def _most(columns: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(columns.items(), key=lambda item: -item[1])[:NAMED])


def _measured(
    key: str,
    signal: str,
    period: str,
    value: float,
    number: int,
    rows: int,
    detail: Mapping[str, float] | None = None,
) -> Iterator[Measured]:
    if math.isfinite(value):
        yield Measured(
            key=key,
            signal=signal,
            period=period,
            value=value,
            model_version=number,
            rows=rows,
            matured=0.0,
            detail={k: v for k, v in (detail or {}).items() if math.isfinite(v)},
        )
