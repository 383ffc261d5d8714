"""Where the parts of the server meet: protocols with their laws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from tamid.serving.values import Answer, Request, Row, Served

if TYPE_CHECKING:
    from tamid.core.compiled.lane import Laid
    from tamid.core.learning.bundle import Opened
    from tamid.ports import Known, RowForm


class Lane(Protocol):
    """The shortest way to the answers of a turn, for rows that plainly keep the contract.

    Laws: it gives what the ordinary road would give, or None; then that road is taken.
    """

    @property
    def kinds(self) -> Sequence[Answer]:
        """Return an answer of each kind, without id and score."""
        ...

    def score(self, values: tuple[Any, ...]) -> float | None:
        """Return the score of one row, its values in the order of the inputs."""
        ...

    def whole(self, values: tuple[Any, ...]) -> float | None:
        """Return the score of one row that has a value, or null, for each input; see `score`."""
        ...

    def scores(self, rows: list[tuple[Any, ...]]) -> list[float] | None:
        """Return the score of each row; None if one of them must take the ordinary road."""
        ...

    def form(self, laid: Laid) -> RowForm | None:
        """Return a form of requests, as a :class:`tamid.ports.RowLane` has it, if there is one."""
        ...

    def kind(self, score: float) -> int:
        """Return which of the kinds an answer with this score is."""
        ...


class Turn(Protocol):
    """Everything that answers at one moment: one champion and the ladder below it.

    Laws: a turn never changes; a request is decoded and answered by the turn that it began with,
    also when another one comes into force meanwhile; versions stay loaded until it is answered.
    """

    @property
    def served(self) -> Served:
        """Return what the champion of this turn takes and gives."""
        ...

    def now(self, row: Row, name: str) -> Answer | None:
        """Answer at once, in less than 200 microseconds; None: take the ordinary road."""
        ...

    def lane(self, unset: Any) -> Lane | None:
        """Return the shortest way, which lasts as long as the turn; None: there is none.

        `unset`: what stands in a row for an input that was left out.
        """
        ...

    def within(self, rows: int, *, explain: bool = False) -> float:
        """Return the seconds that a request for so many rows, or their reasons, too, may take."""
        ...

    async def answers(self, request: Request) -> Sequence[Answer]:
        """Return an answer for each row, in order, within the deadline; it never raises."""
        ...

    def held(self) -> AbstractContextManager[None]:
        """Keep the versions loaded meanwhile, also where nothing is asked yet."""
        ...

    def shed(self, request: Request) -> Sequence[Answer]:
        """Answer at once from the rungs that compute nothing: more is asked than can be done."""
        ...


class Brain(Protocol):
    """What answers: it follows the ledger and swaps turns."""

    @property
    def turn(self) -> Turn:
        """Return the turn in force. Raises Waiting before the first one."""
        ...

    def ready(self) -> bool:
        """Say whether there is a turn."""
        ...

    def begin(self) -> None:
        """Follow the ledger from now on; called once, on the loop."""
        ...

    async def close(self) -> None:
        """Answer what has begun, then let everything go."""
        ...


class Companion(Protocol):
    """What works beside a brain for as long as it does."""

    def begin(self) -> None:
        """Begin; called once, on the loop."""
        ...

    async def close(self) -> None:
        """Finish."""
        ...


class Desk(Protocol):
    """What the lanes ask of the application."""

    @property
    def ids(self) -> tuple[str, Iterator[int]]:
        """Return what the ids of this process begin with, and the numbers that end them."""
        ...

    def new_id(self) -> str:
        """Return an id that nobody else has."""
        ...

    def busy(self) -> bool:
        """Say whether more is being worked on than may be at once."""
        ...


class LogBook(Protocol):
    """Where answers are written down; nothing waits for it.

    `tight`: little room is left, so that ids and values of a note are looked at. While it is not,
    of one whole row that is kept without a choice only bytes, version and rung are used.
    """

    tight: bool

    def begin(self) -> None:
        """Write from now on; until then notes wait in memory."""
        ...

    def gauges(self) -> Mapping[str, float]:
        """Return what an operator wants to see: rows kept and lost, bytes, failures."""
        ...

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
        """Keep the answers to one request. Never raises; waits only where the contract says so.

        `seconds`: of read, features, queue, model, and of the whole; `size`: bytes of the body.
        `sent`, `reply`: body and answer as they came and went, where both are one JSON object; of
        many rows, an array and the object of its answers, if they may be kept and none is chosen.
        """
        ...

    def keep(self, kind: int, body: bytes) -> None:
        """Bring a block to the disk before returning. Raises SystemFailure."""
        ...

    def flush(self) -> None:
        """Bring what was noted to the disk."""
        ...

    def close(self) -> None:
        """Flush, and let the files go."""
        ...


class Meters(Protocol):
    """Counts and times, per version, rung and part of a request; used on the loop's thread."""

    def answered(self, answer: Answer) -> None:
        """Count one row's answer."""
        ...

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one request and its whole time."""
        ...

    def part(self, name: str, version: int, seconds: float) -> None:
        """Keep the time of a part: read, features, queue, model, log."""
        ...


class LookUp(Protocol):
    """What the controller knows of each entity: its features, and its last valid score."""

    def get(self, entity: str) -> Known | None:
        """Return what is known of an entity, None where nothing is."""
        ...


class Nothing:
    """A LookUp where nothing was written down."""

    def get(self, entity: str) -> Known | None:
        """Return None."""
        return None


class Process(Protocol):
    """A spawned process that answers requests one by one, and is killed at its deadline."""

    @property
    def alive(self) -> bool:
        """Say whether it still runs; from any thread."""
        ...

    @property
    def peak_mb(self) -> float:
        """Return the most memory that it held during the last request, in megabytes."""
        ...

    def lay_bundle(self, opened: Opened) -> None:
        """Lay a verified bundle where the process finds it."""
        ...

    def lay_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Lay files where the process finds them."""
        ...

    def ask(self, request: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
        """Send a request and wait. Raises WorkerDied (also past the deadline), TamidError."""
        ...

    def close(self) -> None:
        """Kill it with all that it started; from any thread."""
        ...
