"""The champion on the rows that a candidate is judged on: only what it has not learnt counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from tamid.core.learning.given import NOTHING
from tamid.core.state import State, Version
from tamid.core.values import ENTITY, PERIOD, STATIC_PERIOD, TIME
from tamid.ports import Beside
from tamid.stages import dataset, joining
from tamid.stages.given import trained_through
from tamid.stages.registry import judged_frame, voice
from tamid.stages.rig import Rig
from tamid.stages.voices import Voice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Incumbent:
    """The champion on the judged rows: its scores, from where on it decides, what it was asked by.

    `scores`: None without a champion; null where it has learnt from a row and has no earlier score.
    `inputs`: the rows as its own contract makes them; `voice`: who answered.
    """

    scores: pl.Series | None = None
    threshold: float = 0.5
    inputs: pl.DataFrame | None = None
    voice: Voice | None = None

    def beside(self, rows: int) -> Beside | None:
        """Return it as one that is asked in turns with a candidate, on so many rows."""
        if self.voice is None or self.inputs is None:
            return None
        known = self.inputs.head(rows)
        return Beside(bundle=self.voice.bundle, overlay=self.voice.overlay, frame=known)


def incumbent(rig: Rig, state: State, rows: pl.DataFrame, now: datetime) -> Incumbent:
    """Return the champion on the judged rows, by its own contract and code.

    A row that it learnt from is scored as its own run did before it had: out of time, or out of
    fold. Where there is no such score it stays null, which is no evidence.
    """
    if not state.champion:
        return Incumbent()
    version = state.versions[state.champion]
    theirs = rig.contract(version.registered.contract)
    periods = dataset.periods_of_rows(theirs, rows, now)
    inputs = dataset.good(joining.joined(rig.tables, theirs, state.pins, periods, now))
    keys = [ENTITY, TIME]
    inputs = rows.select(keys).join(
        inputs, on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    who = voice(rig, state, state.champion)
    scores = rig.scorer.score(
        who.bundle, who.overlay, inputs, reasons=0, timeout=timedelta(minutes=10)
    )
    before = judged_frame(rig, state, version.registered.run)
    before = before.select(*keys, pl.col("score").alias("before")).unique(keys)
    fair = (
        rows.select(*keys, PERIOD)
        .with_columns(scores.frame.get_column("score").cast(pl.Float64).alias("live"))
        .join(before, on=keys, how="left", nulls_equal=True, maintain_order="left")
        .with_columns(_learnt(rig, state, rows).alias("learnt"))
        .select(pl.when("learnt").then("before").otherwise("live").fill_nan(None))
    )
    threshold = 0.5 if who.threshold is None else who.threshold
    return Incumbent(scores=fair.to_series(), threshold=threshold, inputs=inputs, voice=who)


def _learnt(rig: Rig, state: State, rows: pl.DataFrame) -> pl.Series:
    """Say for each judged row whether the champion's shipped model was fitted on it."""
    version = state.versions[state.champion]
    known = known_through(rig, state, version)
    if known and rows.get_column(PERIOD).eq(STATIC_PERIOD).all():
        run = state.runs[version.registered.run]
        pins = {pin.table: pin for pin in run.started.pins}
        theirs = rig.contract(version.registered.contract)
        then = dataset.training_rows(
            rig.tables, theirs, state, pins, run.started.periods, run.at
        ).get_column(ENTITY)
        return rows.get_column(ENTITY).is_in(then.unique().implode())
    return rows.get_column(PERIOD) <= known


def known_through(rig: Rig, state: State, version: Version) -> str:
    """Return the last period that a version's model was fitted on, "" if it knows none of them.

    Of one that was handed over its maker has said so; where nobody did, all there were then.
    """
    given = state.runs[version.registered.run].started.given
    told = trained_through(given, rig.blobs) if given else ""
    return "" if told == NOTHING else told or version.registered.trained_through
