"""The arms of a trial: who is drawn, how a shadow keeps out of the way, who is in control."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.control import in_control, rotation
from tamid.core.values import Task
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.control import membership
from tamid.serving.brain.inline import Inline
from tamid.serving.brain.trial import Trial, lot
from tamid.serving.brain.voices import Voice
from tamid.serving.values import Answer, Row, Served

SERVED = Served(name="m", number=1, bundle="b", overlay="o", task=Task.BINARY, inputs=())


class Slow:
    """A row model that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked = seconds, 0

    def score(self, row: object) -> float:
        """Return a half."""
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass
        self.asked += 1
        return 0.5

    def scores(self, rows: object) -> list[float]:
        """Not used."""
        raise NotImplementedError

    def chances(self, row: object) -> tuple[float, ...]:
        """Not used."""
        raise NotImplementedError

    def contributions(self, row: object) -> dict[str, float]:
        """Not used."""
        raise NotImplementedError


def trial(stage: str, model: Slow, share: float = 0.0) -> Trial:
    """Return a trial of a second version."""
    desk = Inline("v2", model, ())
    return Trial(stage, share, Voice(number=2, desk=desk, breaker=Breaker(time.monotonic)), SERVED)


def row(entity: str | None = None) -> Row:
    """Return a row."""
    return Row(values={}, entity=entity)


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_the_draw_is_sticky_and_nested(entity: str, one: float, two: float) -> None:
    """The same entity always; a larger share keeps those of a smaller one."""
    small, large = trial("canary", Slow(0), min(one, two)), trial("canary", Slow(0), max(one, two))
    assert small.takes(row(entity), "a") == small.takes(row(entity), "b")
    assert not small.takes(row(entity), "a") or large.takes(row(entity), "a")


def test_the_draw_is_even_and_by_version() -> None:
    """A share is that share of the entities, and the next version draws others."""
    names = [f"c{i}" for i in range(4000)]
    share = sum(lot(name, 2) < 0.1 for name in names) / len(names)
    assert share == pytest.approx(0.1, abs=0.02)
    both = sum(lot(name, 2) < 0.1 and lot(name, 3) < 0.1 for name in names) / len(names)
    assert both == pytest.approx(0.01, abs=0.008)


def test_without_an_entity_the_request_is_drawn() -> None:
    """Rows that belong to nobody are shared out by their ids."""
    found = trial("canary", Slow(0), 0.5)
    assert 20 < sum(found.takes(row(), str(i)) for i in range(80)) < 60


def test_a_stopped_trial_takes_nobody() -> None:
    """Neither as a canary nor as a shadow."""
    for stage in ("canary", "shadow"):
        found = trial(stage, Slow(0), 1.0)
        found.stop("enough")
        found.beside([row("a")])
        assert not found.takes(row("a"), "a")
        assert not found.tallies[stage].rows


def test_calls_are_counted_by_each_arms_own_threshold() -> None:
    """A shadow whose threshold went astray is stopped, though its scores are the champion's."""
    found = trial("shadow", Slow(0))
    found.voice = replace(found.voice, threshold=0.4)
    answers = [
        Answer(id="a", score=0.5, version=1, rung="champion", decision=int(i % 4 == 0))
        for i in range(200)
    ]

    async def play() -> None:
        found.beside([row(str(i)) for i in range(200)])
        end = time.perf_counter() + 100
        while found.tallies["shadow"].rows < 200 and time.perf_counter() < end:
            await asyncio.sleep(0.001)

    asyncio.run(play())
    found.heard("champion", answers, 0.001, time.monotonic() + 1)
    assert (found.tallies["shadow"].called, found.tallies["champion"].called) == (200, 50)
    assert "it calls 200 of 200, the champion 50 of 200" in found.look(time.monotonic())


def test_a_compiled_shadow_works_in_slices() -> None:
    """Between two turns of the loop so many rows are shadowed as fit into a slice, and no more."""
    model = Slow(0.0002)

    async def play() -> int:
        found = trial("shadow", model)
        found.beside([row(str(i)) for i in range(100)])
        most, end = 0, time.perf_counter() + 100
        while model.asked < 100 and time.perf_counter() < end:
            before = model.asked
            await asyncio.sleep(0)
            most = max(most, model.asked - before)
        assert found.tallies["shadow"].rows == 100
        return most

    assert asyncio.run(play()) <= 2
    assert model.asked == 100


def test_a_shadow_that_cannot_follow_is_spared_and_it_is_counted() -> None:
    """More rows than it can take are not shadowed, and nobody waits."""

    async def play() -> Trial:
        found = trial("shadow", Slow(0))
        found.beside([row(str(i)) for i in range(900)])
        found.beside([row(str(i)) for i in range(300)])
        return found

    assert asyncio.run(play()).tallies["shadow"].skipped == 200


def test_a_look_stops_what_fails_now() -> None:
    """Half an hour of good answers do not hide a minute of bad ones."""
    found = trial("canary", Slow(0), 0.5)
    good = [Answer(id="", score=i / 3000, version=2, rung="r") for i in range(3000)]
    found.heard("canary", good, 0.001, time.monotonic() + 900)
    found.heard("champion", good, 0.001, time.monotonic() + 900)
    assert not found.look(0.0)
    found.heard("champion", good, 0.001, time.monotonic() + 900)
    assert not found.look(31.0)
    found.heard("canary", ["canary: error"] * 12, 0.001, time.monotonic() + 900)
    found.heard("champion", good[:100], 0.001, time.monotonic() + 900)
    assert "12 of 12 rows got no answer of it" in found.look(62.0)
    assert found.stopped
    assert not found.look(63.0)


@given(st.lists(st.text(), min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 2**31))
def test_control_is_drawn_as_in_batches(names: list[str], share: float, moment: int) -> None:
    """One entity at a time says what the whole period says, in every rotation."""
    weeks = timedelta(weeks=13)
    member = membership(share, weeks, "salt", lambda: float(moment))
    turn = rotation(datetime.fromtimestamp(moment, UTC), weeks)
    assert [member(name) for name in names] == in_control(names, share, "salt", turn).tolist()
    assert member(None) is None
