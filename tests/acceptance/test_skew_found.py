"""Answers by entity, recomputed: nothing differs on a clean run, what is planted is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import toy
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core.errors import NotFound
from tamid.core.fold import fold
from tamid.core.spool import read_segment
from tamid.ports import Known
from tamid.stages.loop import adopt, tick
from tamid.stages.rig import Rig
from tamid.stages.skew import SkewReport, skew
from tamid.testing.segments import rows_block, segment

CONTRACT = toy.CONTRACT.replace(
    "    calls: {type: number, min: -10, max: 10}\n",
    "    calls: {type: number, min: -10, max: 10}\n    hour: {type: integer, min: 0, max: 23}\n",
)
SEASONAL = """\
import polars as pl

def build(frame):
    return frame.select("usage", "calls", day=pl.col("week").dt.ordinal_day().cast(pl.Float64))
"""
START = toy.FIRST + toy.PAST * toy.WEEK + timedelta(hours=4)
ASKED = START + toy.WEEK + timedelta(days=1)
Plant = Callable[[dict[str, Any], Mapping[str, Any]], None]


def rows_of(week: int) -> pl.DataFrame:
    """Return a week's rows, with an hour of the day."""
    rows = toy.rows_of(week)
    hours = np.random.default_rng([13, week]).integers(0, 24, size=rows.height)
    return rows.with_columns(pl.Series("hour", hours))


class World(Stores):
    """A released version, and look-ups of two weeks."""

    def __init__(
        self, signer: Keys, contract: str = CONTRACT, code: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(toy.MODEL, signer, toy.SALT)
        self.contract, self.code = contract, dict(code or {})
        weeks = range(toy.PAST + 1)
        self.rows.put("rows.parquet", pl.concat([rows_of(w) for w in weeks]), START)
        labels = pl.concat([toy.labels_of(w) for w in range(toy.PAST - 1)])
        self.labels.put("labels.parquet", labels, START)
        self.turn(START)
        self.before = self.known()
        self.rows.put("next.parquet", rows_of(toy.PAST + 1), START + toy.WEEK)
        self.rig = self.turn(START + toy.WEEK)
        self.now = self.known()

    def turn(self, at: Any) -> Rig:
        """Turn the loop once."""
        rig = self.opened(SimulatedClock(at))
        tick(rig, str(at), adopt(rig, self.contract, self.code, at))
        return rig

    def known(self) -> dict[str, Known]:
        """Return what servers look up."""
        names = rows_of(0).get_column("customer").to_list()
        return {name: found for name in names if (found := self.lookup.get(name)) is not None}

    def served(self, plant: Plant) -> SkewReport:
        """Answer all entities as a server does, with a fault planted, and compare."""
        state = fold(self.ledger.read(toy.MODEL))
        ref = state.versions[state.champion].registered.ref
        inputs, entities = [], sorted(self.now)
        for name in entities:
            row = json.loads(self.now[name].inputs or "{}")
            plant(row, json.loads(self.before[name].inputs or "{}"))
            inputs.append(row)
        frame = pl.DataFrame(inputs)
        if "week" in frame.columns:
            moment = pl.col("week").str.to_datetime(time_unit="us", time_zone="UTC")
            frame = frame.with_columns(moment)
        scores = self.rig.scorer.score(
            ref.bundle, ref.overlay, frame, reasons=0, timeout=timedelta(minutes=1)
        ).frame.get_column("score")
        answers = [
            (
                {**row, "_entity": name, "_sought": True},
                {"id": f"a-{name}", "score": score, "version": state.champion},
            )
            for row, name, score in zip(inputs, entities, scores, strict=True)
        ]
        block = rows_block(ASKED, answers)
        self.spool.put("s1", read_segment(segment([block], began=ASKED.timestamp())))
        self.turn(ASKED + timedelta(hours=1))
        state = fold(self.ledger.read(toy.MODEL))
        return skew(self.rig, state, 300, ASKED + timedelta(hours=2))


@pytest.fixture(scope="module")
def made(keys: Keys) -> World:
    """The world before anybody asked."""
    return World(keys)


@pytest.fixture
def world(made: World) -> World:
    """A copy of it."""
    made.rig = None  # type: ignore[assignment]
    found = copy.deepcopy(made)
    found.rig = found.opened(SimulatedClock(ASKED))
    return found


def nothing(row: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Plant nothing."""


def metres(row: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Serve another unit."""
    row["usage"] *= 100


def abroad(row: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Serve the hours of another zone."""
    row["hour"] = (row["hour"] + 3) % 24


def stale(row: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Serve what was looked up last week."""
    row.update(before)


def swapped(row: dict[str, Any], before: Mapping[str, Any]) -> None:
    """Serve two columns for each other."""
    row["usage"], row["calls"] = row["calls"], row["usage"]


@pytest.mark.parametrize(
    ("plant", "causes"),
    [
        (nothing, {}),
        (metres, {"usage": "unit"}),
        (abroad, {"hour": "time zone"}),
        (stale, {"usage": "stale", "calls": "stale", "hour": "stale"}),
        (swapped, {"usage": "swapped", "calls": "swapped"}),
    ],
)
def test_what_is_planted_is_found_and_named(
    world: World, plant: Plant, causes: Mapping[str, str]
) -> None:
    """Feature by feature; scores are recomputed from what was served, and agree."""
    found = world.served(plant)
    assert (found.answers, found.matched) == (300, 300)
    assert {f.column for f in found.features} == {"usage", "calls", "hour"}
    assert {f.column: f.cause for f in found.features if f.differing} == causes
    assert found.scores == {1: (0, 300)}
    assert bool(found.differing) == bool(causes)


def test_feature_code_that_reads_the_moment_is_proved_too(keys: Keys) -> None:
    """A look-up brings the moment, the log keeps it, and all scores are recomputed from it."""
    contract = CONTRACT.replace("training:", 'features: {code: "features.py:build"}\ntraining:', 1)
    found = World(keys, contract, {"features.py": SEASONAL}).served(nothing)
    assert (found.answers, found.matched) == (300, 300)
    assert found.scores == {1: (0, 300)}
    assert not found.differing


def test_a_model_that_answers_otherwise_is_found_by_its_scores(world: World) -> None:
    """The features agree, one score in ten does not."""
    scorer = world.rig.scorer

    class Odd:
        """A training code that gives other scores now and then."""

        probe = scorer.probe

        def score(self, *args: Any, **more: Any) -> Any:
            """Alter each tenth score."""
            found = scorer.score(*args, **more)
            tenth = pl.int_range(pl.len()) % 10 == 0
            moved = pl.when(tenth).then(pl.col("score") * 0.5 + 0.01).otherwise("score")
            return type(found)(frame=found.frame.with_columns(moved), seconds=found.seconds)

    world.served(nothing)
    state = fold(world.ledger.read(toy.MODEL))
    odd = Rig(**{f: getattr(world.rig, f) for f in Rig.__slots__ if f != "scorer"}, scorer=Odd())
    found = skew(odd, state, 300, ASKED)
    assert found.scores == {1: (30, 300)}
    assert not any(f.differing for f in found.features)


def test_without_answers_there_is_nothing_to_prove(world: World) -> None:
    """It says what to do first."""
    with pytest.raises(NotFound, match="taken in"):
        skew(world.rig, fold(world.ledger.read(toy.MODEL)), 10, ASKED)
