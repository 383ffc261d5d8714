"""Trees of any origin by LightGBM's library: where no kernel can be built, the next best."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from tamid.adapters.engines.lightgbm_c import LightGBMEngine
from tamid.adapters.engines.seam import AnswersOnly
from tamid.core.compiled.lightgbm_told import retold
from tamid.core.compiled.links import link_batch, link_row
from tamid.core.compiled.program import Trees
from tamid.core.compiled.quick_slots import QuickSlots
from tamid.core.compiled.slots import prepare
from tamid.core.errors import MissingExtra, Uncompilable

if TYPE_CHECKING:
    from tamid.adapters.engines.seam import Engine
    from tamid.core.compiled.program import Program


class LightGBMTrees(AnswersOnly):
    """Prepares a row in Python, and lets LightGBM go down the trees."""

    name = "lightgbm"

    def __init__(self, program: Program) -> None:
        """Tell LightGBM the trees. Raises MissingExtra where there is no way to."""
        self._program, self._slots = program, QuickSlots(program)
        try:
            text = retold(program, self._slots.order)
        except Uncompilable as error:
            raise MissingExtra(f"LightGBM cannot take it: {error.what}") from None
        width = program.slots.width
        self._trees = LightGBMEngine(text, width, program.outputs, sums=True)
        self._unpack = struct.Struct(f"<{len(program.features)}d").unpack
        self._pack = struct.Struct(f"<{width}d").pack
        assert isinstance(program.model, Trees)
        self._base = program.model.base
        self._bases = self._base.tolist() if self._base.any() else None

    def one(self, packed: bytes) -> float:
        """Return the answer for one row."""
        return self.many(packed, 1)[0]

    def many(self, packed: bytes, rows: int) -> list[float]:
        """Return the outputs of each row, row by row."""
        program = self._program
        if rows == 1:
            made = self._slots.row(self._unpack(packed))
            sums = self._trees.many(self._pack(*made), 1)
            if self._bases is not None:
                sums = [b + s for b, s in zip(self._bases, sums, strict=True)]
            return link_row(program, sums)
        values = np.frombuffer(packed, dtype="<f8").reshape(rows, -1).astype(np.float64)
        made_all = np.ascontiguousarray(prepare(program.slots, values)[:, self._slots.order])
        found = np.array(self._trees.many(made_all.tobytes(), rows)).reshape(rows, -1)
        answers: list[float] = link_batch(program, found + self._base).ravel().tolist()
        return answers


if TYPE_CHECKING:

    def _check(program: Program) -> Engine:
        return LightGBMTrees(program)
