"""Rows in, scores out: an engine between the coder of rows and the overlay's calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tamid.core.compiled.lane import Laid, PlainLane, Rule, lane_fields
from tamid.core.compiled.links import calibrate
from tamid.core.compiled.shap import Explainer
from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.adapters.engines.seam import Engine
    from tamid.core.compiled.program import Program
    from tamid.core.compiled.rows import Row, RowCoder
    from tamid.core.stats.calibration import Calibration
    from tamid.ports import LanedModel, RowForm, RowLane


class CompiledRowModel:
    """A program with the engine that runs it."""

    def __init__(self, program: Program, coder: RowCoder, engine: Engine) -> None:
        self._program, self._coder, self._engine = program, coder, engine
        self._calibration = program.calibration
        self._plain = self._calibration.kind == "none"
        self._outputs = program.outputs
        self._classes = program.task is Task.MULTICLASS
        self._explainer: Explainer | None = None

    @property
    def engine(self) -> str:
        """Return the name of the engine."""
        return self._engine.name

    @property
    def program(self) -> Program:
        """Return what it runs."""
        return self._program

    def score(self, row: Row) -> float:
        """Return one row's score; see the port for laws and errors."""
        packed = self._coder.packed(row)
        if self._classes:
            return float(_best(self._engine.many(packed, 1)))
        score = self._engine.one(packed)
        return score if self._plain else calibrate(self._calibration, score)

    def scores(self, rows: Sequence[Row]) -> list[float]:
        """Return the score of each row."""
        if not rows:
            return []
        found = self._engine.many(self._coder.many(rows), len(rows))
        width = self._outputs
        if self._classes:
            return [float(_best(found[i : i + width])) for i in range(0, len(found), width)]
        if self._plain:
            return found
        return [calibrate(self._calibration, score) for score in found]

    def chances(self, row: Row) -> tuple[float, ...]:
        """Return the chances of all classes; one number for other tasks."""
        if not self._classes:
            return (self.score(row),)
        return tuple(self._engine.many(self._coder.packed(row), 1))

    def lane(self, rules: Sequence[Rule], unset: Any) -> RowLane | None:
        """Return the shortest way for rows as tuples; see :class:`tamid.ports.LanedModel`."""
        fields = lane_fields(rules, self._program.features)
        if fields is None or self._coder.cleans or self._classes or self._outputs != 1:
            return None
        own = self._engine.lane(fields, unset)
        width = len(self._program.features)
        lane = PlainLane(fields, width, self._engine.one, unset) if own is None else own
        return lane if self._plain else _Calibrated(lane, self._calibration)

    def contributions(self, row: Row) -> Mapping[str, float]:
        """Return how much each feature moved the answer."""
        packed = self._coder.packed(row)
        if self._program.explain == "shap":
            best = _best(self._engine.many(packed, 1)) if self._classes else 0
            moved = self._engine.shap(packed, best)
            if moved is not None:
                names = (feature.name for feature in self._program.features)
                return dict(zip(names, moved, strict=True))
        if self._explainer is None:
            # Made when it is first asked for: most rows want no reasons.
            self._explainer = Explainer(self._program)
        return self._explainer.contributions(self._coder.unpacked(packed))


class _Calibrated:
    """A lane with the overlay's calibration behind it."""

    def __init__(self, lane: RowLane, calibration: Calibration) -> None:
        self._lane, self._calibration = lane, calibration

    def score(self, values: tuple[Any, ...]) -> float | None:
        """Return the calibrated score."""
        score = self._lane.score(values)
        return None if score is None else calibrate(self._calibration, score)

    def scores(self, rows: list[tuple[Any, ...]]) -> list[float | None]:
        """Return the calibrated score of each."""
        made = self._lane.scores(rows)
        return [None if s is None else calibrate(self._calibration, s) for s in made]

    def form(self, laid: Laid) -> RowForm | None:
        """Return a form with the calibration behind it."""
        form = self._lane.form(laid)
        return None if form is None else _CalibratedForm(form, self._calibration)


class _CalibratedForm:
    """A form with the overlay's calibration behind it."""

    def __init__(self, form: RowForm, calibration: Calibration) -> None:
        self.read, self._score, self._calibration = form.read, form.score, calibration

    def score(self) -> float | None:
        """Return the calibrated score."""
        score = self._score()
        return None if score is None else calibrate(self._calibration, score)


def _best(chances: Sequence[float]) -> int:
    """Return the place of the largest chance, the first of equals as numpy does."""
    return max(range(len(chances)), key=chances.__getitem__)


if TYPE_CHECKING:

    def _check(program: Program, coder: RowCoder, engine: Engine) -> LanedModel:
        return CompiledRowModel(program, coder, engine)
