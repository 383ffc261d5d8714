"""What lies on a desk: jobs, the hand that does them, and how a batch of them is done."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tamid.core.errors import SystemFailure, TamidError, WorkerDied
from tamid.serving.values import Row

# Weight of the newest batch in what is expected of the next.
_NEWEST = 0.2
# Spread of the sizes of batches, as a part of their square, below which they are alike.
_ALIKE = 0.02
# A batch that took more than this beyond what was expected tells no more than that it hung.
_MOST_LONGER = 2.0


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

    @property
    def alive(self) -> bool:
        """Say whether the process still runs; from any thread."""
        ...

    @property
    def peak_mb(self) -> float:
        """Return the most memory that it held in its last answer."""
        ...

    def ask(self, rows: Sequence[Row], *, explain: bool, timeout: float) -> Sequence[Outcome]:
        """Answer. Raises WorkerDied, or what the code raised."""
        ...

    def drill(self, fault: str, timeout: float) -> None:
        """Let it suffer a fault, as a drill asks for. Raises WorkerDied if it dies of it."""
        ...

    def close(self) -> None:
        """Kill it; from any thread."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """Rows that were asked for together; `fault`: what a drill lets the worker suffer instead."""

    rows: Sequence[Row]
    explain: bool
    future: asyncio.Future[Sequence[Outcome]]
    came: float
    begun: float = 0.0
    due: float = math.inf
    fault: str = ""


class Pace:
    """How long a batch takes, learnt from those before: a part for any, a part for each row."""

    def __init__(self) -> None:
        self._rows = self._seconds = self._squares = self._products = 0.0
        self._longer = 0.0

    def add(self, rows: int, seconds: float) -> None:
        """Learn from a batch."""
        usual = self.expect(rows)
        if usual:
            missed = max(seconds / usual - 1.0, 0.0)
            self._longer += _NEWEST * (min(missed, _MOST_LONGER) - self._longer)
        newest = _NEWEST if self._rows else 1.0
        self._rows += newest * (rows - self._rows)
        self._seconds += newest * (seconds - self._seconds)
        self._squares += newest * (rows * rows - self._squares)
        self._products += newest * (rows * seconds - self._products)

    def at_most(self, rows: int) -> float:
        """Return the seconds that a batch of so many rows will hardly exceed, as things stand.

        Batches of late took so much longer than was expected of them, on average; twice that is
        added, so that a machine that does other things too is not promised as a quiet one.

        >>> pace = Pace()
        >>> for seconds in (0.1, 0.1, 0.2, 0.1): pace.add(10, seconds)
        >>> pace.expect(10) < pace.at_most(10) < 2 * pace.expect(10)
        True
        """
        return self.expect(rows) * (1.0 + 2.0 * self._longer)

    def expect(self, rows: int) -> float:
        """Return the seconds that a batch of so many rows will take; 0 before the first one.

        Batches that were all alike say nothing of the two parts: then each row counts alike.
        """
        if not self._rows:
            return 0.0
        spread = self._squares - self._rows * self._rows
        each = self._seconds / self._rows
        if spread > _ALIKE * self._rows * self._rows:
            slope = (self._products - self._rows * self._seconds) / spread
            each = min(max(slope, 0.0), each)
        return max(self._seconds - each * self._rows, 0.0) + each * rows


def answered(
    jobs: Sequence[Job], hand: Hand, timeout: float
) -> list[Sequence[Outcome] | Exception]:
    """Ask for all jobs together; if the code fails on some row, for each job by itself."""
    if jobs[0].fault:
        return [_drilled(jobs[0], hand, timeout)]
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
            alone += answered([job], hand, timeout)
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


def _drilled(job: Job, hand: Hand, timeout: float) -> Sequence[Outcome] | Exception:
    try:
        hand.drill(job.fault, timeout)
    except Exception as error:
        return error
    return ()
