"""What production knows of a model, for the one who made it: labelled rows, errors, drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import Waiting
from tamid.core.learning.model import Floats
from tamid.core.state import State
from tamid.core.usual import INPUT_PSI, SCORE_PSI
from tamid.core.values import ENTITY, LABEL, PERIOD, STATIC_PERIOD, TIME, WEIGHT, TablePin, Task
from tamid.stages import dataset, joining
from tamid.stages.drift import COLUMN_DRIFT
from tamid.stages.quality import judged_periods, matured
from tamid.stages.registry import threshold_of
from tamid.stages.rig import Rig

ERROR, DECIDED = "_error", "_decided"
# A chance of zero for what came true would be an error without end.
_LEAST = 1e-6
# Of so many times the periods asked for those are taken that have labels at all.
_LOOKED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feedback:
    """Rows of production with their truth, worst errors first in `worst`, and what has moved.

    `rows` has `_entity`, `_time`, `_period`, `_label`, `_weight`, `score`, `version`, `_decided`,
    `_error` and the inputs. `drift` has `signal`, `column`, `period`, `value`. `pins` and `seq`
    say of which tables and events this was made.
    """

    version: int
    contract: str
    periods: tuple[str, ...]
    threshold: float
    rows: pl.DataFrame
    worst: pl.DataFrame
    drift: pl.DataFrame
    pins: tuple[TablePin, ...]
    seq: int


def feedback(rig: Rig, state: State, now: datetime, periods: int, worst: int) -> Feedback:
    """Gather what is known of the champion's last periods whose labels are in.

    Raises:
        Waiting: no version is live, or no period that it scored has its labels yet.
    """
    if not state.champion:
        raise Waiting("no version is live yet", why="what never answered has made no errors")
    version = state.versions[state.champion]
    contract = rig.contract(version.registered.contract)
    known = (STATIC_PERIOD,) if contract.data.time is None else matured(rig, contract, state, now)
    scored = tuple(p for p in known if p in state.scored)[-_LOOKED * periods :]
    judged = judged_periods(rig, contract, state, scored, now) if scored else pl.DataFrame()
    last = tuple(judged.get_column(PERIOD).unique().sort())[-periods:] if judged.height else ()
    if not last:
        raise Waiting(
            "no period that was scored has its labels yet",
            why="without the truth nobody can say which answers were wrong",
            fix="`tamid status` says when labels are due.",
        )
    judged = judged.filter(pl.col(PERIOD).is_in(last))
    inputs = dataset.good(joining.joined(rig.tables, contract, state.pins, list(last), now))
    keys = [ENTITY, TIME]
    raw = inputs.select(*keys, *(c for c in inputs.columns if c not in judged.columns))
    raw = raw.select(c for c in raw.columns if c in keys or not c.startswith("_"))
    rows = judged.join(raw, on=keys, how="left", nulls_equal=True, maintain_order="left")
    threshold = threshold_of(rig, state, state.champion)
    rows = _told(rows, contract, threshold)
    return Feedback(
        version=state.champion,
        contract=version.registered.contract,
        periods=last,
        threshold=threshold,
        rows=rows,
        worst=rows.sort(ERROR, descending=True, nulls_last=True).head(worst),
        drift=_drift(state, last),
        pins=tuple(pin for _, pin in sorted(state.pins.items())),
        seq=state.seq,
    )


def _told(rows: pl.DataFrame, contract: Contract, threshold: float) -> pl.DataFrame:
    """Return the rows with what was decided and how wrong it was, in a readable order."""
    y = rows.get_column(LABEL).cast(pl.Float64).to_numpy()
    score = rows.get_column("score").cast(pl.Float64).to_numpy()
    decided = (score >= threshold).astype(np.float64) if contract.task is Task.BINARY else score
    told = rows.with_columns(
        pl.Series(DECIDED, decided), pl.Series(ERROR, _errors(rows, contract, y, score))
    )
    first = [ENTITY, TIME, PERIOD, LABEL, WEIGHT, "score", "version", DECIDED, ERROR]
    ours = {"id", "rung", "treated", "propensity", "revision", "control", "band"}
    first = [c for c in first if c in told.columns]
    rest = [c for c in told.columns if c not in first and c not in ours]
    shown = [c for c in rest if not c.startswith(("_", "reason_"))]
    return told.select(*first, *shown)


def _errors(rows: pl.DataFrame, contract: Contract, y: Floats, score: Floats) -> Floats:
    """Return each row's loss: the log loss of its truth, or the distance of the numbers."""
    if contract.task is Task.REGRESSION:
        return np.asarray(np.abs(y - score), dtype=np.float64)
    chance = np.where(y == 1, score, 1 - score)
    classes = [c for c in rows.columns if c.startswith("class_")]
    if contract.task is Task.MULTICLASS:
        if not classes:
            return np.asarray(y != score, dtype=np.float64)
        table = rows.select(classes).to_numpy()
        chance = table[np.arange(len(y)), y.astype(np.int64)]
    return np.asarray(-np.log(np.maximum(chance, _LEAST)), dtype=np.float64)


def _drift(state: State, periods: Sequence[str]) -> pl.DataFrame:
    """Return how far scores and inputs moved in these periods, and the columns that moved most."""
    found = []
    for signal in (SCORE_PSI, INPUT_PSI, COLUMN_DRIFT):
        told = state.measured.get(f"{signal}@{state.champion}", {})
        for period in periods:
            if period not in told:
                continue
            found.append((signal, "", period, told[period].value))
            found += [(signal, c, period, float(v)) for c, v in told[period].detail.items()]
    return pl.DataFrame(
        found,
        schema={
            "signal": pl.String, "column": pl.String, "period": pl.String, "value": pl.Float64
        },
        orient="row",
    )  # fmt: skip
