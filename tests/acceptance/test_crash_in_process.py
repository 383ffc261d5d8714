"""A life with deaths in it comes to the same end: each write is a point at which the process dies.

Stores in memory, everything in this process. `make test` dies after every write there is, dealt out
to a few lives; the integration run before every write, too, where the stores are as after the write
before it. `test_crash_kills.py` does the same with SIGKILL over real stores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
import toy
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory import MemorySink
from tamid.adapters.memory_clock import SimulatedClock
from tamid.core.fold import fold
from tamid.core.policy import RESTARTS_PER_RUN
from tamid.core.spool import read_segment
from tamid.ports import Parcel, Progress, TrainingJob, TrainingResult
from tamid.stages.loop import adopt, tick
from tamid.testing.crash import AFTER, BEFORE, Crash, Phase, Points
from tamid.testing.dying import dying
from tamid.workshop import inline_trainer

Point = tuple[int, str, Phase]
# Fewest lives that the deaths of one phase are dealt out to.
LIVES = 4


class CountingSink(MemorySink):
    """A target that counts what changed what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: Counter[tuple[str, int]] = Counter()

    def deliver(self, parcel: Parcel) -> str:
        """Keep the parcel unless a newer one is here."""
        before = dict(self.periods)
        receipt = super().deliver(parcel)
        self.taken[parcel.period, parcel.revision] += before != self.periods
        return receipt


class Remembering:
    """A place to train that makes each candidate once: the same job always gives the same.

    That it does so in a process that was killed and begins anew is what test_crash_kills.py holds.
    """

    def __init__(self) -> None:
        self._trainer, self._made = inline_trainer(tiny=True), dict[str, TrainingResult]()

    def train(self, job: TrainingJob, timeout: timedelta, progress: Progress) -> TrainingResult:
        """Make a candidate, or return the one that the same job gave."""
        told = (getattr(job, f.name) for f in fields(job) if f.name != "frame")
        key = repr([*told, job.frame.schema, job.frame.hash_rows().to_list()])
        if key not in self._made:
            self._made[key] = self._trainer.train(job, timeout, progress)
        return self._made[key]


TRAINER = Remembering()


class Counted(Stores):
    """The stores of the toy, with targets that count."""

    def __init__(self, signer: Keys) -> None:
        self.targets = {"1-csv": CountingSink(), "2-sql": CountingSink()}
        super().__init__(toy.MODEL, signer, toy.SALT, self.targets)
        self.processes = 0

    def put(self, turn: toy.Turn) -> None:
        """Put down what comes before a turn."""
        for source, files in ((self.rows, turn.rows), (self.labels, turn.labels)):
            for file, frame in files.items():
                source.put(file, frame, turn.at)
        for name, content in turn.spooled.items():
            self.spool.put(name, read_segment(content))

    def live(self, turn: toy.Turn, points: Points) -> None:
        """Turn the loop once in a fresh process; the one before it is gone."""
        self.processes += 1
        held = self.leases.held(toy.MODEL)
        if held is not None and held.holder:
            lease = self.leases.acquire(toy.MODEL, held.holder, turn.at, held.ttl)
            self.leases.release(lease)
        rig = dying(replace(self.opened(SimulatedClock(turn.at)), trainer=TRAINER), points)
        known = adopt(rig, turn.contract, {}, turn.at)
        tick(rig, f"process {self.processes}", known)

    def portrait(self) -> dict[str, Any]:
        """Return all that a life has come to."""
        records = self.ledger.read(toy.MODEL)
        held = {
            f"{name}: {period}": (parcel.revision, parcel.reason, parcel.frame.rows())
            for name, sink in self.targets.items()
            for (_, period), parcel in sink.periods.items()
        }
        taken = {name: dict(sink.taken) for name, sink in self.targets.items()}
        return {**toy.portrait(fold(records), records, self.tables), "held": held, "taken": taken}


class Whole:
    """The life without a death: the writes of each turn, and what each turn had come to."""

    def __init__(self, signer: Keys) -> None:
        self.turns = toy.life()
        self.signer = signer
        self.names: list[list[str]] = []
        self.portraits: list[dict[str, Any]] = []
        stores = Counted(signer)
        for turn in self.turns:
            stores.put(turn)
            points = Points()
            stores.live(turn, points)
            self.names.append(points.names)
            self.portraits.append(stores.portrait())

    def points(self, phase: Phase) -> list[Point]:
        """Return every point at which to die: the turn, the write, before or after it."""
        return [(n, name, phase) for n, names in enumerate(self.names) for name in names]


@pytest.fixture(scope="module")
def whole(keys: Keys) -> Whole:
    """The life without a death."""
    return Whole(keys)


def died(whole: Whole, plan: Sequence[Point]) -> set[Point]:
    """Live the whole life, dying once at each planned point; compare after every turn."""
    stores, met = Counted(whole.signer), set[Point]()
    for number, turn in enumerate(whole.turns):
        stores.put(turn)
        left = {(name, phase) for n, name, phase in plan if n == number}

        def dies(count: int, name: str, phase: Phase, left: set[tuple[str, Phase]] = left) -> bool:
            return (name, phase) in left

        while True:
            points = Points(dies=dies)
            with suppress(Crash):
                stores.live(turn, points)
            if points.death is None:
                break
            left.remove(points.death)
            met.add((number, *points.death))
        toy.same(stores.portrait(), whole.portraits[number], f"turn {number}")
    return met


def test_the_life_without_a_death_has_everything_in_it(whole: Whole) -> None:
    """Three releases, a refused and repaired batch, a held candidate, a closed case, a server."""
    end = whole.portraits[-1]
    assert [r["number"] for r in end["state: reigns"]] == [1, 2, 3]
    outcomes = [r["judged"]["outcome"] for r in end["state: runs"].values()]
    assert outcomes == ["promote", "promote", "held", "promote"]
    assert [c["opened"]["kind"] for c in end["state: cases"].values()] == ["bug", "held"]
    assert all(c["resolution"] for c in end["state: cases"].values())
    assert end["events"]["DataRefused"] == 1
    weeks = {(toy.FIRST + (toy.PAST + n) * toy.WEEK).date().isoformat() for n in range(9)}
    for taken in end["taken"].values():
        assert {period for period, _ in taken} == weeks
        assert {revision for _, revision in taken} == {1, 2}  # the repaired week was corrected
        assert set(taken.values()) == {1}
    assert end["events told twice"] == []
    assert end["events"]["AnswersTaken"] == 9
    (died,) = (i for name, i in end["state: incidents"].items() if "server/worker" in name)
    assert died["opened"]["failure"] == "system_failure"
    assert died["resolution"]


def lives(whole: Whole, plan: Sequence[Point]) -> list[list[Point]]:
    """Deal the deaths out to lives, so that no run dies more often than it may be started again."""
    dealt: list[list[Point]] = [[] for _ in range(LIVES)]
    for place, point in enumerate(plan):
        room = [life for life in dealt if not _worn_out(whole, life, point)]
        if not room:
            room = [[]]
            dealt.append(room[0])
        room[place % len(room)].append(point)
    return dealt


def _worn_out(whole: Whole, life: Sequence[Point], point: Point) -> bool:
    if not _trains(whole, point):
        return False
    return sum(_trains(whole, p) for p in life if p[0] == point[0]) >= RESTARTS_PER_RUN


def _trains(whole: Whole, point: Point) -> bool:
    """Say whether a death at this point leaves a run that has begun and is not finished."""
    turn, name, phase = point
    names = whole.names[turn]
    done = names[: names.index(name) + (phase == AFTER)]
    return any("RunStarted" in n for n in done) and not any("RunFinished" in n for n in done)


@pytest.mark.parametrize("phase", [pytest.param(BEFORE, marks=pytest.mark.integration), AFTER])
def test_no_death_changes_what_a_life_comes_to(whole: Whole, phase: Phase) -> None:
    """Whatever a turn died of, the next goes on: same champion, cases, deliveries; none twice."""
    for part in lives(whole, whole.points(phase)):
        assert died(whole, part) == set(part)
