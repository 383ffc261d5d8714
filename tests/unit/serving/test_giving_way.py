"""Large requests give way to small ones, on the loop's thread and beside it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tamid.core.errors import UsageError
from tamid.serving.giving_way import aside, by_turns


def test_work_on_many_items_lets_others_have_their_turn() -> None:
    """All of it is done, in order; whoever waits is not let wait for all of it."""

    def work(item: int) -> int:
        time.sleep(0.0001)
        return 2 * item

    async def play() -> tuple[list[int], int]:
        working = asyncio.get_running_loop().create_task(by_turns(work, range(1000)))
        turns = 0
        while not working.done():
            turns += 1
            await asyncio.sleep(0)
        return await working, turns

    found, turns = asyncio.run(play())
    assert found == [2 * n for n in range(1000)]
    assert turns >= 1000 // 50 // 2


@pytest.mark.parametrize(("size", "elsewhere"), [(100, False), (1_000_000, True)])
def test_what_is_large_is_read_beside_the_loop(size: int, elsewhere: bool) -> None:
    """On another thread; what is wrong with it is raised all the same."""
    assert (asyncio.run(aside(size, threading.get_ident)) != threading.get_ident()) is elsewhere

    def refused() -> None:
        raise UsageError("no")

    with pytest.raises(UsageError):
        asyncio.run(aside(size, refused))
