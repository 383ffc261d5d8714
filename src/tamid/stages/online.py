"""Answers given one by one, measured like those of a batch: quality on labels, drift without them.

Both page. What is usual is not what batches were like: :mod:`tamid.stages.online_usual`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.paging import ONLINE
from tamid.core.periods import end_of, matured_at
from tamid.core.state import State
from tamid.core.usual import ONLINE_PREFIX, ONLINE_SCORE_PSI
from tamid.core.values import STATIC_PERIOD, WEIGHT, TablePin
from tamid.stages import dataset, labels
from tamid.stages.answered import SERVED
from tamid.stages.asked import answers_of, evened, inputs_named, typed, with_chances
from tamid.stages.drift import measure_drift
from tamid.stages.online_usual import FEWEST_ROWS
from tamid.stages.quality import measured_on, rule_of, trusted_share
from tamid.stages.rig import Rig
from tamid.stages.usual import usual_in


def measure_online(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Measured]:
    """Yield quality and drift of each period with answers of the champion that says something new.

    A period's quality is told when its labels are due, or, where they come without a due time,
    when enough of them are known; drift when twice as many answers came as were looked at, and
    once the period is over.
    """
    pin = state.pins.get(rig.table(SERVED))
    if pin is None or not state.champion:
        return
    since = (now - contract.service.log.keep).date().isoformat()
    for period in sorted(p for p in state.answered if p >= since or p == STATIC_PERIOD):
        if _is_told(rig, contract, state, period, now):
            continue
        rows = answers_of(rig, pin, period, state.champion)
        if rows.is_empty():
            continue
        yield from _quality(rig, contract, state, rows, period, now)
        yield from _drift(rig, contract, state, rows, period, now)


def _is_told(rig: Rig, contract: Contract, state: State, period: str, now: datetime) -> bool:
    """Say whether nothing came for a period since both quality and drift were told."""
    came = state.answered[period]
    for signal in (ONLINE, ONLINE_SCORE_PSI):
        last = state.measure(signal, state.champion, period)
        place = state.measured_seq.get(f"{signal}@{state.champion}/{period}", 0)
        if last is None or place < came or not _same_labels(rig, state, last):
            return False
    return True


def _same_labels(rig: Rig, state: State, last: Measured) -> bool:
    present = state.pins.get(rig.table("labels"))
    return last.signal != ONLINE or present is None or present in last.pins


def _quality(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, period: str, now: datetime
) -> Iterator[Measured]:
    told = dataset.resolved(rig.tables, contract, state.pins, rows, now)
    known = told.filter(labels.KNOWN).drop(labels.KNOWN, labels.LABEL_KNOWN_AT)
    share = known.height / rows.height
    if known.is_empty() or not _due(contract, period, share, now):
        return
    found = measured_on(rig, contract, state, known, state.champion)
    last = state.measure(ONLINE, state.champion, period)
    same = last is not None and (last.rows, last.value) == (found.rows, found.value)
    if not math.isfinite(found.value) or same:
        return
    pins = (state.pins[rig.table(SERVED)], *_labels(rig, state))
    yield Measured(
        key=f"{ONLINE}/{state.champion}/{period}/{state.seq}",
        signal=ONLINE,
        period=period,
        value=found.value,
        interval=found.interval,
        model_version=state.champion,
        rows=found.rows,
        positives=found.positives,
        matured=share,
        pins=pins,
        detail=found.detail,
    )


def _labels(rig: Rig, state: State) -> tuple[TablePin, ...]:
    pin = state.pins.get(rig.table("labels"))
    return () if pin is None else (pin,)


def _due(contract: Contract, period: str, share: float, now: datetime) -> bool:
    if dataset.trickling(contract) or period == STATIC_PERIOD:
        return share >= trusted_share(contract)
    label = contract.data.label
    moment = matured_at(rule_of(contract), period, label.horizon + label.reporting_lag, None)
    return moment is None or moment <= now


def _drift(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, period: str, now: datetime
) -> Iterator[Measured]:
    last = state.measure(ONLINE_SCORE_PSI, state.champion, period)
    rows = rows.with_columns(pl.Series(WEIGHT, evened(rows.get_column(WEIGHT).to_numpy())))
    worth = round(rows.get_column(WEIGHT).sum())
    over = period != STATIC_PERIOD and end_of(rule_of(contract), period) <= now
    grown = last is None or worth >= 2 * last.rows or (over and worth != last.rows)
    if worth < FEWEST_ROWS or not grown:
        return
    version = state.versions[state.champion]
    mine = rig.contract(version.registered.contract)
    given = typed(mine, rows, inputs_named(rig, state, state.champion))
    stored = [n for n in given.columns if not given.get_column(n).is_null().all()]
    yield from measure_drift(
        rig, state, mine, given.select(stored), with_chances(rows), period,
        prefix=ONLINE_PREFIX, weighed=True,
        usual=usual_in(rig.blobs.get(version.asked)) if version.asked else None,
    )  # fmt: skip
