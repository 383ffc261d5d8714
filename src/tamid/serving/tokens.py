"""Tokens in a file, one a line, read again while the server runs: callers move over in their time.

A new token is added, callers take it up, the old one is deleted; nothing is restarted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tamid.core.errors import UsageError

# A shorter token can be tried out.
LEAST = 16
# Every request is held against each of them.
_MOST = 20
# Seconds between two looks at the file.
_EVERY = 1.0


def tokens_in(path: Path) -> tuple[str, ...]:
    """Return the tokens of a file; empty lines, and lines that begin with #, hold none.

    Raises:
        UsageError: it cannot be read, or holds none, too many, or one that is none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the tokens in {path} cannot be read",
            why=getattr(error, "strerror", None) or "it is not UTF-8",
            fix="Name a file that holds one token a line: --token file:PATH.",
        ) from None
    found = tuple(line for line in lines if line and not line.startswith("#"))
    if not 0 < len(found) <= _MOST or not all(map(is_token, found)):
        raise UsageError(
            f"{path} holds no tokens",
            why=f"wanted are 1 to {_MOST} lines of at least {LEAST} ASCII signs each",
            fix="Write one token a line, for instance 32 random letters.",
        )
    return found


def is_token(text: str) -> bool:
    """Say whether a text is long enough for a token, and can be sent as one."""
    return len(text) >= LEAST and text.isascii() and text.isprintable()


class TokenFile:
    """A Companion that hears of new tokens; while the file is wrong, the last ones hold."""

    def __init__(
        self,
        path: Path,
        known: tuple[str, ...],
        admit: Callable[[tuple[str, ...]], None],
        say: Callable[[str], None],
    ) -> None:
        self._path, self._known, self._admit, self._say = path, known, admit, say
        self._wrong = ""
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            wrong = ""
            try:
                found = await asyncio.to_thread(tokens_in, self._path)
            except UsageError as error:
                wrong = f"{error.what} ({error.why}): those read before hold"
            else:
                if found != self._known:
                    self._known = found
                    self._admit(found)
                    self._say(f"callers may show {len(found)} tokens from now on")
            if wrong and wrong != self._wrong:
                self._say(wrong)
            self._wrong = wrong
