"""What lies on a desk: jobs, the hand that does them, and how a batch of them is done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tamid.core.errors import SystemFailure, TamidError, WorkerDied
from tamid.serving.values import Row


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
    fault: str = ""


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
