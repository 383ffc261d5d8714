"""The desk: batches without a timer, a bad row alone, a death met with a restart."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import pytest

from tamid.core.errors import UserCodeError, WorkerDied
from tamid.serving.brain.desk import Desk
from tamid.serving.brain.jobs import Busy, Outcome, Pace, Restarting
from tamid.serving.values import Row

# Seconds until what is waited for has surely come, whatever else the machine does.
PATIENCE_S = 100.0


class Clerk:
    """A worker in this process that doubles numbers; it does what a row's `say` tells it to."""

    def __init__(self, gate: threading.Event, seen: list[int]) -> None:
        self._gate, self._seen = gate, seen
        self.peak_mb, self.closed, self.alive = 100.0, False, True

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Answer when the gate is open."""
        self._gate.wait(PATIENCE_S)
        self._seen.append(len(rows))
        words = [row.values.get("say") for row in rows]
        if "die" in words:
            raise WorkerDied("the worker was killed")
        if "fail" in words:
            raise UserCodeError("bad row")
        return [Outcome(score=2 * float(str(row.values["x"]))) for row in rows]

    def drill(self, fault: str, timeout: float) -> None:
        """Die, or hold on to a lot."""
        if fault == "exit":
            raise WorkerDied("the worker exited")
        self.peak_mb = 5000.0

    def close(self) -> None:
        """Nothing is held."""
        self.closed = True


def row(x: float, say: str | None = None) -> Row:
    """Return a row."""
    return Row(values={"x": x, "say": say})


@pytest.fixture
def gate() -> threading.Event:
    """Open at first."""
    event = threading.Event()
    event.set()
    return event


class Slow(Clerk):
    """A worker to whom a batch is a batch, whatever its size."""

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Answer after a while."""
        time.sleep(0.02)
        return super().ask(rows, explain=explain, timeout=timeout)


async def asked_apart(desk: Desk, *rows: Row) -> list[object]:
    """Ask for each row by itself, all at once."""
    asked = (desk.ask([r], explain=False, timeout=PATIENCE_S) for r in rows)
    found = await asyncio.gather(*asked, return_exceptions=True)
    return [f if isinstance(f, BaseException) else f[0].score for f in found]


async def until(fits: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not fits():
            await asyncio.sleep(0.005)


def test_callers_who_ask_again_at_once_stay_together(gate: threading.Event) -> None:
    """Eight callers in a closed loop are not split into halves that take turns."""
    seen: list[int] = []

    async def caller(desk: Desk) -> None:
        for _ in range(12):
            await desk.ask([row(1)], explain=False, timeout=PATIENCE_S)

    async def play() -> None:
        desk = Desk("model", lambda: Slow(gate, seen), 10)
        await desk.open()
        await asyncio.gather(*(caller(desk) for _ in range(8)))
        desk.close()

    asyncio.run(play())
    assert sum(seen) == 96
    # The first caller goes alone; halves would have been 24 batches.
    assert len(seen) <= 18


def test_who_comes_meanwhile_is_asked_together(gate: threading.Event) -> None:
    """The first goes alone at once; those who come while it is answered go in one batch."""
    seen: list[int] = []

    async def play() -> list[object]:
        desk = Desk("d", lambda: Clerk(gate, seen), 5)
        await desk.open()
        found = await asked_apart(desk, *(row(i) for i in range(20)))
        desk.close()
        return found

    assert asyncio.run(play()) == [2.0 * i for i in range(20)]
    assert seen == [1, 19]


def test_a_bad_row_fails_alone(gate: threading.Event) -> None:
    """Code that fails on one row takes nobody along who came in the same batch."""
    seen: list[int] = []

    async def play() -> list[object]:
        desk = Desk("d", lambda: Clerk(gate, seen), 5)
        await desk.open()
        found = await asked_apart(desk, row(0), row(1), row(2, "fail"), row(3))
        desk.close()
        return found

    found = asyncio.run(play())
    assert [found[0], found[1], found[3]] == [0.0, 2.0, 6.0]
    assert isinstance(found[2], UserCodeError)


def test_a_death_is_met_with_a_restart(gate: threading.Event) -> None:
    """Who was with it is told, who comes while it starts is told at once, then it answers again."""
    starts: list[int] = []
    ready = threading.Event()

    async def play() -> tuple[list[object], list[object]]:
        def start() -> Clerk:
            if starts:
                ready.wait(PATIENCE_S)
            starts.append(1)
            return Clerk(gate, [])

        desk = Desk("d", start, 5)
        await desk.open()
        first = await asked_apart(desk, row(1, "die"))
        with pytest.raises(Restarting):
            await desk.ask([row(1)], explain=False, timeout=PATIENCE_S)
        ready.set()
        await until(lambda: desk.restarts)
        later = await asked_apart(desk, row(4))
        desk.close()
        return first, later

    first, later = asyncio.run(play())
    assert isinstance(first[0], WorkerDied)
    assert later == [8.0]
    assert len(starts) == 2


def test_what_cannot_be_answered_in_time_is_not_taken(gate: threading.Event) -> None:
    """Once rows take their known time, a queue that is longer than the deadline is refused."""

    async def play() -> None:
        desk = Desk("d", lambda: Clerk(gate, []), 5)
        await desk.open()
        gate.clear()
        slow = asyncio.create_task(desk.ask([row(1)], explain=False, timeout=PATIENCE_S))
        await asyncio.sleep(0.2)
        gate.set()
        await slow
        gate.clear()
        waiting = asyncio.create_task(desk.ask([row(1)] * 10, explain=False, timeout=PATIENCE_S))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await desk.ask([row(1)], explain=False, timeout=0.01)
        gate.set()
        await waiting
        desk.close()

    asyncio.run(play())


def test_a_deadline_frees_the_caller_and_not_the_others(gate: threading.Event) -> None:
    """A caller whose time is over goes; what it asked for is not asked in its place."""

    async def play() -> None:
        desk = Desk("d", lambda: Clerk(gate, []), 5)
        await desk.open()
        gate.clear()
        first = asyncio.create_task(desk.ask([row(1)], explain=False, timeout=PATIENCE_S))
        await asyncio.sleep(0.01)
        with pytest.raises(Busy):
            await desk.ask([row(2)], explain=False, timeout=0.05)
        gate.set()
        assert (await first)[0].score == 2.0
        await asyncio.sleep(0.01)
        assert desk.waiting == 0
        desk.close()

    asyncio.run(play())


def test_who_holds_too_much_is_replaced_beside(gate: threading.Event) -> None:
    """A worker above its line is replaced by a fresh one; nobody is turned away meanwhile."""
    hired: list[Clerk] = []

    async def play() -> tuple[Desk, list[object]]:
        def start() -> Clerk:
            hired.append(Clerk(gate, []))
            return hired[-1]

        desk = Desk("d", start, 5, most_mb=120)
        await desk.open()
        found = await asked_apart(desk, row(1))
        assert desk.drill("leak")
        async with asyncio.timeout(PATIENCE_S):
            while not desk.renewals:
                found += await asked_apart(desk, row(2))
                await asyncio.sleep(0.005)
        found += await asked_apart(desk, row(3))
        desk.close()
        return desk, found

    desk, found = asyncio.run(play())
    assert all(isinstance(score, float) for score in found)
    assert (len(hired), desk.renewals, desk.restarts) == (2, 1, 0)
    assert hired[0].closed


def test_a_death_that_nobody_met_is_seen_by_looking(gate: threading.Event) -> None:
    """A worker that was killed while it had nothing to do is there again before it is asked."""
    made: list[Clerk] = []

    def start() -> Clerk:
        made.append(Clerk(gate, []))
        return made[-1]

    async def play() -> list[object]:
        desk = Desk("d", start, 5)
        await desk.open()
        desk.tend()
        made[0].alive = False
        desk.tend()
        await until(lambda: desk.restarts)
        found = await asked_apart(desk, row(3))
        desk.tend()
        desk.close()
        return [*found, desk.deaths]

    assert asyncio.run(play()) == [6.0, 1]
    assert len(made) == 2


def test_a_drilled_death_is_met_like_any_other(gate: threading.Event) -> None:
    """A fault that kills the worker leads to a restart."""

    async def play() -> int:
        desk = Desk("d", lambda: Clerk(gate, []), 5)
        await desk.open()
        assert desk.drill("exit")
        await until(lambda: desk.restarts)
        found = await asked_apart(desk, row(3))
        desk.close()
        assert found == [6.0]
        return desk.restarts

    assert asyncio.run(play()) == 1


def test_the_pace_of_batches_is_learnt() -> None:
    """A part for the batch and a part for each row; alike batches count each row alike."""
    pace = Pace()
    assert pace.expect(100) == 0.0
    pace.add(10, 0.08)
    assert pace.expect(20) == pytest.approx(0.16)
    for rows in (1, 50, 5, 30, 2, 40, 10, 1, 60):
        pace.add(rows, 0.05)
    assert 0.03 < pace.expect(100) < 0.12
    linear = Pace()
    for rows in (1, 50, 5, 30, 2, 40):
        linear.add(rows, 0.008 * rows)
    assert linear.expect(100) == pytest.approx(0.8, rel=0.01)


def test_nobody_waits_behind_what_hangs(gate: threading.Event) -> None:
    """Once a batch takes far longer than batches do, who comes is told at once."""

    async def play() -> None:
        desk = Desk("d", lambda: Clerk(gate, []), 5)
        await desk.open()
        await desk.ask([row(1)], explain=False, timeout=PATIENCE_S)
        gate.clear()
        hangs = asyncio.create_task(desk.ask([row(1)], explain=False, timeout=0.5))
        await asyncio.sleep(0.01)
        behind = asyncio.create_task(desk.ask([row(1)], explain=False, timeout=0.5))
        with pytest.raises(TimeoutError):
            await hangs
        with pytest.raises(Busy):
            await behind
        # Not even queued: who is queued and not come to is told so, after its time.
        with pytest.raises(Busy, match="rows wait for d"):
            await desk.ask([row(1)], explain=False, timeout=0.5)
        gate.set()
        desk.close()

    asyncio.run(play())
