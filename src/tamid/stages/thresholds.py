"""The threshold moved before anything is retrained, where that alone repairs the quality."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl

from tamid.core.actions import MoveThreshold
from tamid.core.alarms import reference_losses
from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.control import lots
from tamid.core.events import Measured, ThresholdMoved
from tamid.core.learning.choice import threshold_for
from tamid.core.paging import level_of
from tamid.core.rules.retraining import drifted
from tamid.core.rules.threshold import THRESHOLD, triable
from tamid.core.state import State
from tamid.core.stats.arrays import Bools
from tamid.core.stats.rethreshold import Trial, try_threshold
from tamid.core.values import ENTITY, LABEL, WEIGHT, Task
from tamid.stages.filing import floats, numbered
from tamid.stages.packaging import restate
from tamid.stages.quality import judged_periods, matured
from tamid.stages.registry import reference_of, threshold_of
from tamid.stages.rig import Rig

# Metrics that a threshold can repair; recall and precision alone are repaired by calling everybody
# or nobody, which is no repair.
_REPAIRABLE = ("f1", "accuracy")


def measure_threshold(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[Measured]:
    """Yield what another threshold would reach on the drifted periods, once a latest period.

    Only while an alarm of quality is open whose cause leaves the ranking of the scores as it was.
    """
    alarm = triable(state)
    if alarm is None or not movable(contract):
        return
    mine = _answered(state, state.champion)
    periods = [p for p in drifted(state, matured(rig, contract, state, now)) if p in mine]
    if not periods or state.measure(THRESHOLD, state.champion, periods[-1]) is not None:
        return
    rows = judged_periods(rig, contract, state, periods, now)
    found = _trial(rig, contract, state, rows, alarm.raised.alarm)
    if found is None:
        return
    yield Measured(
        key=f"{THRESHOLD}/{alarm.raised.alarm}/{periods[-1]}",
        signal=THRESHOLD,
        period=periods[-1],
        value=found.reached.point,
        interval=found.reached,
        model_version=state.champion,
        rows=found.rows,
        detail={
            "threshold": found.threshold,
            "without": found.without,
            "demanded": found.demanded,
            "repairs": float(found.repairs),
        },
    )


def move_threshold(
    rig: Rig, contract: Contract, state: State, action: MoveThreshold, now: datetime
) -> ThresholdMoved:
    """Sign an overlay with the new threshold, and with what is usual from now on.

    What is usual comes from the half of the drifted rows that the threshold was not chosen on.
    """
    registered = state.versions[action.number].registered
    seen = {action.period, *state.alarms[action.alarm].raised.periods}
    periods = sorted(seen & _answered(state, action.number))
    rows = judged_periods(rig, contract, state, periods, now)
    rows = rows.filter(pl.Series(~_learns(rig, rows, action.alarm)))
    usual = reference_of(contract, rows, action.threshold)
    reference = {**registered.reference, **usual}
    return ThresholdMoved(
        key=action.key,
        alarm=action.alarm,
        number=action.number,
        overlay=restate(registered.ref.overlay, rig.blobs, rig.signer, threshold=action.threshold),
        before=threshold_of(rig, state, action.number),
        threshold=action.threshold,
        reference=reference,
        periods=tuple(periods),
    )


def _answered(state: State, number: int) -> set[str]:
    """Return the periods that a version answered: of others it has no scores of its own."""
    return {p for p, scored in state.scored.items() if scored.number == number}


def _trial(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, salt: str
) -> Trial | None:
    if rows.is_empty():
        return None
    return try_threshold(
        quality_metric(contract),
        floats(rows, LABEL),
        floats(rows, "score"),
        floats(rows, WEIGHT),
        entities=numbered(rows),
        learns=_learns(rig, rows, salt),
        old=threshold_of(rig, state, state.champion),
        choose=lambda y, score, weight: threshold_for(contract, y, score, weight),
        demanded=_demanded(contract, state),
        rng=rig.generator(contract.training.seed),
    )


def _demanded(contract: Contract, state: State) -> float:
    """Return what is owed: by the contract, else the worst that is usual."""
    level = level_of(contract)
    if level.at_least is not None:
        return level.at_least
    return -max(reference_losses(state, state.champion, level.sign), default=float("inf"))


def _learns(rig: Rig, rows: pl.DataFrame, salt: str) -> Bools:
    """Deal the entities into two halves, each alarm by other lots."""
    entities = rows.get_column(ENTITY).cast(pl.String).fill_null("").to_list()
    dealt: Bools = np.asarray(lots(entities, f"threshold/{salt}/{rig.salt}") < 0.5)
    return dealt


def movable(contract: Contract) -> bool:
    """Say whether another threshold may be signed, and may repair what the contract asks for."""
    spec = contract.training.threshold
    free = spec.fixed is None and spec.maximise is not None
    return contract.task is Task.BINARY and quality_metric(contract) in _REPAIRABLE and free
