"""What servers look up by entity: its newest features, and the last valid score with its time.

Made of the very rows that a batch is scored on, so that an answer by entity is an answer by row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.ladder import CHAMPION, LAST_SCORE, PREVIOUS
from tamid.core.learning.bundle import read_manifest
from tamid.core.state import State
from tamid.core.values import ENTITY, TIME, canonical_json, digest_of, instant
from tamid.ports import Known
from tamid.stages import dataset, joining
from tamid.stages.rig import Rig

# Periods of rows whose newest row of an entity counts: this one, and the one before it.
_PERIODS = 2
# Periods of scores that are looked through where the contract names no age.
_SCORED = 8


def materialise(rig: Rig, state: State, now: datetime) -> bool:
    """Write the look-ups anew if what they are made of has changed; say whether it had."""
    if rig.lookup is None or not state.champion:
        return False
    ref = state.versions[state.champion].registered
    mine = rig.contract(ref.contract)
    if mine.data.entity is None:
        return False
    sources = ("rows", "predictions", *sorted(mine.data.tables))
    pins = [state.pins[t] for name in sources if (t := rig.table(name)) in state.pins]
    key = digest_of({"version": ref.ref, "pins": pins, "contract": state.contract})
    if rig.lookup.key() == key:
        return False
    known = _last_scores(rig, rig.contract(state.contract), state)
    for entity, as_of, inputs in _features(rig, mine, state, now):
        before = known.get(entity)
        known[entity] = Known(
            entity=entity,
            as_of=as_of,
            inputs=inputs,
            score=before.score if before else None,
            version=before.version if before else 0,
            made=before.made if before else 0.0,
        )
    rig.lookup.write(key, known.values())
    return True


def input_value(value: Any) -> Any:
    """Return a frame's value as a server takes it: moments as text, what is missing as None."""
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _features(
    rig: Rig, mine: Contract, state: State, now: datetime
) -> Iterator[tuple[str, float | None, str]]:
    if rig.table("rows") not in state.pins:
        return
    periods = sorted(state.periods)[-_PERIODS:]
    rows = dataset.good(joining.joined(rig.tables, mine, state.pins, periods, now))
    newest = rows.sort(TIME, maintain_order=True).unique(ENTITY, keep="last")
    manifest = read_manifest(rig.blobs.get(state.versions[state.champion].registered.ref.bundle))
    names = [n for n in manifest.schema.inputs if n in newest.columns]
    moments = newest.get_column(TIME).to_list()
    entities = newest.get_column(ENTITY).to_list()
    columns = [newest.get_column(name).to_list() for name in names]
    for place, (entity, moment) in enumerate(zip(entities, moments, strict=True)):
        row = {n: input_value(c[place]) for n, c in zip(names, columns, strict=True)}
        yield str(entity), None if moment is None else moment.timestamp(), canonical_json(row)


def _last_scores(rig: Rig, contract: Contract, state: State) -> dict[str, Known]:
    """Return the newest score that a model gave each entity, within the age that may count."""
    pin = state.pins.get(rig.table("predictions"))
    if pin is None:
        return {}
    found = dataset.in_force(rig.tables, state, pin, sorted(state.scored)[-_reach(contract) :])
    gave = pl.col("rung").is_in([CHAMPION, PREVIOUS]) & pl.col("score").is_not_null()
    newest = found.filter(gave & pl.col(TIME).is_not_null()).sort(TIME)
    newest = newest.unique(ENTITY, keep="last").select(ENTITY, "score", "version", TIME)
    return {
        str(entity): Known(
            entity=str(entity),
            as_of=None,
            inputs=None,
            score=float(score),
            version=int(version),
            made=moment.timestamp(),
        )
        for entity, score, version, moment in newest.iter_rows()
    }


def _reach(contract: Contract) -> int:
    ages: Mapping[str, Any] = {r.kind: r.max_age for r in contract.service.fallback}
    age = ages.get(LAST_SCORE)
    return _SCORED if age is None else math.ceil(age / contract.delivery.every) + 1
