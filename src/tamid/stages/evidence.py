"""What a candidate is judged on, and the sums that every gate begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from numpy.random import Generator

from tamid.core.contract.metrics import champion_metric
from tamid.core.contract.model import Contract
from tamid.core.stats.blocks import Groups
from tamid.core.stats.metrics import Terms, terms
from tamid.core.values import LABEL, PERIOD, TIME, WEIGHT, Interval, Task
from tamid.stages.filing import numbered

# One-sided level of every gate; candidates and slices that are judged together share it.
ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """By how much fewer rows of a late period have a value in a column than those before had.

    `now`: the share that has one; `new`: the candidate reads the column, the champion does not.
    """

    column: str
    period: str
    fewer: Interval
    now: float
    new: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What a candidate is judged on.

    `rows`: judged rows with `_label`, `_weight`, `score`, `baseline_*` and the raw columns that cut
    slices and groups. `champion`: its scores of the same rows, None on a first run; a row that it
    learnt from and has no earlier score of is null, and no evidence. `attempt`:
    how many candidates were judged on this matter, this one included; alpha is shared among them.
    `probe`: measured in a clean process. `report`: the run's own, as JSON. `dirty`: the run was
    made from code that is committed nowhere, in the files `changed`. `refresh`: nothing but the
    clock or new rows asked for a run of a champion that is well. `buggy`: judged periods whose
    rows or labels are known to be wrong. `owed`: what a hand-over lacks. `now`: when it is judged.
    `gaps`: of the columns that candidate and champion read.
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
    changed: tuple[str, ...] = ()
    buggy: tuple[str, ...] = ()
    owed: tuple[str, ...] = ()
    now: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    refresh: bool = False

    def shared(self) -> Evidence:
        """Return the evidence on the rows of which the champion has not learnt, for comparing."""
        if self.champion is None:
            return self
        known = self.champion.cast(pl.Float64).is_not_null()
        return replace(self, rows=self.rows.filter(known), champion=self.champion.filter(known))


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
    entity = numbered(rows)
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


def mass_by_period(contract: Contract, frame: pl.DataFrame) -> Mapping[str, int]:
    """Return how many rows of each period a metric rests on: the positives, or all."""
    rows = frame.filter(pl.col(LABEL) == 1) if contract.task is Task.BINARY else frame
    return dict(rows.group_by(PERIOD).len().iter_rows())
