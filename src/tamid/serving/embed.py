"""The same server inside an application of one's own: mounted in FastAPI, called from Flask."""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tamid.core.errors import OutOfTime, UsageError
from tamid.serving.http.app import Application
from tamid.serving.http.metrics import Counts
from tamid.serving.http.settings import Settings
from tamid.serving.lookup import aged, filled
from tamid.serving.strict import Codec
from tamid.serving.told import told
from tamid.serving.values import Request
from tamid.serving.wiring import application_of, book_of, brain_of, lookup_of, reporter_of


def asgi(workspace: str | Path, model: str | None = None, **settings: Any) -> Application:
    """Return an ASGI application with all routes of the server, to mount under any path.

    It begins to follow the ledger with its first request, or with its host where that is given its
    `lifespan`: then its log ends with the host, too, which may end by a signal. `settings`: fields
    of :class:`tamid.serving.http.settings.Settings`.
    """
    made = application_of(Path(workspace), model, Settings(**settings))
    atexit.register(made.book.close)
    return made


class Predictor:
    """Answers rows from any thread; a thread of its own follows the ledger. Close it in the end."""

    def __init__(self, workspace: str | Path, model: str | None = None) -> None:
        self._process = os.getpid()
        self._brain = brain_of(Path(workspace), model)
        self._book = book_of(Path(workspace), self._brain.model)
        self._book.begin()
        self._lookup = lookup_of(Path(workspace), self._brain.model)
        self._begin, self._count = secrets.token_hex(6), itertools.count(1)
        self._counts = Counts()
        self._reporter = reporter_of(Path(workspace), self._brain, self._counts)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._loop.call_soon_threadsafe(self._brain.begin)
        self._loop.call_soon_threadsafe(self._reporter.begin)
        atexit.register(self.close)

    def wait(self, seconds: float = 60.0) -> None:
        """Wait for the first version. Raises OutOfTime."""
        end = time.monotonic() + seconds
        while not self._brain.ready():
            if time.monotonic() > end:
                raise OutOfTime(f"no version of {self._brain.model!r} within {seconds:g} s")
            time.sleep(0.02)

    def predict(
        self, rows: Sequence[Mapping[str, Any]], *, explain: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        """Return for each row what `POST .../predict` says.

        Raises:
            OutsideContract: a row does not keep the contract; Waiting: there is no version yet.
            UsageError: it was made before this process was forked.
        """
        if os.getpid() != self._process:
            raise UsageError(
                "this predictor was made in another process",
                why="a fork takes no threads along, so that nobody would ever answer here",
                fix="Make it in the process that asks: after the fork, without --preload.",
            )
        asked = self._answered(rows, explain)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()

    def close(self) -> None:
        """End the workers and the thread, and bring the log to its end; it may be called twice."""
        atexit.unregister(self.close)
        if self._loop.is_closed():
            return
        for one in (self._reporter, self._brain):
            asyncio.run_coroutine_threadsafe(one.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._book.close()

    async def _answered(
        self, rows: Sequence[Mapping[str, Any]], explain: bool
    ) -> Sequence[Mapping[str, Any]]:
        turn, arrived = self._brain.turn, time.monotonic()
        found = Codec(turn.served).plain(rows)
        ids = [given or f"{self._begin}-{next(self._count)}" for given in found.ids]
        read = time.monotonic()
        given = filled(found.rows, self._lookup, turn.served)
        looked = time.monotonic()
        request = Request(rows=given, ids=ids, arrived=arrived, explain=explain)
        answers = aged(await turn.answers(request), given)
        ended, queue = time.monotonic(), request.spent.get("queue", 0.0)
        spent = (read - arrived, looked - read, queue, ended - looked - queue, ended - arrived)
        self._book.note(turn.served, given, answers, spent, 0)
        for answer in answers:
            self._counts.answered(answer)
        return [told(answer, turn.served) for answer in answers]
