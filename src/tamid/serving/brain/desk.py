"""A desk before one worker process: who comes while it works is asked together afterwards.

Natural batching: there is no timer, so that a lone row never waits. A worker that dies or passes
its deadline is started anew, each time after a longer pause; nobody waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from tamid.core.errors import SystemFailure, TamidError, WorkerDied
from tamid.serving.values import Row

# Rows that are handed over together at most: more would make the first of them wait.
MOST_ROWS = 10_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
# Seconds beyond the kill deadline after which the worker is killed from outside: its thread may
# itself hang in writing to a worker that does not read.
_GRACE = 1.0
# Weight of the newest batch in the expected time of a row.
_NEWEST = 0.2


class Busy(SystemFailure):
    """More is waiting than can be answered in time."""


class Restarting(SystemFailure):
    """The worker died and is being started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a model or rule says of one row."""

    score: float
    classes: Mapping[str, float] = field(default_factory=dict)
    explanation: Mapping[str, float] = field(default_factory=dict)


class Hand(Protocol):
    """A worker process that has opened what it answers for; used by one thread."""

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Answer. Raises WorkerDied, or what the code raised."""
        ...

    def close(self) -> None:
        """Kill it; from any thread."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    rows: Sequence[Row]
    explain: bool
    future: asyncio.Future[Sequence[Outcome]]
    came: float
    begun: float = 0.0


class Desk:
    """Jobs on one side, one worker on the other; lives on an event loop."""

    def __init__(self, name: str, start: Callable[[], Hand], kill_after: float) -> None:
        self.name, self.restarts, self.deaths = name, 0, 0
        self._start, self._kill_after = start, kill_after
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[_Job] = deque()
        self._hand: Hand | None = None
        self._busy = self._closed = False
        self._deaths, self._row_seconds, self._rows, self._began = 0, 0.0, 0, 0.0

    async def open(self) -> None:
        """Start the worker. Raises what the start raised."""
        self._hand = await self._loop.run_in_executor(self._thread, self._start)

    @property
    def down(self) -> bool:
        """Say whether there is no worker just now."""
        return self._hand is None

    @property
    def waiting(self) -> int:
        """Return how many rows wait or are being answered."""
        return self._rows

    async def ask(
        self,
        rows: Sequence[Row],
        *,
        explain: bool,
        timeout: float,
        spent: dict[str, float] | None = None,
    ) -> Sequence[Outcome]:
        """Return an outcome for each row; `spent` is told how long they waited for their turn.

        Raises:
            Busy: what waits already takes longer than `timeout`; Restarting: there is no worker.
            TimeoutError: no answer in time. TamidError: the worker's own error.
        """
        if self._hand is None or self._closed:
            raise Restarting(f"{self.name} is starting again")
        if self._row_seconds * self._rows > timeout:
            raise Busy(f"{self._rows} rows wait for {self.name}")
        job = _Job(rows, explain, self._loop.create_future(), self._loop.time())
        self._waiting.append(job)
        self._rows += len(rows)
        self._next()
        try:
            async with asyncio.timeout(timeout):
                return await job.future
        finally:
            if spent is not None:
                waited = (job.begun or self._loop.time()) - job.came
                spent["queue"] = spent.get("queue", 0.0) + waited

    def close(self) -> None:
        """Kill the worker; who still waits is told."""
        self._closed = True
        hand, self._hand = self._hand, None
        if hand is not None:
            hand.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
        while self._waiting:
            self._fail(self._waiting.popleft(), Restarting(f"{self.name} was closed"))

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _next(self) -> None:
        if self._busy or self._hand is None:
            return
        jobs: list[_Job] = []
        rows = 0
        while self._waiting and (not jobs or rows + len(self._waiting[0].rows) <= MOST_ROWS):
            job = self._waiting[0]
            if job.future.done():
                self._rows -= len(job.rows)
            elif jobs and job.explain != jobs[0].explain:
                break
            else:
                jobs.append(job)
                rows += len(job.rows)
            self._waiting.popleft()
        if jobs:
            self._busy, self._began = True, self._loop.time()
            for job in jobs:
                job.begun = self._began
            self._loop.create_task(self._work(jobs, self._hand))

    async def _work(self, jobs: list[_Job], hand: Hand) -> None:
        watch = self._loop.call_later(self._kill_after + _GRACE, hand.close)
        try:
            results = await self._loop.run_in_executor(
                self._thread, _answered, jobs, hand, self._kill_after
            )
        except Exception as error:  # the thread is gone: the server is closing
            results = [SystemFailure(f"{self.name}: {error}")] * len(jobs)
        finally:
            watch.cancel()
        rows = sum(len(job.rows) for job in jobs)
        self._rows -= rows
        self._busy = False
        died = any(isinstance(result, WorkerDied) for result in results)
        if not died:
            self._deaths = 0
            each = (self._loop.time() - self._began) / max(rows, 1)
            self._row_seconds += _NEWEST * (each - self._row_seconds)
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Exception):
                self._fail(job, result)
            elif not job.future.done():
                job.future.set_result(result)
        if died and not self._closed:
            self._again()
        self._next()

    def _again(self) -> None:
        """Let the dead worker go; start one after a pause that grows with each death in a row."""
        hand, self._hand = self._hand, None
        if hand is not None:
            hand.close()
        while self._waiting:
            job = self._waiting.popleft()
            self._rows -= len(job.rows)
            self._fail(job, Restarting(f"{self.name} is starting again"))
        pause = min(_FIRST_PAUSE * 2**self._deaths, _LONGEST_PAUSE) if self._deaths else 0.0
        self._deaths += 1
        self.deaths += 1
        self._loop.call_later(pause, lambda: self._loop.create_task(self._restart()))

    async def _restart(self) -> None:
        if self._closed:
            return
        try:
            await self.open()
            self.restarts += 1
        except Exception:  # whatever keeps it from starting may pass
            if not self._closed:
                self._again()
            return
        self._leave_nothing()

    def _leave_nothing(self) -> None:
        """End a worker that came after the desk was closed."""
        if self._closed and self._hand is not None:
            self._hand.close()

    @staticmethod
    def _fail(job: _Job, error: Exception) -> None:
        if not job.future.done():
            job.future.set_exception(error)
            # Who asked may have gone already: then nobody reads it, and that is no news.
            job.future.exception()


def _answered(
    jobs: Sequence[_Job], hand: Hand, timeout: float
) -> list[Sequence[Outcome] | Exception]:
    """Ask for all jobs together; if the code fails on some row, for each job by itself."""
    rows = [row for job in jobs for row in job.rows]
    try:
        found = hand.ask(rows, explain=jobs[0].explain, timeout=timeout)
    except WorkerDied as error:
        return [error] * len(jobs)
    except TamidError as error:
        if len(jobs) == 1:
            return [error]
        alone: list[Sequence[Outcome] | Exception] = []
        for job in jobs:
            alone += _answered([job], hand, timeout)
            if isinstance(alone[-1], WorkerDied):
                alone += [alone[-1]] * (len(jobs) - len(alone))
                break
        return alone
    except Exception as error:
        with contextlib.suppress(Exception):
            hand.close()
        died = WorkerDied(f"the worker could not be read: {type(error).__name__}")
        return [died] * len(jobs)
    cut, parts = 0, []
    for job in jobs:
        parts.append(found[cut : cut + len(job.rows)])
        cut += len(job.rows)
    return list(parts)
