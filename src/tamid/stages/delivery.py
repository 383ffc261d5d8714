"""Scores on their way to their consumers: one parcel a period and target, effectively once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import polars as pl

from tamid.core.actions import Deliver
from tamid.core.contract.model import Contract
from tamid.core.deadline import is_late
from tamid.core.errors import Conflict, NotFound, TamidError
from tamid.core.events import Delivered, DeliveryDelayed, Scored
from tamid.core.periods import period_of, period_rule, start_of
from tamid.core.state import State
from tamid.core.values import ENTITY, PERIOD, STATIC_PERIOD, TIME
from tamid.ports import Parcel, Sink

# What consumers get, in this order: the stored name and the name they see.
_SHOWN = (
    (ENTITY, "entity"),
    (TIME, "as_of"),
    (PERIOD, "period"),
    ("revision", "revision"),
    ("score", "score"),
    ("class", "class"),
    ("band", "band"),
    ("decision", "decision"),
    ("treated", "treat"),
    ("offer", "offer"),
    ("version", "version"),
    ("rung", "rung"),
    ("age", "age_days"),
    ("id", "prediction_id"),
)


class Outlets(Protocol):
    """Whatever holds a model's targets, by the name that the policy gives them."""

    @property
    def sinks(self) -> Mapping[str, Sink]:
        """The targets."""
        ...


def parcel_of(contract: Contract, scored: Scored, predictions: pl.DataFrame, sink: str) -> Parcel:
    """Return what one target gets of a period's predictions, sorted by entity.

    Whom to treat stands in `treat`, with what in `offer`; the control group itself is not shown.
    `predictions` may hold other periods and revisions: they are left out.
    """
    mine = (pl.col(PERIOD) == scored.period) & (pl.col("revision") == scored.revision)
    kept = predictions.filter(mine)
    if "offer" in kept.columns:  # one that is held back has drawn an offer, too, and is not shown
        kept = kept.with_columns(pl.when("treated").then("offer").alias("offer"))
    shown = [pl.col(old).alias(new) for old, new in _SHOWN if old in kept.columns]
    reasons = sorted(c for c in kept.columns if c.startswith("reason_"))
    chances = [c for c in kept.columns if c.startswith("class_")]
    return Parcel(
        key=f"{contract.name}/{scored.period}/{scored.revision}/{sink}",
        model=contract.name,
        period=scored.period,
        revision=scored.revision,
        frame=kept.select(*shown, *reasons, *chances).sort("entity", "as_of"),
        reason=scored.reason,
    )


def deliver(
    rig: Outlets,
    contract: Contract,
    state: State,
    action: Deliver,
    predictions: pl.DataFrame,
    now: datetime,
) -> Iterator[Delivered | DeliveryDelayed]:
    """Hand a period to one target and yield what came of it.

    A target that is down, or cannot be set up, is delayed and never keeps the others waiting.
    """
    scored = state.scored[action.period]
    parcel = parcel_of(contract, scored, predictions, action.sink)
    live = state.reigns[0].since if state.reigns else None
    late = overdue(contract, action.period, now, live)
    yield _hand_over(parcel, rig.sinks.get(action.sink), action, late)


def overdue(contract: Contract, period: str, now: datetime, live: datetime | None = None) -> bool:
    """Say whether the scores of a period should have been delivered before `now`.

    Nothing was owed of the period in which the first version went live, at `live`, or before it.
    """
    if period == STATIC_PERIOD:
        return False
    zone = ZoneInfo(contract.calendar.timezone)
    rule = period_rule(zone, contract.delivery.every, contract.calendar.week_starts)
    if live is not None and period <= period_of(rule, live):
        return False
    return is_late(contract.delivery.by, start_of(rule, period), zone, now)


def _hand_over(
    parcel: Parcel, sink: Sink | None, action: Deliver, late: bool
) -> Delivered | DeliveryDelayed:
    try:
        if sink is None:
            raise NotFound(f"no target is named {action.sink!r}")
        receipt = sink.deliver(parcel)
    except Conflict:
        raise
    except TamidError as error:
        return DeliveryDelayed(
            key=action.key,
            period=parcel.period,
            revision=parcel.revision,
            sink=action.sink,
            error=error.told,
            attempt=action.attempt,
        )
    return Delivered(
        key=action.key,
        period=parcel.period,
        revision=parcel.revision,
        sink=action.sink,
        receipt=receipt,
        rows=parcel.frame.height,
        late=late,
    )
