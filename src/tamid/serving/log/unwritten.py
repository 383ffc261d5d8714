"""Where nothing is written down: an application of one's own that has no workspace to write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tamid.core.errors import SystemFailure
from tamid.serving.seams import LogBook
from tamid.serving.values import Answer, Row, Served


class Unwritten:
    """A LogBook that keeps nothing."""

    tight = False

    def begin(self) -> None:
        """Do nothing."""

    def gauges(self) -> Mapping[str, float]:
        """Return nothing."""
        return {}

    def note(
        self,
        served: Served,
        rows: Sequence[Row],
        answers: Sequence[Answer],
        seconds: tuple[float, ...],
        size: int,
        sent: bytes = b"",
        reply: bytes = b"",
    ) -> None:
        """Forget it."""

    def keep(self, kind: int, body: bytes) -> None:
        """Raise SystemFailure: there is nowhere to keep it."""
        raise SystemFailure("this server writes nothing down", why="it was given no log")

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


_: LogBook = Unwritten()
