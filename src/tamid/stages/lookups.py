"""What servers look up by entity: its newest features, and the last valid score with its time.

Made of the very rows that a batch is scored on, so that an answer by entity is an answer by row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.ladder import CHAMPION, LAST_SCORE, PREVIOUS
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.values import ENTITY, TIME, digest_of
from tamid.ports import Known
from tamid.stages import dataset, joining
from tamid.stages.rig import Rig

# Periods of rows whose newest row of an entity counts: this one, and the one before it.
_PERIODS = 2
# Where the newest period has about as many rows as the one before, that one is not read.
_WHOLE = 0.98
# Periods of scores that are looked through where the contract names no age.
_SCORED = 8
_FEATURES = {ENTITY: pl.String, "as_of": pl.Float64, "inputs": pl.String}
_SCORES = {ENTITY: pl.String, "score": pl.Float64, "version": pl.Int64, "made": pl.Float64}


def materialise(rig: Rig, state: State, now: datetime) -> bool:
    """Write the look-ups anew if what they are made of has changed; say whether it had."""
    if rig.lookup is None or not state.champion:
        return False
    ref = state.versions[state.champion].registered
    mine = rig.contract(ref.contract)
    if mine.data.entity is None:
        return False
    # Events that come later say nothing new about a row's moment: rows and scores do.
    pins = [state.pins[t] for n in ("rows", "predictions") if (t := rig.table(n)) in state.pins]
    made_of = {"version": ref.ref, "pins": pins, "contract": state.contract}
    key = digest_of({**made_of, **({"erased": state.erased} if state.erased else {})})
    if rig.lookup.key() == key:
        return False
    scores = _last_scores(rig, rig.contract(state.contract), state)
    known = _features(rig, mine, state, now).join(scores, on=ENTITY, how="full", coalesce=True)
    there = known.filter(~pl.col(ENTITY).is_in(sorted(state.erased)))
    told = there.with_columns(pl.col("version", "made").fill_null(0))
    # In the order of the entities, in which a file with their index is written fastest.
    rows = told.sort(ENTITY).rename({ENTITY: "entity"}).select(Known._fields).rows()
    rig.lookup.write(key, map(Known._make, rows))
    return True


def _features(rig: Rig, mine: Contract, state: State, now: datetime) -> pl.DataFrame:
    """Return the moment and the inputs (JSON) of each entity's newest row."""
    if rig.table("rows") not in state.pins:
        return pl.DataFrame(schema=_FEATURES)
    periods = sorted(state.periods)[-_PERIODS:]
    if _volume(state, periods[-1:]) >= _WHOLE * _volume(state, periods[:1]):
        periods = periods[-1:]
    # Period by period: this turn has read the newest one already.
    parts = [
        dataset.good(joining.joined(rig.tables, mine, state.pins, [period], now))
        for period in periods
    ]
    rows = pl.concat(parts, how="diagonal_relaxed").sort(TIME, maintain_order=True)
    newest = rows.unique(ENTITY, keep="last")
    manifest = read_manifest(rig.blobs.get(state.versions[state.champion].registered.ref.bundle))
    time = mine.data.time
    if time in manifest.schema.inputs and time not in newest.columns:
        newest = newest.with_columns(pl.col(TIME).alias(time))  # feature code sees it by its name
    names = [n for n in manifest.schema.inputs if n in newest.columns]
    return newest.select(
        pl.col(ENTITY).cast(pl.String),
        _seconds().alias("as_of"),
        pl.struct(_plain(newest.schema[n], n) for n in names).struct.json_encode().alias("inputs"),
    )


def _seconds() -> pl.Expr:
    return pl.col(TIME).dt.timestamp("us") / 1e6


def _volume(state: State, periods: Sequence[str]) -> int:
    return sum(state.volume.get(p, 0) for p in periods)


def _plain(dtype: pl.DataType, name: str) -> pl.Expr:
    """Return a column as a server takes it: moments as text with a zone, no NaN."""
    if dtype.is_temporal():
        moment = pl.col(name).cast(pl.Datetime("us", "UTC"))
        return moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").alias(name)
    if dtype.is_float():
        finite = pl.when(pl.col(name).is_finite()).then(pl.col(name))
        return finite.alias(name)
    return pl.col(name).cast(pl.String) if dtype == pl.Categorical else pl.col(name)


def _last_scores(rig: Rig, contract: Contract, state: State) -> pl.DataFrame:
    """Return the newest score that a model gave each entity, within the age that may count."""
    pin = state.pins.get(rig.table("predictions"))
    if pin is None:
        return pl.DataFrame(schema=_SCORES)
    found = dataset.in_force(rig.tables, state, pin, sorted(state.scored)[-_reach(contract) :])
    gave = pl.col("rung").is_in([CHAMPION, PREVIOUS]) & pl.col("score").is_not_null()
    newest = found.filter(gave & pl.col(TIME).is_not_null()).sort(TIME)
    return newest.unique(ENTITY, keep="last").select(
        pl.col(ENTITY).cast(pl.String),
        pl.col("score").cast(pl.Float64),
        pl.col("version").cast(pl.Int64),
        _seconds().alias("made"),
    )


def _reach(contract: Contract) -> int:
    ages: Mapping[str, Any] = {r.kind: r.max_age for r in contract.service.fallback}
    age = ages.get(LAST_SCORE)
    return _SCORED if age is None else math.ceil(age / contract.delivery.every) + 1
