"""Proof of skew: served answers, recomputed by the training code from what is stored.

Features are recomputed out of the row that stood for the entity when it was asked, scores out of
the features as they were served: so a wrong feature and a wrong model are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import NotFound
from tamid.core.ladder import CHAMPION, PREVIOUS
from tamid.core.skew import Column, Kind, Skew, compare, differs
from tamid.core.state import State
from tamid.core.values import ARRIVED, ENTITY, PERIOD, TIME
from tamid.stages import joining
from tamid.stages.answered import SERVED
from tamid.stages.asked import all_stored, inputs_named, typed
from tamid.stages.dataset import good
from tamid.stages.reading import MOMENT
from tamid.stages.registry import voice
from tamid.stages.rig import Rig

# A look-up is written at the end of the turn in which its rows came.
_GRACE = timedelta(minutes=10)
# Periods of rows before the first answer in which its entity's row may lie.
_BACK = 3
_TIMEOUT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkewReport:
    """What a sample of answers came to.

    `answers` were looked at, `matched` of them have a row to recompute features from. `scores`:
    how many of how many recomputed scores differ, by version; `features`: each of the inputs.
    """

    answers: int
    matched: int
    scores: Mapping[int, tuple[int, int]]
    features: tuple[Skew, ...]

    @property
    def differing(self) -> int:
        """Return how many values differ in all."""
        return sum(n for n, _ in self.scores.values()) + sum(f.differing for f in self.features)


def skew(rig: Rig, state: State, most: int, now: datetime, seed: int = 7) -> SkewReport:
    """Recompute a sample of the newest answers that a model gave.

    Raises:
        NotFound: nothing was answered online and taken in yet.
    """
    sample = _sample(rig, state, most, seed)
    scores: dict[int, tuple[int, int]] = {}
    told: dict[str, Skew] = {}
    matched = 0
    for (number,), answers in sample.group_by(["version"], maintain_order=True):
        if not isinstance(number, int) or number not in state.versions:
            continue
        contract = rig.contract(state.versions[number].registered.contract)
        names = inputs_named(rig, state, number)
        served = typed(contract, answers, names)
        scores[number] = _scores(rig, state, number, contract, answers, served)
        found = _columns(rig, state, contract, answers, served, names, now)
        matched += len(next(iter(found.values())).served) if found else 0
        for one in compare(found):
            told[one.column] = _both(told.get(one.column), one)
    features_ = tuple(told.values())
    return SkewReport(answers=sample.height, matched=matched, scores=scores, features=features_)


def _sample(rig: Rig, state: State, most: int, seed: int) -> pl.DataFrame:
    pin = state.pins.get(rig.table(SERVED))
    found: list[pl.DataFrame] = []
    for period in sorted(state.answered, reverse=True) if pin is not None else ():
        assert pin is not None
        rows = rig.tables.read(pin, periods=[period])
        found.append(rows.filter(pl.col("rung").is_in([CHAMPION, PREVIOUS])))
        if sum(f.height for f in found) >= most:
            break
    rows = pl.concat(found) if found else pl.DataFrame()
    if rows.is_empty():
        raise NotFound(
            "no model's answer online was taken in yet",
            why="`tamid tick` takes in what `tamid serve` wrote",
            fix="Serve, ask, and run `tamid tick`.",
        )
    chosen = np.sort(rig.generator(seed).permutation(rows.height)[:most])
    sample: pl.DataFrame = rows[chosen.tolist()]
    return sample


def _scores(
    rig: Rig, state: State, number: int, contract: Contract, answers: pl.DataFrame,
    served: pl.DataFrame,
) -> tuple[int, int]:  # fmt: skip
    """Return how many of how many scores the training code gives otherwise."""
    names = [n for n in served.columns if n not in (ENTITY, TIME, PERIOD)]
    if not all_stored(contract, names):
        return 0, 0  # some input is never logged: these scores cannot be recomputed
    who = voice(rig, state, number)
    given = rig.scorer.score(who.bundle, who.overlay, served, reasons=0, timeout=_TIMEOUT).frame
    again = given.get_column("score").cast(pl.Float64).to_numpy()
    told = answers.get_column("score").cast(pl.Float64).to_numpy()
    return int(differs(told, again, "number").sum()), len(told)


def _columns(
    rig: Rig, state: State, contract: Contract, answers: pl.DataFrame, served: pl.DataFrame,
    names: Sequence[str], now: datetime,
) -> dict[str, Column]:  # fmt: skip
    """Return each input as served, as recomputed, and as of the row before, for matched answers."""
    if contract.data.entity is None or rig.table("rows") not in state.pins:
        return {}
    first = min(answers.get_column(PERIOD).drop_nulls(), default="")
    periods = sorted(state.periods)
    begin = max(0, sum(p < first for p in periods) - _BACK)
    rows = good(joining.joined(rig.tables, contract, state.pins, periods[begin:], now))
    rows = rows.sort(ENTITY, TIME, maintain_order=True).with_row_index("_place")
    place = _places(answers, rows)
    hit = np.flatnonzero(place >= 0)
    names = [n for n in names if n in rows.columns and n not in contract.data.pii]
    wanted = rows[place[hit].tolist()]
    entity = rows.get_column(ENTITY).to_list()
    earlier = [p - 1 if p > 0 and entity[p - 1] == entity[p] else None for p in place[hit].tolist()]
    return {
        name: Column(
            kind=(kind := _kind(wanted.schema[name])),
            served=_array(served.get_column(name)[hit.tolist()], kind),
            wanted=_array(wanted.get_column(name), kind),
            before=_array(rows.get_column(name).gather(pl.Series(earlier, dtype=pl.UInt32)), kind),
        )
        for name in names
    }


def _places(answers: pl.DataFrame, rows: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return, for each answer, the entity's newest row that was here when it was asked, or -1.

    Features that were looked up had to be written first; what a caller sent is about its moment.
    """
    moments: dict[str, list[tuple[int, datetime | None, datetime]]] = {}
    for place, entity, moment, arrived in rows.select("_place", ENTITY, TIME, ARRIVED).iter_rows():
        moments.setdefault(entity, []).append((place, moment, arrived))
    found = np.full(answers.height, -1, dtype=np.int64)
    asked = answers.select(ENTITY, TIME, "asked_at", "sought").iter_rows()
    for n, (entity, moment, at, sought) in enumerate(asked):
        until, here = (at, at - _GRACE) if sought else (moment, at)
        for place, about, arrived in moments.get(entity, ()):
            if about is not None and about <= until and arrived <= here:
                found[n] = place
    return found


def _kind(dtype: pl.DataType) -> Kind:
    if dtype.is_temporal():
        return "moment"
    return "number" if dtype.is_numeric() or dtype == pl.Boolean else "text"


def _array(values: pl.Series, kind: Kind) -> np.ndarray[Any, Any]:
    if kind == "text":
        return np.array([None if v is None else str(v) for v in values], dtype=object)
    if kind == "moment":
        values = values.cast(MOMENT).to_physical().cast(pl.Float64) / 1e6
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _both(one: Skew | None, other: Skew) -> Skew:
    """Add up what two versions came to; the cause is that of the one that differs more."""
    if one is None:
        return other
    worse = max(one, other, key=lambda s: s.differing)
    return replace(worse, rows=one.rows + other.rows, differing=one.differing + other.differing)
