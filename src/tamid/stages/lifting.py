"""Lift per offer: outcomes of those who were to get it against those held back by the same lot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.contract.running import ACTIONS
from tamid.core.events import Measured
from tamid.core.learning.model import Bools, Floats
from tamid.core.state import State
from tamid.core.stats.lift import Lift, alike, lift
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME
from tamid.core.view.lift import ALL_OFFERS, LIFT
from tamid.stages import dataset
from tamid.stages.acting import OFFER
from tamid.stages.filing import floats, numbered
from tamid.stages.quality import matured
from tamid.stages.rig import Rig

# A year of weeks: older offers were made to another world.
_MOST_PERIODS = 52
# Below this share of reached ones the effect among them is a division by nearly nothing.
_LEAST_REACHED = 0.05
_GOT = "_got"


def measure_lift(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Measured]:
    """Yield what each offer brought by the matured periods, once a period and on new acts."""
    if contract.delivery.actions is None or rig.table("predictions") not in state.pins:
        return
    known = [p for p in matured(rig, contract, state, now) if p in state.scored][-_MOST_PERIODS:]
    if not known:
        return
    seen = state.measured_seq.get(f"{LIFT}{ALL_OFFERS}@0/{known[-1]}", 0)
    if seen > state.acts_seq:
        return
    rows = _rows(rig, contract, state, known, now)
    if rows.is_empty():
        return
    for offer, part, by_lot in _arms(contract, rows):
        yield _measured(contract, part, offer, known[-1], by_lot, state.acts_seq)


def _rows(
    rig: Rig, contract: Contract, state: State, periods: list[str], now: datetime
) -> pl.DataFrame:
    """Return rows of the high band with outcome, `offer` that was drawn, and `_got`, that came."""
    pin = state.pins[rig.table("predictions")]
    acted = dataset.acted_on(rig.tables, state, pin, periods).filter(pl.col("propensity") < 1)
    if OFFER not in acted.columns:
        acted = acted.with_columns(pl.lit(None, pl.String).alias(OFFER))
    some = acted.select(ENTITY, TIME, PERIOD, "score", "treated", OFFER)
    rows = dataset.labelled(rig.tables, contract, state.pins, some, now)
    told = state.pins.get(rig.table(ACTIONS))
    if told is None:
        return rows.with_columns(pl.lit([], pl.List(pl.String)).alias(_GOT))
    acts = rig.tables.read(told, columns=[ENTITY, TIME, OFFER])
    acts = acts.rename({TIME: "_at", OFFER: _GOT})
    ends = pl.col(TIME) + contract.delivery.every
    got = (
        rows.select(ENTITY, TIME)
        .join(acts, on=ENTITY)
        .filter((pl.col("_at") >= pl.col(TIME)) & (pl.col("_at") < ends))
        .group_by(ENTITY, TIME)
        .agg(pl.col(_GOT).unique())
    )
    both = rows.join(got, on=[ENTITY, TIME], how="left", maintain_order="left")
    return both.with_columns(pl.col(_GOT).fill_null([]))


def _arms(contract: Contract, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, bool]]:
    """Yield each offer with the rows of both sides, and whether it was drawn by lot."""
    yield ALL_OFFERS, rows, True
    actions = contract.delivery.actions
    assert actions is not None
    if actions.offers:
        for offer in sorted(actions.offers):
            mine = rows.filter(pl.col(OFFER) == offer)
            if not mine.is_empty():
                yield offer, mine, True
        return
    for offer in sorted(rows.filter("treated").get_column(_GOT).explode().drop_nulls().unique()):
        there = pl.col("treated") & pl.col(_GOT).list.contains(offer)
        periods = rows.filter(there).get_column(PERIOD).unique().to_list()
        yield (
            offer,
            rows.filter(there | (~pl.col("treated") & pl.col(PERIOD).is_in(periods))),
            False,
        )


def _measured(
    contract: Contract,
    rows: pl.DataFrame,
    offer: str,
    period: str,
    by_lot: bool,
    acts: int,
) -> Measured:
    offered: Bools = rows.get_column("treated").to_numpy().astype(np.bool_)
    weights = None if by_lot else alike(floats(rows, "score"), offered)
    outcome = floats(rows, LABEL)
    found = lift(
        outcome, offered, numbered(rows), reduces=contract.goal.reduce is not None, weights=weights
    )
    got = rows.get_column(_GOT)
    mine = got.list.len() > 0 if offer == ALL_OFFERS else got.list.contains(offer)
    came: Floats = mine.cast(pl.Float64).to_numpy()
    reached = float(came[offered].mean()) if offered.any() else 0.0
    stray = float(came[~offered].mean()) if (~offered).any() else 0.0
    return Measured(
        key=f"{LIFT}{offer}/{period}/{acts}",
        signal=f"{LIFT}{offer}",
        period=period,
        value=found.difference.point,
        interval=found.difference,
        rows=rows.height,
        positives=int(outcome.sum()),
        detail={
            "offered": float(found.offered),
            "offered_share": found.offered_share,
            "held": float(found.held),
            "held_share": found.held_share,
            "enough": float(found.enough),
            "by_lot": float(by_lot),
            "reached": reached,
            "stray": float(came[~offered].sum()),
            **_effect(found, reached - stray),
        },
    )


def _effect(found: Lift, reached: float) -> dict[str, float]:
    """Return the lift among those who were reached by it, and would not have been otherwise.

    Formula: lift / (share reached of the offered - of the held back). Source: Bloom (1984),
    Evaluation Review 8.
    """
    if reached < _LEAST_REACHED:
        return {}
    span = found.difference
    return {
        "effect": span.point / reached,
        "effect_low": span.low / reached,
        "effect_high": span.high / reached,
    }
