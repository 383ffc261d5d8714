"""What a candidate is judged on, and the sums that every gate begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from numpy.random import Generator

from tamid.core.contract.metrics import champion_metric
from tamid.core.contract.model import Contract
from tamid.core.stats.blocks import Groups
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Task


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What a candidate is judged on.

    `rows`: judged rows with `_label`, `_weight`, `score`, `baseline_*` and the raw columns that cut
    slices and groups. `champion`: its scores of the same rows, None on a first run. `attempt`:
    how many candidates were judged on this matter, this one included; alpha is shared among them.
    `probe`: measured in a clean process. `report`: the run's own, as JSON. `dirty`: the run was
    made from code that is committed nowhere.
    """

    contract: Contract
    rows: pl.DataFrame
    threshold: float
    champion: pl.Series | None
    champion_threshold: float
    probe: Mapping[str, float]
    degraded: bool
    attempt: int
    report: str
    rng: Generator
    dirty: bool = False


def terms_of(
    e: Evidence,
    scores: pl.Series,
    threshold: float,
    name: str = "",
    *,
    rows: pl.DataFrame | None = None,
) -> Terms:
    frame = e.rows if rows is None else rows
    return terms(
        name or champion_metric(e.contract),
        e.contract.task,
        frame.get_column(LABEL).cast(pl.Float64).to_numpy(),
        scores.cast(pl.Float64).to_numpy(),
        threshold=threshold,
        weights=frame.get_column(WEIGHT).to_numpy(),
    )


def groups_of(rows: pl.DataFrame) -> Groups:
    entity = rows.get_column(ENTITY).cast(pl.String).rank("dense").cast(pl.Int64).to_numpy()
    if rows.get_column(TIME).null_count():
        return Groups(entity=entity)
    day = rows.get_column(TIME).cast(pl.Date).to_physical().cast(pl.Int64).to_numpy()
    week = rows.get_column(PERIOD).rank("dense").cast(pl.Int64).to_numpy()
    return Groups(entity=entity, day=day, week=week)


def cuts_of(rows: pl.DataFrame, column: str) -> list[tuple[str, pl.Series]]:
    values = rows.get_column(column)
    known = sorted(values.drop_nulls().unique().to_list(), key=str)
    return [(str(v), (values == v).fill_null(value=False)) for v in known]


def mass_of(e: Evidence, rows: pl.DataFrame) -> int:
    if e.contract.task is not Task.BINARY:
        return rows.height
    return int((rows.get_column(LABEL) == 1).sum())
