"""A program as a model for many rows: what training, batch scoring and the gates ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tamid.adapters.engines.kernel import KernelEngine
from tamid.adapters.engines.plain import PlainEngine
from tamid.core.compiled.program import Linear
from tamid.core.compiled.shap import Explainer
from tamid.core.errors import MissingExtra
from tamid.core.learning.model import FeatureTable, Floats, StoredModel
from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.adapters.engines.seam import Engine
    from tamid.core.compiled.program import Program
    from tamid.core.learning.model import Model

# Rows that are handed to an engine at a time.
_TOGETHER = 8192


class ProgramModel:
    """Answers with the fastest engine that is here; `stored` is what the program was read from."""

    def __init__(self, program: Program, stored: StoredModel) -> None:
        self._program, self._stored = program, stored
        self._engine = _engine(program)
        self._explainer = Explainer(program)

    def predict(self, x: FeatureTable) -> Floats:
        """Return chances of the positive class, numbers, or (n, k) chances of classes."""
        values = np.ascontiguousarray(x.values, dtype="<f8")
        found: list[float] = []
        for begin in range(0, len(values), _TOGETHER):
            part = values[begin : begin + _TOGETHER]
            found += self._engine.many(part.tobytes(), len(part))
        answers = np.array(found, dtype=np.float64).reshape(len(values), self._program.outputs)
        return answers if self._program.task is Task.MULTICLASS else answers[:, 0]

    def contributions(self, x: FeatureTable) -> Floats:
        """Return how much each feature moved each row's sum (the best class's)."""
        best = np.zeros(len(x), dtype=np.int64)
        if self._program.task is Task.MULTICLASS:
            best = self.predict(x).argmax(axis=1)
        moved = np.zeros((len(x), len(x.features)), dtype=np.float64)
        for i, row in enumerate(np.ascontiguousarray(x.values, dtype="<f8")):
            quick = self._engine.shap(row.tobytes(), int(best[i]))
            if quick is None:
                told = self._explainer.contributions(row.tolist())
                quick = [told[f.name] for f in x.features]
            moved[i] = quick
        return moved

    def importance(self) -> Floats:
        """Return each feature's share of the rows that splits on it have seen."""
        model, width = self._program.model, len(self._program.features)
        if isinstance(model, Linear) or not len(model.cover):
            return np.zeros(width)
        seen = np.bincount(model.slot, weights=model.cover, minlength=width)
        return np.asarray(seen / seen.sum() if seen.sum() > 0 else seen, dtype=np.float64)

    def dump(self) -> StoredModel:
        """Return the file that the program was read from."""
        return self._stored


def _engine(program: Program) -> Engine:
    try:
        return KernelEngine(program)
    except MissingExtra:
        return PlainEngine(program)


if TYPE_CHECKING:

    def _check(program: Program, stored: StoredModel) -> Model:
        return ProgramModel(program, stored)
