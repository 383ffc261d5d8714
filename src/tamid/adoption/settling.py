"""Files that somebody may still be writing: adopted when the loop would read them, not before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tamid.adapters.files import unfinished
from tamid.adoption.reading import refuse_unread
from tamid.core.errors import BatchNotReady

# Longer than the minute that a file must be left alone: whoever still writes then writes for long.
_PATIENCE_S = 90.0
_LOOK_S = 0.5


def wait_until_whole(paths: Sequence[Path], say: Callable[[str], None]) -> None:
    """Wait while a file ends in the middle of a line and was written to in the last minute.

    The loop reads such a file after that minute too: what is drafted from is what it will take in.
    `say` gets a line before the first wait.

    Raises:
        BatchNotReady: it is still written to; UsageError, DataError: no waiting makes it a table.
    """
    refuse_unread(paths)
    begin, said = time.monotonic(), False
    while True:
        now = time.time()
        left, name = max((unfinished(path, now), path.name) for path in paths)
        if not left:
            return
        if time.monotonic() - begin > _PATIENCE_S:
            raise BatchNotReady(
                f"{name} is still being written",
                why="it ends in the middle of a line, and has changed within the last minute",
                fix="Adopt it when its producer is done. A file whose last line is ended is read "
                "at once.",
            )
        if not said:
            say(
                f"{name} ends in the middle of a line, as if it were still being written: it is "
                f"read once it was left alone for a minute, in {left:.0f} s (end its last line, "
                "and nobody waits) ..."
            )
            said = True
        time.sleep(min(left, _LOOK_S))
