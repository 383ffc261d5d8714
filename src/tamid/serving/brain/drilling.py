"""Faults on purpose: what a rung suffers for the requests of a drill, and for nobody else's."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tamid.core.errors import SystemFailure
from tamid.serving.brain.breaker import Breaker
from tamid.serving.brain.jobs import Busy, Outcome
from tamid.serving.brain.voices import Asked, Voice
from tamid.serving.values import Row

# What a request of a drill may let a rung suffer, and what its worker may suffer for everybody.
IN_REQUEST = ("error", "nan", "slow", "overload")
IN_WORKER = ("hang", "leak", "segfault", "exit")


class Suffering:
    """A desk that does not answer as it should."""

    def __init__(self, fault: str, desk: Asked) -> None:
        self.name, self._fault, self._desk = desk.name, fault, desk
        self.restarts, self.deaths, self.down = desk.restarts, desk.deaths, desk.down

    async def ask(
        self,
        rows: Sequence[Row],
        *,
        explain: bool,
        timeout: float,
        spent: dict[str, float] | None = None,
    ) -> Sequence[Outcome]:
        """Fail in the way of the fault. Raises SystemFailure, Busy, TimeoutError."""
        if self._fault == "nan":
            return [Outcome(score=math.nan)] * len(rows)
        if self._fault == "slow":
            await asyncio.sleep(timeout)
            raise TimeoutError
        if self._fault == "overload":
            raise Busy("a drill")
        if self._fault == "error":
            raise SystemFailure("a drill")
        return await self._desk.ask(rows, explain=explain, timeout=timeout, spent=spent)

    def close(self) -> None:
        """Leave the desk as it is."""


def suffering(
    voice: Voice, rung: str, faults: Mapping[str, str], breakers: dict[str, Breaker]
) -> Voice:
    """Return a voice as a drill's request meets it, behind a breaker of the drill's own."""
    breaker = breakers.setdefault(rung, Breaker(voice.breaker.clock))
    return replace(voice, desk=Suffering(faults.get(rung, ""), voice.desk), breaker=breaker)
