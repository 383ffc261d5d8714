"""ONNX graphs of an allowed list of operators, row by row in the process that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.core.compiled.lane import PlainLane, Rule, lane_fields
from tamid.core.compiled.links import calibrate
from tamid.core.errors import UserCodeError
from tamid.core.learning.model import FeatureTable
from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.core.compiled.rows import Row, RowCoder
    from tamid.core.learning.model import Floats, Model, Schema
    from tamid.core.stats.calibration import Calibration
    from tamid.ports import LanedModel, RowLane


class OnnxRowModel:
    """A loaded model between the coder of rows and the overlay's calibration."""

    engine = "onnx"

    def __init__(
        self, model: Model, schema: Schema, coder: RowCoder, calibration: Calibration
    ) -> None:
        self._model, self._coder, self._features = model, coder, schema.features
        self._calibration = calibration
        self._classes, self._outputs = schema.task is Task.MULTICLASS, len(schema.classes)

    def score(self, row: Row) -> float:
        """Return one row's score; see the port for laws and errors."""
        return self.scores([row])[0]

    def scores(self, rows: Sequence[Row]) -> list[float]:
        """Return the score of each row."""
        if not rows:
            return []
        found = self._answers(self._coder.many(rows), len(rows))
        if self._classes:
            return [float(best) for best in found.argmax(axis=1)]
        return [calibrate(self._calibration, float(score)) for score in found]

    def chances(self, row: Row) -> tuple[float, ...]:
        """Return the chances of all classes; one number for other tasks."""
        if not self._classes:
            return (self.score(row),)
        return tuple(self._answers(self._coder.packed(row), 1)[0].tolist())

    def lane(self, rules: Sequence[Rule], unset: Any) -> RowLane | None:
        """Return a lane in Python; see :class:`tamid.ports.LanedModel`."""
        fields = lane_fields(rules, self._features)
        if fields is None or self._coder.cleans or self._classes:
            return None
        return PlainLane(fields, len(self._features), self._one, unset)

    def contributions(self, row: Row) -> Mapping[str, float]:
        """Return how much each feature moved the answer, against a neutral row."""
        moved = self._model.contributions(self._table(self._coder.packed(row), 1))[0]
        names = (feature.name for feature in self._features)
        return dict(zip(names, moved.tolist(), strict=True))

    def difference(self, rows: Sequence[Row], expected: Sequence[float]) -> float:
        """Return the largest difference from answers before calibration, relative beyond 1.

        Each row is asked alone and with all others: a runtime has two ways, and both must be right.
        """
        packed = [self._coder.packed(row) for row in rows]
        wanted = np.asarray(expected, dtype=np.float64)
        together = self._answers(b"".join(packed), len(rows)).ravel()
        alone = np.concatenate([self._answers(one, 1).ravel() for one in packed])
        gaps = np.abs(np.stack([together, alone]) - wanted) / np.maximum(1.0, np.abs(wanted))
        return float("inf") if np.isnan(gaps).any() else float(gaps.max(initial=0.0))

    def _one(self, packed: bytes) -> float:
        return calibrate(self._calibration, float(self._answers(packed, 1)[0]))

    def _answers(self, packed: bytes, rows: int) -> Floats:
        """Return what the runtime says; no numbers where it fails: the next rung answers then."""
        try:
            return self._model.predict(self._table(packed, rows))
        except UserCodeError:
            return np.full((rows, self._outputs) if self._classes else rows, np.nan)

    def _table(self, packed: bytes, rows: int) -> FeatureTable:
        values = np.frombuffer(packed, dtype="<f8").reshape(rows, -1).astype(np.float64)
        return FeatureTable(features=self._features, values=values)


if TYPE_CHECKING:

    def _check(model: Model, schema: Schema, coder: RowCoder, found: Calibration) -> LanedModel:
        return OnnxRowModel(model, schema, coder, found)
