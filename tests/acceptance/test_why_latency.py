"""Planted slowness, from the notes of a server to the words of the command: each cause is named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import toy
from small_world import Stores

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.adapters.spool import FileSpool
from tamid.core.errors import NotFound
from tamid.core.fold import fold
from tamid.core.latency import Slower, why_slow
from tamid.core.values import Task
from tamid.serving.log.book import Book
from tamid.serving.values import Answer, Input, Logged, Row, Served
from tamid.stages.journal import Journal
from tamid.stages.loop import adopt
from tamid.stages.slowness import windows
from tamid.stages.spooling import take_in

BEGIN = datetime(2026, 3, 4, 9, tzinfo=UTC)
ONE = Served(
    name="toy", number=1, bundle="b", overlay="o", task=Task.BINARY,
    inputs=(Input(name="usage", kind="number"),), logged=Logged(names=("usage",)),
)  # fmt: skip
ROW = Row(values={"usage": 1.0}, entity="c1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What requests are like for a while: times in milliseconds."""

    served: Served = ONE
    a_window: int = 40
    rows: int = 1
    size: int = 60
    read: float = 0.05
    features: float = 0.02
    queue: float = 0.2
    model: float = 1.0
    logging: float = 0.0


def told(folder: Path, keys: Keys, before: Traffic, after: Traffic) -> Slower:
    """Let a server live through two kinds of traffic, take in what it wrote, and ask why."""
    now = [BEGIN.timestamp()]
    book = Book(folder / "spool", toy.MODEL, every=3600, wall=lambda: now[0])
    rng = np.random.default_rng(2)
    for n in range(24):
        like = before if n < 12 else after
        for _ in range(like.a_window):
            noise = float(rng.lognormal(sigma=0.3))
            parts = (like.read, like.features, like.queue, like.model)
            seconds = tuple(p * noise / 1000 for p in parts)
            version = like.served.number
            answer = Answer(id="a", score=0.5, version=version, rung="champion")
            spent = (*seconds, sum(seconds))
            book.note(like.served, (ROW,) * like.rows, (answer,) * like.rows, spent, like.size)
            book.waited(version, like.logging * noise / 1000)
        now[0] += 10.0
        book.flush()
    book.close()
    stores = Stores(toy.MODEL, keys, toy.SALT)
    rig = replace(
        stores.opened(SimulatedClock(BEGIN + timedelta(hours=1))), spool=FileSpool(folder / "spool")
    )
    adopt(rig, toy.CONTRACT, {}, BEGIN)
    take_in(rig, Journal(stores.ledger, toy.MODEL), rig.clock.now(), 0)
    state = fold(stores.ledger.read(toy.MODEL))
    seen = windows(rig, state, timedelta(days=1), rig.clock.now())
    assert sum(w.requests for w in seen) == 12 * (before.a_window + after.a_window)
    return why_slow(seen)


TWO = replace(ONE, number=2)
PLANTED: dict[str, tuple[Traffic, str, str, str]] = {
    "a slower version": (Traffic(served=TWO, model=2.4), "version", "model", "since version 2"),
    "more load": (Traffic(a_window=400, queue=9.0), "load", "queue", "4 requests a second"),
    "larger bodies": (
        Traffic(rows=30, size=1800, model=24.0, read=1.2), "size", "model", "requests are larger",
    ),
    "slow look-ups": (Traffic(features=6.0), "part", "features", "at the same version"),
    "a slow disk": (Traffic(logging=4.0), "part", "log", "at the same version"),
    "a slow network": (Traffic(read=8.0), "part", "read", "at the same version"),
    "a slower model at the same version": (
        Traffic(model=3.0, queue=0.4), "part", "model", "at the same version",
    ),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_the_cause_is_named(tmp_path: Path, keys: Keys, planted: str) -> None:
    """With part, version and the moment since when, and figures before and after."""
    after, cause, part, words = PLANTED[planted]
    found = told(tmp_path, keys, Traffic(), after)
    assert (found.cause, found.part) == (cause, part), found.words
    assert words in found.words
    assert found.version == after.served.number
    assert found.since == pytest.approx((BEGIN + timedelta(seconds=120)).timestamp(), abs=10)
    assert found.before is not None
    assert found.after is not None
    if part != "log":
        assert found.after.p50 > found.before.p50
        assert found.after.parts[part] > found.before.parts[part]


@pytest.mark.parametrize(
    "after",
    [Traffic(), Traffic(served=TWO), Traffic(a_window=400), Traffic(model=0.2)],
    ids=["the same", "another version", "more load", "faster"],
)
def test_what_is_not_slower_has_no_cause(tmp_path: Path, keys: Keys, after: Traffic) -> None:
    """More load or another version is none by itself."""
    assert told(tmp_path, keys, Traffic(), after).cause == "nothing"


def test_without_times_it_says_so(keys: Keys) -> None:
    """And what to do."""
    stores = Stores(toy.MODEL, keys, toy.SALT)
    rig = stores.opened(SimulatedClock(BEGIN))
    adopt(rig, toy.CONTRACT, {}, BEGIN)
    with pytest.raises(NotFound, match="how long"):
        windows(rig, fold(stores.ledger.read(toy.MODEL)), timedelta(days=1), BEGIN)
