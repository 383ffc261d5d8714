"""A desk before one worker process: who comes while it works is asked together afterwards.

Natural batching: there is no timer, so that a lone row never waits. A worker that dies or passes
its deadline is started anew, each time after a longer pause; one that holds too much memory is
replaced by a fresh one, which starts beside it. Nobody waits for either.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tamid.core.errors import SystemFailure, WorkerDied
from tamid.serving.brain.jobs import Busy, Hand, Job, Outcome, Pace, Restarting, answered
from tamid.serving.values import Row

# Rows that are handed over together at most: more would make the first of them wait.
MOST_ROWS = 10_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
# Seconds beyond the kill deadline after which the worker is killed from outside: its thread may
# itself hang in writing to a worker that does not read.
_GRACE = 1.0
# A worker is replaced when it holds so many times what it held with its first answer, and more
# than the contract gives.
_ROOM = 1.5
# Of the time that rows have, what is planned for: estimates are no promises.
_PLANNED = 0.8
# A batch that takes so many times what was expected hangs: nobody is let wait behind it.
_HANGS = 4.0
# What a batch waits behind another for those who were just answered: a part of what that took, and
# seconds at most. Where more wait already than were answered, it begins at once.
_BREATH, _LONGEST_BREATH = 0.1, 0.005


class Desk:
    """Jobs on one side, one worker on the other; lives on an event loop."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Hand],
        kill_after: float,
        most_mb: float = math.inf,
    ) -> None:
        self.name, self.restarts, self.renewals, self.deaths = name, 0, 0, 0
        self._start, self._kill_after, self._most_mb = start, kill_after, most_mb
        self._line, self._old = 0.0, list[Hand]()
        self._renewing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[Job] = deque()
        self._hand: Hand | None = None
        self._busy = self._closed = self._resting = False
        self._deaths, self._rows, self._doing, self._began = 0, 0, 0, 0.0
        self._pace = Pace()

    async def open(self) -> None:
        """Start the worker. Raises what the start raised."""
        found = await self._loop.run_in_executor(self._thread, self._start)
        if self._closed or self._hand is not None:
            # The desk was closed, or another one was there first.
            found.close()
        else:
            self._hand = found

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
        if self._rows and self._until_done(len(rows), timeout) > _PLANNED * timeout:
            raise Busy(f"{self._rows} rows wait for {self.name}")
        now = self._loop.time()
        job = Job(rows, explain, self._loop.create_future(), now, due=now + timeout)
        self._waiting.append(job)
        self._rows += len(rows)
        self._next()
        try:
            async with asyncio.timeout(timeout):
                return await job.future
        except TimeoutError:
            if job.begun:
                raise
            # It was not even begun: that is no failure of the worker's own.
            raise Busy(f"{self.name} did not come to it") from None
        finally:
            if spent is not None:
                waited = (job.begun or self._loop.time()) - job.came
                spent["queue"] = spent.get("queue", 0.0) + waited

    def tend(self) -> None:
        """Start a worker anew that died while it had nothing to do, before anybody asks it."""
        hand = self._hand
        if hand is not None and not (self._busy or self._closed or hand.alive):
            self._again()

    def drill(self, fault: str) -> bool:
        """Let the worker suffer a fault, in its turn; say whether there is one."""
        if self._hand is None or self._closed:
            return False
        now = self._loop.time()
        self._waiting.append(Job((), False, self._loop.create_future(), now, fault=fault))
        self._next()
        return True

    def close(self) -> None:
        """Kill the worker; who still waits is told."""
        self._closed = True
        hand, self._hand = self._hand, None
        for one in (hand, *self._old):
            if one is not None:
                one.close()
        self._thread.shutdown(wait=False, cancel_futures=True)
        while self._waiting:
            self._fail(self._waiting.popleft(), Restarting(f"{self.name} was closed"))

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    def _until_done(self, rows: int, timeout: float) -> float:
        """Return how long rows that come now will probably take; endless behind what hangs."""
        left, now = 0.0, self._loop.time()
        if self._busy:
            usual, taken = self._pace.expect(self._doing), now - self._began
            if taken > max(timeout, _HANGS * usual):
                return math.inf
            left = max(0.0, usual - taken)
        return left + self._pace.expect(self._rows - self._doing + rows)

    def _next(self) -> None:
        """Begin with as many of the waiting rows as will be done while each has time."""
        if self._busy or self._resting or self._hand is None:
            return
        due = math.inf
        jobs: list[Job] = []
        rows = 0
        while self._waiting and (not jobs or rows + len(self._waiting[0].rows) <= MOST_ROWS):
            job = self._waiting[0]
            if job.future.done():
                self._rows -= len(job.rows)
            elif not jobs and self._too_late(job):
                # Working on it would only take the time of those who can still be answered.
                self._rows -= len(job.rows)
                self._fail(job, Busy(f"{self.name} did not come to it"))
            elif jobs and not self._goes_with(jobs[0], job, rows, due):
                break
            else:
                jobs.append(job)
                rows, due = rows + len(job.rows), min(due, job.due)
            self._waiting.popleft()
        if jobs:
            self._busy, self._began, self._doing = True, self._loop.time(), rows
            for job in jobs:
                job.begun = self._began
            self._loop.create_task(self._work(jobs, self._hand))

    def _goes_with(self, first: Job, job: Job, rows: int, due: float) -> bool:
        """Say whether a job may join a batch and all of it will still be done in time."""
        if job.explain != first.explain or job.fault or first.fault:
            return False
        left = min(due, job.due) - self._loop.time()
        return self._pace.at_most(rows + len(job.rows)) <= _PLANNED * left

    def _too_late(self, job: Job) -> bool:
        """Say whether a job will hardly be done in time, were it the next one alone."""
        others = any(not other.future.done() for other in self._waiting if other is not job)
        left = job.due - self._loop.time()
        return others and self._pace.at_most(len(job.rows)) > _PLANNED * left

    async def _work(self, jobs: list[Job], hand: Hand) -> None:
        watch = self._loop.call_later(self._kill_after + _GRACE, hand.close)
        try:
            results = await self._loop.run_in_executor(
                self._thread, answered, jobs, hand, self._kill_after
            )
        except Exception as error:  # the thread is gone: the server is closing
            results = [SystemFailure(f"{self.name}: {error}")] * len(jobs)
        finally:
            watch.cancel()
        rows = sum(len(job.rows) for job in jobs)
        self._rows -= rows
        spent = self._loop.time() - self._began
        self._busy, self._doing = False, 0
        died = any(isinstance(result, WorkerDied) for result in results)
        if not died and rows:
            self._deaths = 0
            self._line = self._line or max(self._most_mb, _ROOM * hand.peak_mb)
            self._pace.add(rows, spent)
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, Exception):
                self._fail(job, result)
            elif not job.future.done():
                job.future.set_result(result)
        for old in self._old:
            old.close()
        self._old.clear()
        if died and not self._closed:
            if hand is self._hand:
                self._again()
            else:  # one that was replaced meanwhile is not missed
                self.deaths += 1
                hand.close()
        elif hand is self._hand and hand.peak_mb > self._line > 0 and not self._renewing:
            self._renewing = True
            self._loop.create_task(self._renew())
        if len(jobs) > 1 and self._rows <= rows:
            # Who was answered asks again at once: without a breath two halves would take turns.
            self._resting = True
            await asyncio.sleep(min(_BREATH * spent, _LONGEST_BREATH))
            self._resting = False
        self._next()

    async def _renew(self) -> None:
        """Replace a worker that holds too much by one that was started beside it."""
        try:
            fresh = await self._loop.run_in_executor(None, self._start)
        except Exception:  # whatever keeps it from starting may pass; the old one still answers
            await asyncio.sleep(_LONGEST_PAUSE)
            self._renewing = False
            return
        self._renewing = False
        old, self._hand = self._hand, fresh
        self.renewals += 1
        if self._closed:
            fresh.close()
        if old is not None and self._busy:
            self._old.append(old)
        elif old is not None:
            await self._loop.run_in_executor(None, old.close)

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
        if self._closed or self._hand is not None:
            return
        try:
            await self.open()
            self.restarts += 1
        except Exception:  # whatever keeps it from starting may pass
            if not self._closed:
                self._again()

    @staticmethod
    def _fail(job: Job, error: Exception) -> None:
        if not job.future.done():
            job.future.set_exception(error)
            # Who asked may have gone already: then nobody reads it, and that is no news.
            job.future.exception()
