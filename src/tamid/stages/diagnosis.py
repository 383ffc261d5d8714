"""Diagnosis: why an alarm was raised, before anybody trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import polars as pl

from tamid.core.causes import Known, cause_anew, cause_of, doubt_lifted
from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.events import Diagnosed
from tamid.core.label_checks import Feed
from tamid.core.matured_cause import can_tell, cause_with_labels
from tamid.core.paging import UNLABELLED
from tamid.core.state import Alarm, State
from tamid.core.stats.labelrate import disagreement_share
from tamid.core.unlabelled import cause_before_labels
from tamid.core.values import BATCH, ENTITY, LABEL, PERIOD, Role, Task
from tamid.stages.dataset import trickling
from tamid.stages.quality import judged_periods, measured_on
from tamid.stages.registry import threshold_of
from tamid.stages.rig import Rig
from tamid.stages.thresholds import movable

# Fewer rows of a batch show no share of wrong answers.
_FEWEST_ROWS = 50


def diagnose(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Diagnosed]:
    """Yield the diagnosis of each open alarm that has none yet, or whose labels came since.

    A fall that was put down to its labels is asked again when they come anew or are found right.
    """
    better = METRIC_FACTS[quality_metric(contract)].higher_is_better
    source = contract.data.label.source or contract.data.source
    sign, owner, due = 1.0 if better else -1.0, Role(source.owner), not trickling(contract)

    def known(alarm: Alarm) -> Known:
        feed = _worst_feed(rig, contract, state, alarm, now)
        return Known(sign=sign, label_owner=owner, all_due=due, feed=feed)

    for alarm in state.open_alarms.values():
        if alarm.diagnosis is None and alarm.raised.signal == "quality":
            yield _by_training(contract, cause_of(alarm, state, known(alarm)))
        elif can_tell(alarm, state):
            yield cause_with_labels(alarm, state, known(alarm))
        elif alarm.raised.signal == "quality" and doubt_lifted(alarm, state):
            other = cause_anew(alarm, state, known(alarm))
            if other is not None:
                yield _by_training(contract, other)
        elif alarm.diagnosis is None and alarm.raised.signal in UNLABELLED:
            yield cause_before_labels(alarm, state)


def _by_training(contract: Contract, found: Diagnosed) -> Diagnosed:
    """Leave another share of positives to training where no threshold may be moved for it."""
    if found.cause != "prevalence" or found.retraining != "useless" or movable(contract):
        return found
    why = "no other threshold may answer it under this contract: a model that knows the share may"
    return replace(found, retraining="needed", reasons=(*found.reasons, why))


def _worst_feed(
    rig: Rig, contract: Contract, state: State, alarm: Alarm, now: datetime
) -> Feed | None:
    """Return the batch of labels that the wrong answers of an alarm's periods sit in."""
    pin = state.pins.get(rig.table("labels"))
    doubted = set(alarm.raised.periods) - state.labels_right
    periods = sorted(p for p in doubted if p in state.scored)
    if pin is None or not periods or contract.task is not Task.BINARY or trickling(contract):
        return None
    batches = rig.tables.read(pin, columns=[ENTITY, PERIOD, BATCH])
    batches = batches.filter(pl.col(PERIOD).is_in(periods)).unique([ENTITY, PERIOD], keep="last")
    if batches.get_column(BATCH).n_unique() < 2:
        return None
    rows = judged_periods(rig, contract, state, periods, now)
    rows = rows.join(batches, on=[ENTITY, PERIOD], how="inner", nulls_equal=True)
    sizes = rows.group_by(BATCH).len().filter(pl.col("len") >= _FEWEST_ROWS)
    rows = rows.join(sizes, on=BATCH, how="semi")
    if sizes.height < 2:
        return None
    number = state.champion
    called = rows.get_column("score") >= threshold_of(rig, state, number)
    wrong = (called.cast(pl.Float64) != rows.get_column(LABEL).cast(pl.Float64)).cast(pl.Float64)
    by_batch = rows.with_columns(wrong.alias("wrong")).group_by(BATCH).agg(pl.col("wrong").mean())
    name = by_batch.sort("wrong", BATCH).get_column(BATCH)[-1]
    rest = rows.filter(pl.col(BATCH) != name)
    return Feed(
        name=str(name),
        share=disagreement_share(wrong.to_numpy(), rows.get_column(BATCH).to_numpy()),
        without=measured_on(rig, contract, state, rest, number).value,
    )
