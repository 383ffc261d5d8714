"""Realised quality: what was served, held against the labels, weighted by who was acted on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import Measured
from tamid.core.ladder import CHAMPION, REDUCED
from tamid.core.periods import PeriodRule, matured_at, period_rule
from tamid.core.quality import Realised, realised
from tamid.core.signals import RULES
from tamid.core.silence import SILENCE
from tamid.core.state import State
from tamid.core.values import ENTITY, LABEL, PERIOD, TIME, WEIGHT, Interval, Task, parse_instant
from tamid.stages import dataset, joining, labels
from tamid.stages.filing import numbered
from tamid.stages.missing import unheard
from tamid.stages.registry import reduced_voice, threshold_at, threshold_of, voice
from tamid.stages.rig import Rig

Floats = npt.NDArray[np.float64]

# Measured on hotel bookings: with 0.6 to 0.7 of a week's labels known its completed F1 is off by
# 0.03 on average, from 0.7 on by its sampling error (0.02), below 0.6 by 0.05 to 0.09.
TRUSTED_SHARE = 0.6
# Labels that trickle in move a measured number little; it is measured anew after so many more.
WORTH_MEASURING = 0.1
# Which predictions are judged: the champion's, or all that were given.
BY_CHAMPION, ANSWERED = pl.col("rung") == CHAMPION, pl.col("score").is_not_null()


def rule_of(contract: Contract) -> PeriodRule:
    """Return how the contract cuts time into periods."""
    zone = ZoneInfo(contract.calendar.timezone)
    return period_rule(zone, contract.delivery.every, contract.calendar.week_starts)


def matured(
    rig: Rig, contract: Contract, state: State, now: datetime, rules: int = RULES
) -> tuple[str, ...]:
    """Return the periods whose quality can be told by now, oldest first.

    Those whose labels are all due; where labels trickle in without a due time, those of which so
    many are known that the rest can be estimated. `rules`: by which it is told, as recorded.
    """
    if dataset.trickling(contract):
        enough = trusted_share(contract)
        shares = known_shares(rig, contract, state, now)
        return tuple(p for p, share in sorted(shares.items()) if share >= enough)
    due = _due(contract, state, now)
    lost = unheard(rig.tables, contract, state, due, now) if rules >= SILENCE else ()
    return tuple(p for p in due if p not in lost)


def due_unheard(rig: Rig, contract: Contract, state: State, now: datetime) -> tuple[str, ...]:
    """Return the periods whose labels are all due and of which none came."""
    if contract.data.time is None or dataset.trickling(contract):
        return ()
    return unheard(rig.tables, contract, state, _due(contract, state, now), now)


def trusted_share(contract: Contract) -> float:
    """Return the share of known labels from which a period's quality is measured."""
    mature_at = contract.data.label.mature_at
    return min(mature_at, TRUSTED_SHARE) if contract.task is Task.BINARY else mature_at


def known_shares(rig: Rig, contract: Contract, state: State, now: datetime) -> Mapping[str, float]:
    """Return the share of each period's rows whose label is known by now."""
    read = (rig.blobs.get(state.contract).decode(), rig.parse)
    return dataset.known_shares(rig.tables, contract, read, state.pins, now)


def measure(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Measured]:
    """Yield the quality of each matured period that was not measured on its present labels.

    "quality" is the champion's own; "served", where other rungs answered too, is that of all that
    was handed out.
    """
    for period in matured(rig, contract, state, now):
        scored = state.scored.get(period)
        if scored is None:
            continue
        mine = scored.rungs.get(CHAMPION, 0)
        wanted = ["quality"] if mine else []
        wanted += ["served"] if scored.rows > mine else []
        for signal in wanted:
            if _is_known(rig, contract, state, signal, period, now):
                continue
            found = _quality(rig, contract, state, signal, period, now)
            if found is not None:
                yield found


def _is_known(
    rig: Rig, contract: Contract, state: State, signal: str, period: str, now: datetime
) -> bool:
    """Say whether a signal was measured on the present labels, or on nearly all of them."""
    scored_at = state.scored_seq[period]
    seen = state.measured_seq.get(f"{signal}@{state.scored[period].number}/{period}", 0)
    if seen > max(state.relabelled.get(period, 0), scored_at):
        return True
    return seen > scored_at and _little_more(rig, contract, state, signal, period, now)


def judged_periods(
    rig: Rig, contract: Contract, state: State, periods: Sequence[str], now: datetime,
    which: pl.Expr = BY_CHAMPION,
) -> pl.DataFrame:  # fmt: skip
    """Return predictions of several periods with labels and weights; by default the champion's."""
    return judged_and_known(rig, contract, state, periods, now, which)[0]


def judged_and_known(
    rig: Rig,
    contract: Contract,
    state: State,
    periods: Sequence[str],
    now: datetime,
    which: pl.Expr,
) -> tuple[pl.DataFrame, float]:
    """Return the rows that quality is measured on, and the share of predictions with a label."""
    pin = state.pins[rig.table("predictions")]
    predictions = dataset.acted_on(rig.tables, state, pin, periods).filter(which)
    predictions = dataset.until_decided(rig.tables, contract, state, pin, predictions)
    rows = _told(rig, contract, state, predictions, now)
    known = rows.height / max(predictions.height, 1)
    if not contract.delivery.control_group:  # nobody is said to act on the scores
        return rows, known
    rows = rows.filter(~pl.col("treated"))
    weight = (1.0 / pl.col("propensity")).clip(upper_bound=dataset.LARGEST_WEIGHT)
    return rows.with_columns(pl.col(WEIGHT) * weight), known


def _told(
    rig: Rig, contract: Contract, state: State, predictions: pl.DataFrame, now: datetime
) -> pl.DataFrame:
    """Return predictions with labels and `_weight`; open ones stand for what such turn out to be.

    Rows of the same decision have the same chances, learnt from all that was ever decided.
    """
    one = pl.lit(1.0).alias(WEIGHT)
    if not dataset.trickling(contract) or contract.task is not Task.BINARY:
        found = dataset.labelled(rig.tables, contract, state.pins, predictions, now)
        return found.with_columns(one)
    pin = state.pins[rig.table("predictions")]
    ever = dataset.in_force(rig.tables, state, pin, sorted(state.scored))
    ever = dataset.resolved(rig.tables, contract, state.pins, ever, now)
    mine = ever.join(predictions.select(ENTITY, TIME), on=[ENTITY, TIME], how="semi")
    found = labels.completed(mine, ever, now, strata="decision")
    return found.drop(labels.KNOWN, labels.LABEL_KNOWN_AT)


def _little_more(
    rig: Rig, contract: Contract, state: State, signal: str, period: str, now: datetime
) -> bool:
    """Say whether little more is known of a measured period than when it was measured."""
    last = state.measure(signal, state.scored[period].number, period)
    if last is None or not dataset.trickling(contract):
        return False
    share = known_shares(rig, contract, state, now)[period]
    return last.matured < share < last.matured + WORTH_MEASURING and share < 1


def _quality(
    rig: Rig, contract: Contract, state: State, signal: str, period: str, now: datetime
) -> Measured | None:
    which = BY_CHAMPION if signal == "quality" else ANSWERED
    rows, known = judged_and_known(rig, contract, state, [period], now, which)
    if signal == "served":  # who had no row may have been gone already: no word about the answer
        there = joining.rows_of(rig.tables, contract, state.pins, [period], now)
        rows = rows.join(there, on=ENTITY, how="semi", nulls_equal=True)
    if dataset.trickling(contract):  # then open rows stand among them, as what they may become
        known = known_shares(rig, contract, state, now)[period]
    if rows.is_empty():
        return None
    number = state.scored[period].number
    label = state.pins.get(rig.table("labels"))
    pins = (state.pins[rig.table("predictions")], *((label,) if label else ()))
    found = measured_on(rig, contract, state, rows, number)
    told = measured_as(state, signal, period, number, found)
    return None if told is None else replace(told, matured=known, pins=pins)


def measured_as(
    state: State, signal: str, period: str, number: int, found: Realised
) -> Measured | None:
    """Return what was measured of a version in a period as an event, None if it has no value."""
    if not math.isfinite(found.value):
        return None
    return Measured(
        key=f"{signal}/{number}/{period}/{state.seq}", signal=signal, period=period,
        value=found.value, interval=found.interval, model_version=number, rows=found.rows,
        positives=found.positives, detail=found.detail,
    )  # fmt: skip


def measured_on(
    rig: Rig, contract: Contract, state: State, rows: pl.DataFrame, number: int
) -> Realised:
    """Measure the contract's metric on scored, labelled, weighted rows of one version."""
    reference = state.versions[number].registered.reference.get("positive_rate", ())
    return realised(
        quality_metric(contract),
        contract.task,
        rows.get_column(LABEL).cast(pl.Float64).to_numpy(),
        rows.get_column("score").cast(pl.Float64).to_numpy(),
        threshold=_thresholds(rig, state, rows, number),
        weights=rows.get_column(WEIGHT).to_numpy(),
        entities=numbered(rows),
        usual_rate=sum(reference) / len(reference) if reference else math.nan,
    )


def _thresholds(rig: Rig, state: State, rows: pl.DataFrame, number: int) -> float | Floats:
    """Return where the decision of each row begins: with the model that answered, if one did."""
    cuts = _of_versions(rig, state, rows, number)
    lesser = rows.get_column("rung") == REDUCED
    who = reduced_voice(rig, state, number) if lesser.any() else None
    if who is None or who.threshold is None:
        return cuts
    return np.where(lesser, who.threshold, cuts)


def _of_versions(rig: Rig, state: State, rows: pl.DataFrame, number: int) -> float | Floats:
    own = threshold_of(rig, state, number)
    if state.versions[number].earlier:
        periods = rows.get_column(PERIOD).unique().to_list()
        at = {p: threshold_at(rig, state, number, p) for p in periods}
        begins = rows.get_column(PERIOD).replace_strict(at, return_dtype=pl.Float64)
        return begins.to_numpy()
    others = rows.get_column("version").unique().to_list() if "version" in rows.columns else []
    if set(others) <= {number, 0}:
        return own
    cuts = {v: threshold_of(rig, state, v) if v in state.versions else own for v in others}
    return rows.get_column("version").replace_strict(cuts, return_dtype=pl.Float64).to_numpy()


def rescored(
    rig: Rig,
    contract: Contract,
    state: State,
    rows: pl.DataFrame,
    number: int,
    now: datetime,
    *,
    reduced: bool = False,
) -> pl.DataFrame | None:
    """Return judged rows as another version would have answered, by its own contract.

    `reduced`: as its model without some columns would have; None where it has none.
    """
    version = state.versions[number]
    theirs = rig.contract(version.registered.contract)
    periods = rows.get_column(PERIOD).unique().to_list()
    inputs = dataset.good(joining.joined(rig.tables, theirs, state.pins, periods, now))
    inputs = inputs.join(rows, on=[ENTITY, TIME], how="semi", nulls_equal=True)
    if inputs.is_empty():
        return None
    who = reduced_voice(rig, state, number) if reduced else voice(rig, state, number)
    if who is None:
        return None
    scores = rig.scorer.score(
        who.bundle, who.overlay, inputs, reasons=0, timeout=timedelta(minutes=10),
        reduced=who.reduced,
    ).frame  # fmt: skip
    scored = inputs.select(ENTITY, TIME).with_columns(scores.get_column("score"))
    as_theirs = rows.drop("score").join(scored, on=[ENTITY, TIME], how="inner", nulls_equal=True)
    rung = REDUCED if reduced else CHAMPION
    return as_theirs.with_columns(
        pl.lit(number, dtype=pl.Int64).alias("version"), pl.lit(rung).alias("rung")
    )


def error_of(interval: Interval) -> float:
    """Return the standard error that a 95 % interval stands for."""
    return (interval.high - interval.low) / (2 * 1.96)


def _due(contract: Contract, state: State, now: datetime) -> tuple[str, ...]:
    label, rule = contract.data.label, rule_of(contract)
    wait = label.horizon + label.reporting_lag
    found = []
    for period in sorted(state.periods):
        latest = state.latest.get(period)
        moment = matured_at(rule, period, wait, parse_instant(latest) if latest else None)
        if moment is None or moment <= now:
            found.append(period)
    return tuple(found)
