"""What matured rows teach about rows without labels: their chances, or the error to expect of each.

Learnt on the latest periods that a version answered, and before there are enough on the rows that
it was judged on: never on rows that it learnt from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.learning.model import Bools, Feature, FeatureTable, Floats, Learner, Param
from tamid.core.state import State
from tamid.core.stats.calibration import apply_calibration
from tamid.core.stats.estimate import class_chances, fit_chances, fit_classes
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task
from tamid.stages.likeness import Sample
from tamid.stages.quality import judged_periods, matured
from tamid.stages.registry import judged_frame
from tamid.stages.rig import Rig

# Matured periods that are learnt from: the latest, so that what was learnt is not stale.
REFERENCE = 8
# Direct loss estimation: few leaves with many rows each, for the size of errors is mostly noise.
_PARAMS: Mapping[str, Param] = {"num_iterations": 60, "num_leaves": 15, "min_data_in_leaf": 50}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Rows whose truth is known, with `score`, `_label` and `_weight`, and their periods."""

    rows: pl.DataFrame
    periods: tuple[str, ...]


def known_rows(
    rig: Rig, contract: Contract, state: State, period: str, now: datetime
) -> Known | None:
    """Return the latest rows with truth that are no news to the period's version, None if none."""
    number = state.scored[period].number
    served = [
        p
        for p in matured(rig, contract, state, now)
        if p < period and p in state.scored and state.scored[p].number == number
    ][-REFERENCE:]
    parts = []
    if served:
        parts.append(_columns(judged_periods(rig, contract, state, served, now)))
    # What was judged keeps the best class alone, not its chances.
    if len(served) < REFERENCE and contract.task is not Task.MULTICLASS:
        judged = judged_frame(rig, state, state.versions[number].registered.run)
        judged = judged.filter(~pl.col(PERIOD).is_in(served) & (pl.col(PERIOD) < period))
        earlier = sorted(judged.get_column(PERIOD).unique())[len(served) - REFERENCE :]
        parts.append(_columns(judged.filter(pl.col(PERIOD).is_in(earlier))))
    rows = pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()
    if rows.is_empty():
        return None
    return Known(rows=rows, periods=tuple(sorted(rows.get_column(PERIOD).unique())))


def chances(task: Task, known: Known, rows: pl.DataFrame) -> Floats:
    """Return calibrated chances of scored rows: (n,) of the positive class, or (n, k) of each."""
    y = known.rows.get_column(LABEL).to_numpy()
    weight = known.rows.get_column(WEIGHT).to_numpy()
    if task is Task.MULTICLASS:
        names = class_columns(rows)
        curves = fit_classes(y, known.rows.select(names).to_numpy(), weight)
        return class_chances(curves, rows.select(names).to_numpy())
    curve = fit_chances(y, known.rows.get_column("score").to_numpy(), weight)
    return apply_calibration(curve, rows.get_column("score").cast(pl.Float64).to_numpy())


def class_columns(rows: pl.DataFrame) -> list[str]:
    """Return the columns that hold the chances of classes, in the order of the classes."""
    return [name for name in rows.columns if name.startswith("class_")]


def expected_errors(
    learner: Learner, known: Known, rows: pl.DataFrame, found: Sample, *, squared: bool, seed: int
) -> tuple[Floats, Floats] | None:
    """Return the error expected of each sampled row of the period, and its answer.

    `rows`: the period's answers. A model of |error| (or its square) is fitted on features and
    answer of the known rows. None where fewer rows are known than two leaves take.
    Source: NannyML documentation, direct loss estimation (DLE).
    """
    wanted = [ENTITY, TIME, "score", LABEL, WEIGHT]
    here = rows.select(ENTITY, TIME, pl.col("score").cast(pl.Float64))
    answers = pl.concat([known.rows.select(wanted), here], how="diagonal_relaxed")
    answers = answers.unique([ENTITY, TIME], keep="first", maintain_order=True)
    keyed = found.keys.join(
        answers, on=[ENTITY, TIME], how="left", nulls_equal=True, maintain_order="left"
    )
    column = {n: keyed.get_column(n).fill_null(math.nan).to_numpy() for n in wanted[2:]}
    error = np.abs(column["score"] - column[LABEL])
    past = ~found.now & np.isfinite(error)
    now = found.now & np.isfinite(column["score"])
    if past.sum() < 2 * int(_PARAMS["min_data_in_leaf"]) or not now.any():
        return None
    model = learner.fit(
        _with_answer(found, column["score"], past),
        error[past] ** 2 if squared else error[past],
        column[WEIGHT][past],
        _PARAMS,
        seed,
    )
    guess = model.predict(_with_answer(found, column["score"], now))
    return np.maximum(guess, 0.0), column["score"][now]


def _with_answer(found: Sample, answer: Floats, rows: Bools) -> FeatureTable:
    values = np.column_stack([found.table.values[rows], answer[rows]])
    return FeatureTable(features=(*found.table.features, Feature(name="_answer")), values=values)


def _columns(rows: pl.DataFrame) -> pl.DataFrame:
    names = [ENTITY, TIME, PERIOD, LABEL, WEIGHT, "score", *class_columns(rows)]
    return rows.select(names).with_columns(pl.col(LABEL, WEIGHT, "score").cast(pl.Float64))
