"""The reference as an engine: numpy for many rows, plain Python for one. It is always there."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tamid.adapters.engines.seam import AnswersOnly
from tamid.core.compiled.interpreter import Interpreter

if TYPE_CHECKING:
    from tamid.adapters.engines.seam import Engine
    from tamid.core.compiled.program import Program


class PlainEngine(AnswersOnly):
    """Needs nothing but numpy."""

    name = "plain"

    def __init__(self, program: Program) -> None:
        self._interpreter = Interpreter(program)
        self._width = len(program.features)
        self._unpack = struct.Struct(f"<{self._width}d").unpack

    def one(self, packed: bytes) -> float:
        """Return the answer for one row."""
        return self._interpreter.row(self._unpack(packed))[0]

    def many(self, packed: bytes, rows: int) -> list[float]:
        """Return the outputs of each row, row by row."""
        if rows == 1:
            return self._interpreter.row(self._unpack(packed))
        values = np.frombuffer(packed, dtype="<f8").reshape(rows, self._width)
        found: list[float] = self._interpreter.batch(values.astype(np.float64)).ravel().tolist()
        return found


if TYPE_CHECKING:

    def _check(program: Program) -> Engine:
        return PlainEngine(program)
