"""Six times as many rows as a worker can answer: on a clock of the test's own, so that no machine
is too slow for it, what it works on is answered and not thrown away."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tamid.serving.brain.desk import Desk
from tamid.serving.brain.jobs import Busy, Outcome, answered
from tamid.serving.values import Row

CAPACITY, TIMES, SECONDS = 125, 6, 6.0
Cost = Callable[[int], float]


class _Jumps(selectors.DefaultSelector):
    """Waits for nothing: the clock jumps to the moment at which the next thing is due."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        """Let time pass at once."""
        self.now += 0.001 if timeout is None else timeout
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose workers take as long as the test says."""

    def __init__(self, cost: Cost) -> None:
        self._jumps, self._cost, self.batches = _Jumps(), cost, list[int]()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Return the seconds that have passed."""
        return self._jumps.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Answer a batch once its time has passed; anything else is done at once."""
        future = self.create_future()
        if func is not answered:
            future.set_result(func(*args))
            return future
        jobs = args[0]
        rows = sum(len(job.rows) for job in jobs)
        self.batches.append(rows)
        found = [[Outcome(score=0.5)] * len(job.rows) for job in jobs]
        self.call_later(self._cost(rows), future.set_result, found)
        return future


class Clerk:
    """A worker that the loop answers for."""

    peak_mb, alive = 1.0, True

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Never be asked."""
        raise AssertionError

    def drill(self, fault: str, timeout: float) -> None:
        """Suffer nothing."""

    def close(self) -> None:
        """Be gone."""


def play(cost: Cost, deadline: float) -> tuple[Counter[str], int]:
    """Ask at six times the capacity; say what became of the rows, and how many were worked on."""
    loop, seen = Loop(cost), Counter[str]()

    async def one(desk: Desk, end: float) -> None:
        try:
            await desk.ask([Row(values={})], explain=False, timeout=end - loop.time())
            seen["answered"] += 1
        except Busy:
            seen["lower rung"] += 1
        except TimeoutError:
            seen["too late"] += 1
        assert loop.time() <= end + 1e-6

    async def day() -> None:
        desk = Desk("version 1", Clerk, 10.0)
        await desk.open()
        asked = []
        for n in range(int(CAPACITY * TIMES * SECONDS)):
            due = n / (CAPACITY * TIMES)
            await asyncio.sleep(due - loop.time())
            asked.append(loop.create_task(one(desk, due + deadline)))
        await asyncio.gather(*asked)
        await asyncio.sleep(1)
        desk.close()

    try:
        loop.run_until_complete(day())
    finally:
        loop.close()
    return seen, sum(loop.batches)


@pytest.mark.parametrize("deadline", [0.1, 0.25, 0.5])
def test_a_steady_worker_is_never_idle(deadline: float) -> None:
    """What it costs is known: nearly all that it could do is answered, nothing comes too late."""
    seen, worked = play(lambda rows: 0.008 * rows, deadline)
    assert seen["too late"] == 0
    assert seen["answered"] == worked > 0.95 * CAPACITY * SECONDS


def test_a_batch_that_costs_by_itself_is_planned_for() -> None:
    """Half a row's cost a batch, and a deadline of eight batches: no row is worked on in vain."""
    seen, worked = play(lambda rows: 0.004 + 0.008 * rows, 0.1)
    assert worked - seen["answered"] < 0.05 * worked
    assert seen["answered"] > 0.6 * CAPACITY * SECONDS


@pytest.mark.parametrize("deadline", [0.1, 0.25])
def test_a_busy_machine_is_promised_less(deadline: float) -> None:
    """Where batches take now half, now twice as long, most of the work is still not in vain."""
    chance = random.Random(7)
    noisy = lambda rows: 0.008 * rows * chance.lognormvariate(0, 0.5)  # noqa: E731
    seen, worked = play(noisy, deadline)
    assert seen["answered"] > 0.8 * worked
    assert seen["answered"] > 0.6 * CAPACITY * SECONDS


def test_a_batch_is_as_large_as_its_first_can_wait() -> None:
    """Rows that would make the first of them late go into the next batch; the rest is refused."""
    loop = Loop(lambda rows: 0.01 * rows)

    async def day() -> list[object]:
        desk = Desk("d", Clerk, 5)
        await desk.open()
        for _ in range(3):
            await desk.ask([Row(values={})], explain=False, timeout=5)
        asked = (desk.ask([Row(values={})], explain=False, timeout=0.5) for _ in range(200))
        found = await asyncio.gather(*asked, return_exceptions=True)
        desk.close()
        return [type(f) for f in found]

    try:
        found = loop.run_until_complete(day())
    finally:
        loop.close()
    assert set(found) == {list, Busy}
    # Four fifths of the time are planned for.
    assert 35 <= found.count(list) <= 50
    assert max(loop.batches) <= 40
