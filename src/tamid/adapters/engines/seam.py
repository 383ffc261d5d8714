"""What an engine does: answers for packed rows, before calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tamid.core.compiled.lane import LaneField
    from tamid.ports import RowLane


class Engine(Protocol):
    """Runs one program.

    A packed row is its features as little-endian doubles. Laws: what is given is not kept, so that
    threads may share an engine; the answers are those of the reference interpreter.
    """

    @property
    def name(self) -> str:
        """Return the name that says how it runs."""
        ...

    def one(self, packed: bytes) -> float:
        """Return the answer for one row of a program with one output."""
        ...

    def many(self, packed: bytes, rows: int) -> list[float]:
        """Return the outputs of each row, row by row."""
        ...

    def lane(self, fields: Sequence[LaneField], unset: Any) -> RowLane | None:
        """Return a lane of its own, before calibration; None if it has none."""
        ...

    def shap(self, packed: bytes, output: int) -> list[float] | None:
        """Return each feature's SHAP value in one row's output; None if it cannot tell."""
        ...


class AnswersOnly:
    """An engine without a lane or SHAP values of its own; the reference gives them in its stead."""

    def lane(self, fields: Sequence[LaneField], unset: Any) -> RowLane | None:
        """Have none of its own."""
        return None

    def shap(self, packed: bytes, output: int) -> list[float] | None:
        """Leave the explanation to the reference."""
        return None
