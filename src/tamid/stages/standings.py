"""Standings: how good each rung of the ladder would have been on the drifted periods."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import polars as pl

from tamid.core.contract.model import Contract, Rung
from tamid.core.errors import Conflict, TamidError
from tamid.core.events import Measured
from tamid.core.ladder import BY_MODELS, CHAMPION, PREVIOUS, REDUCED
from tamid.core.paging import level_of
from tamid.core.rules.retraining import drifted
from tamid.core.state import State
from tamid.core.values import ENTITY, PERIOD, TIME, Task
from tamid.stages import dataset, joining
from tamid.stages.quality import (
    ANSWERED,
    BY_CHAMPION,
    judged_periods,
    matured,
    measured_on,
    rescored,
)
from tamid.stages.registry import voice
from tamid.stages.rig import Rig

_PATIENCE = timedelta(minutes=10)


def measure_rungs(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Measured]:
    """While a fall of quality is confirmed, yield how good each rung would be on its periods.

    A rung that is asked first leaves to the champion what it cannot answer; the champion is judged
    on what others answered meanwhile, too. Larger is better, whatever the metric's direction.
    """
    periods = [p for p in drifted(state, matured(rig, contract, state, now)) if p in state.scored]
    if not periods or state.measure("rung/champion", state.champion, periods[-1]):
        return
    rows = _by_champion(rig, contract, state, periods, now)
    if rows.is_empty():
        return
    sign = level_of(contract).sign
    answers = {CHAMPION: rows}
    for rung in contract.service.fallback:
        given = _answered(rig, contract, state, rung, rows, now)
        if given is not None and not given.is_empty():
            answers[rung.kind] = given
    for name, answered in answers.items():
        asked = state.previous if name == PREVIOUS else state.champion
        found = measured_on(rig, contract, state, answered, asked)
        if math.isfinite(found.value):
            yield Measured(
                key=f"rung/{name}/{state.champion}/{periods[-1]}",
                signal=f"rung/{name}",
                period=periods[-1],
                value=sign * found.value,
                interval=found.interval,
                model_version=state.champion,
                rows=found.rows,
                positives=found.positives,
            )


def _by_champion(
    rig: Rig, contract: Contract, state: State, periods: Sequence[str], now: datetime
) -> pl.DataFrame:
    """Return all that was answered in some periods, as the champion would have answered it.

    A row that breaks the contract it would not have answered, nor one of a suspected period.
    """
    rows = judged_periods(rig, contract, state, periods, now, ANSWERED)
    own = rows.filter(BY_CHAMPION)
    others = rows.filter(~BY_CHAMPION & ~pl.col(PERIOD).is_in(state.suspected))
    asked = None
    if not others.is_empty():
        asked = rescored(rig, contract, state, others, state.champion, now)
    return own if asked is None else pl.concat([own, asked.select(own.columns)])


def _answered(
    rig: Rig, contract: Contract, state: State, rung: Rung, rows: pl.DataFrame, now: datetime
) -> pl.DataFrame | None:
    """Return the rows with what a rung, asked first, would have answered; None: not to be asked."""
    if contract.task is Task.MULTICLASS and rung.kind not in (PREVIOUS, REDUCED):
        return None  # only a version's answers have a chance per class to be judged by
    try:
        match rung.kind:
            case "previous":
                if not state.previous:
                    return None
                return rescored(rig, contract, state, rows, state.previous, now)
            case "reduced":
                return rescored(rig, contract, state, rows, state.champion, now, reduced=True)
            case "last_score":
                given = _last_scores(rig, contract, state, rung, rows)
            case "rule":
                given = _by_rule(rig, contract, state, rung, rows, now)
            case "abstain":
                return None  # no score can be no better one
            case _:
                given = rows.select(ENTITY, TIME, pl.lit(rung.value).alias("_given"))
    except Conflict:
        raise
    except TamidError:
        return None  # a rung that cannot answer today is no refuge; scoring will say why
    if given is None:
        return None
    both = rows.join(given, on=[ENTITY, TIME], how="left", nulls_equal=True, maintain_order="left")
    return both.with_columns(pl.coalesce("_given", "score").alias("score")).drop("_given")


def _last_scores(
    rig: Rig, contract: Contract, state: State, rung: Rung, rows: pl.DataFrame
) -> pl.DataFrame | None:
    """Return the newest score that a model gave each entity before the row, if not too old."""
    mine = rows.select(ENTITY, TIME).unique().drop_nulls().sort(TIME)
    if mine.is_empty():
        return None
    latest = rows.get_column(PERIOD).max()
    periods = [p for p in sorted(state.scored) if p <= str(latest)]
    past = dataset.in_force(rig.tables, state, state.pins[rig.table("predictions")], periods)
    model_gave = pl.col("rung").is_in(BY_MODELS) & pl.col("score").is_not_null()
    known = past.filter(model_gave & pl.col(TIME).is_not_null())
    return mine.join_asof(
        known.select(ENTITY, TIME, pl.col("score").alias("_given")).sort(TIME),
        on=TIME,
        by=ENTITY,
        strategy="backward",
        allow_exact_matches=False,
        tolerance=rung.max_age,
        check_sortedness=False,
    )


def _by_rule(
    rig: Rig, contract: Contract, state: State, rung: Rung, rows: pl.DataFrame, now: datetime
) -> pl.DataFrame | None:
    if rung.code is None or rig.rules is None:
        return None
    periods = rows.get_column(PERIOD).unique().to_list()
    inputs = dataset.good(joining.joined(rig.tables, contract, state.pins, periods, now))
    inputs = inputs.join(rows, on=[ENTITY, TIME], how="semi", nulls_equal=True)
    bundle = voice(rig, state, state.champion).bundle
    given = rig.rules.rule(bundle, rung.code, inputs, timeout=_PATIENCE).frame
    return inputs.select(ENTITY, TIME).with_columns(
        given.get_column("score").cast(pl.Float64).fill_nan(None).alias("_given")
    )
