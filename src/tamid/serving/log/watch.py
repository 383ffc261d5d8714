"""What went wrong in the server, noticed by looking now and then, and told to the controller.

Nobody who answers is asked to tell: workers, breakers and counters are looked at after each flush
of the log, so that it costs an answer nothing. All of it are failures of the system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import msgspec

from tamid.core.errors import SystemFailure
from tamid.core.spool import TOLD
from tamid.serving.lookup import TOO_OLD
from tamid.serving.seams import LogBook

# Seconds without a further sign after which a matter is over.
_QUIET = 5.0
# What may wait for a disk that takes nothing; beyond it the oldest go.
_MOST = 1000
# Reasons that lie with the server; any other lies in the row that was sent.
CAUSES = frozenset(
    {
        "timeout", "error", "server error", "worker died", "restarting", "overload",
        "breaker open", "impossible answer", "not loaded",
    }
)  # fmt: skip


def is_incident(reason: str) -> bool:
    """Say whether a reason is told of as an incident: of it nobody else has to tell.

    >>> is_incident("champion: timeout"), is_incident("'calls' is missing")
    (True, False)
    """
    return reason == TOO_OLD or reason.partition(": ")[2] in CAUSES


class _Worker(Protocol):
    deaths: int

    @property
    def down(self) -> bool: ...


class _Breaker(Protocol):
    @property
    def state(self) -> str: ...


class Voiced(Protocol):
    """What answers: its worker and its breaker."""

    @property
    def desk(self) -> _Worker:
        """Return what is asked."""
        ...

    @property
    def breaker(self) -> _Breaker:
        """Return what stands before it."""
        ...


class Watch:
    """Tells of what begins and of what is over; call it from one thread."""

    def __init__(
        self,
        book: LogBook,
        voices: Callable[[], Mapping[str, Voiced]],
        reasons: Mapping[str, int],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._book, self._voices, self._reasons, self._wall = book, voices, reasons, wall
        self._deaths: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self._open: dict[str, float] = {}
        self._waiting: list[dict[str, object]] = []

    def __call__(self) -> None:
        """Look, and tell what changed."""
        try:
            signs = dict(self._signs())
        except RuntimeError:  # a version came or went at this moment: the next look sees it
            return
        now = self._wall()
        for name, text in signs.items():
            if name not in self._open:
                self._tell(name, text, now, begins=True)
            self._open[name] = now
        for name, last in list(self._open.items()):
            if now - last >= (_QUIET if name.startswith("rung/") else 0.0) and name not in signs:
                del self._open[name]
                self._tell(name, "it has not happened again", now, begins=False)
        self._send()

    def end(self) -> None:
        """Tell that everything is over, because the server ends."""
        for name in self._open:
            self._tell(name, "the server was ended", self._wall(), begins=False)
        self._open = {}
        self._send()

    def _signs(self) -> Iterator[tuple[str, str]]:
        """Yield the name of everything that is wrong just now, and a sentence about it."""
        for name, voice in self._voices().items():
            deaths, seen = voice.desk.deaths, self._deaths.get(name, 0)
            self._deaths[name] = deaths
            if deaths > seen or (voice.desk.down and f"worker/{name}" in self._open):
                text = f"the worker of {name} died ({deaths} so far) and is started again"
                yield f"worker/{name}", text
            if voice.breaker.state != "closed":
                yield f"breaker/{name}", f"{name} failed again and again: nobody is sent there"
        for reason, count in dict(self._reasons).items():
            more = count - self._counted.get(reason, 0)
            self._counted[reason] = count
            rung, _, cause = reason.partition(": ")
            if more and reason == TOO_OLD:
                yield f"rung/{TOO_OLD}", "looked-up features are too old: lower rungs answer"
            if more and cause in CAUSES:
                yield f"rung/{reason}", f"{rung} could not answer ({cause}): lower rungs did"
        if self._book.gauges().get("log_failing"):
            yield "log", "the disk takes no log: notes of answers wait in memory, then go"

    def _tell(self, name: str, text: str, now: float, *, begins: bool) -> None:
        self._waiting.append({"name": name, "open": begins, "at": now, "text": text})
        del self._waiting[:-_MOST]

    def _send(self) -> None:
        if not self._waiting:
            return
        try:
            self._book.keep(TOLD, msgspec.json.encode({"notices": self._waiting}))
        except SystemFailure:
            return
        self._waiting = []
