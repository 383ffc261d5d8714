"""Voices: what computes an answer, each behind its breaker, and why one has none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tamid.core.errors import TamidError, WorkerDied
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.jobs import Busy, Outcome, Restarting
from tamid.serving.values import Row


class Asked(Protocol):
    """Where a voice is asked: in this process, or at a desk before a worker."""

    @property
    def name(self) -> str:
        """Return its name for people."""
        ...

    restarts: int
    deaths: int

    @property
    def down(self) -> bool:
        """Say whether its worker is dead and not started yet."""
        ...

    async def ask(
        self,
        rows: Sequence[Row],
        *,
        explain: bool,
        timeout: float,
        spent: dict[str, float] | None = None,
    ) -> Sequence[Outcome]:
        """Return an outcome for each row. Raises what kept it from answering.

        `spent` is told how long they waited for their turn.
        """
        ...

    def close(self) -> None:
        """Let it go."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A rung that computes: its desk, its breaker, its version (0: no model) and threshold."""

    number: int
    desk: Asked
    breaker: Breaker
    threshold: float | None = None
    edges: tuple[tuple[str, float], ...] = ()


async def asked(
    voice: Voice,
    rows: Sequence[Row],
    explain: bool,
    timeout: float,
    spent: dict[str, float] | None = None,
) -> Sequence[Outcome]:
    """Ask a voice past its breaker; who is not even tried is no failure of it."""
    if timeout <= 0:
        raise TimeoutError
    if not voice.breaker.allows():
        raise BreakerOpen
    try:
        return await voice.desk.ask(rows, explain=explain, timeout=timeout, spent=spent)
    except (Busy, Restarting, asyncio.CancelledError):
        voice.breaker.spared()
        raise
    except Exception:
        voice.breaker.bad()
        raise


class BreakerOpen(Exception):
    """The breaker is open."""


def cause(error: Exception) -> str:
    """Name a failure in few words that hold no value of anybody's row."""
    if isinstance(error, Busy):
        return "overload"
    if isinstance(error, Restarting):
        return "restarting"
    if isinstance(error, BreakerOpen):
        return "breaker open"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, WorkerDied):
        return "worker died"
    return "error" if isinstance(error, TamidError) else "server error"
