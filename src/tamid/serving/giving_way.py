"""Work on many rows gives way: one thread answers all, and nobody waits for a large request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")

# Items that are worked on together, and seconds after which others get a turn.
_TOGETHER, _SLICE = 50, 0.002
# Bytes above which a body is read, and an answer written, by a thread of its own.
_LARGE = 65_536


async def by_turns(work: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
    """Return what `work` makes of each item; whoever waits gets a turn in between."""
    found: list[_Made] = []
    since = time.perf_counter()
    for start in range(0, len(items), _TOGETHER):
        if time.perf_counter() - since > _SLICE:
            await asyncio.sleep(0)
            since = time.perf_counter()
        found += map(work, items[start : start + _TOGETHER])
    return found


async def aside(size: int, work: Callable[[], _Made]) -> _Made:
    """Return what `work` returns; on a thread of its own where so many bytes are large."""
    return work() if size <= _LARGE else await asyncio.to_thread(work)
