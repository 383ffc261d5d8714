"""What an engine does: answers for packed rows, before calibration."""

from __future__ import annotations

from typing import Protocol


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

    def shap(self, packed: bytes, output: int) -> list[float] | None:
        """Return each feature's SHAP value in one row's output; None if it cannot tell."""
        ...
