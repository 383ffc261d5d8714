"""Training and scoring in this process, for tests and replays; a tiny learner on numpy alone.

User code runs in the controller here: real use takes `tamid.adapters.spawn`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tamid.core.compiled.program import Linear, Op, Program, make_slots, numbers
from tamid.core.latency import TURNS, times_as_long
from tamid.core.learning.model import FeatureTable, Floats, Param, Range, Schema, StoredModel
from tamid.core.values import Task, canonical_json
from tamid.ports import Beside, Progress, Scores, TrainingJob, TrainingResult

if TYPE_CHECKING:
    from tamid.core.learning.advice import Ask, Study
    from tamid.core.learning.model import Learner, Model
    from tamid.ports import RuleRunner, Scorer, Studier, Trainer

FORMAT = "tiny"
_FILE = "model.json"
# Newton steps of the logistic fit: it has converged well before on standardised columns.
_STEPS = 12
_RIDGE = 1e-3

Train = Callable[[TrainingJob, Progress], TrainingResult]
Studying = Callable[[TrainingJob, "Ask", Progress], "tuple[Study, pl.DataFrame]"]
Answer = Callable[[str, str, pl.DataFrame, int, bool], pl.DataFrame]
Rule = Callable[[str, str, pl.DataFrame], pl.DataFrame]
Golden = Callable[[str, str], float]
Timed = Callable[[Callable[[], object]], float]


class InlineTrainer:
    """Runs the recipe here; the deadline is not kept."""

    def __init__(self, train: Train, study: Studying | None = None) -> None:
        self._train, self._study = train, study

    def train(self, job: TrainingJob, timeout: timedelta, progress: Progress) -> TrainingResult:
        """Make a candidate; see the port for laws and errors."""
        started = monotonic()
        result = self._train(job, progress)
        return dataclasses.replace(result, seconds=monotonic() - started)

    def study(
        self, job: TrainingJob, ask: Ask, timeout: timedelta, progress: Progress
    ) -> tuple[Study, pl.DataFrame]:
        """Fit variants of a job's recipe here; see the port."""
        assert self._study is not None, "this place to train was made without a study"
        return self._study(job, ask, progress)


class InlineScorer:
    """Answers here.

    `answer` takes bundle, overlay, rows, the number of reasons and whether the reduced model is
    asked; `rule` takes bundle,
    `file.py:function` and rows; `golden` gives the largest difference from the golden scores;
    `timed` calls and returns the milliseconds that it took.
    """

    def __init__(self, answer: Answer, rule: Rule, golden: Golden, timed: Timed) -> None:
        self._answer, self._rule, self._golden, self._timed = answer, rule, golden, timed

    def score(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        *,
        reasons: int,
        timeout: timedelta,
        reduced: bool = False,
    ) -> Scores:
        """Score rows; see the port for laws and errors."""
        started = monotonic()
        found = self._answer(bundle, overlay, frame, reasons, reduced)
        return Scores(frame=found, seconds=monotonic() - started)

    def rule(self, bundle: str, code: str, frame: pl.DataFrame, *, timeout: timedelta) -> Scores:
        """Run the contract's rule; see the port for laws and errors."""
        started = monotonic()
        found = self._rule(bundle, code, frame)
        return Scores(frame=found, seconds=monotonic() - started)

    def probe(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        repeats: int,
        beside: Beside | None = None,
    ) -> Mapping[str, float]:
        """Measure single rows here; memory and size are not known and zero."""

        def timed(bundle: str, overlay: str, frame: pl.DataFrame) -> Callable[[int], float]:
            def once(i: int) -> float:
                row = frame.slice(i % max(frame.height, 1), 1)
                return self._timed(lambda: self._answer(bundle, overlay, row, 0, False))

            return once

        once = timed(bundle, overlay, frame)
        start = once(0)
        times = [once(i) for i in range(max(1, repeats))]
        found = {}
        if beside is not None:
            other = timed(beside.bundle, beside.overlay, beside.frame)
            other(0)  # it is opened
            found["times_as_long"] = times_as_long(once, other, min(repeats, TURNS))
        return found | {
            "start_s": start / 1000,
            "p50_ms": float(np.percentile(times, 50)),
            "p99_ms": float(np.percentile(times, 99)),
            "memory_mb": 0.0,
            "size_mb": 0.0,
            "golden_difference": self._golden(bundle, overlay),
        }


class TinyLearner:
    """Logistic regression (binary) or least squares on scaled columns, in a few matrix products."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> TinyModel:
        """Fit by Newton's method; nothing is drawn, and parameters are ignored."""
        centre = np.nan_to_num(np.nanmean(np.where(np.isfinite(x.values), x.values, 0.0), axis=0))
        filled = np.where(np.isnan(x.values), centre, x.values)
        spread = filled.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        rows = np.column_stack([np.ones(len(x)), (filled - centre) / spread])
        slopes = np.zeros(rows.shape[1])
        penalty = _RIDGE * len(x) * np.eye(rows.shape[1])
        for _ in range(_STEPS if self._task is Task.BINARY else 1):
            linear = rows @ slopes
            answer = _sigmoid(linear) if self._task is Task.BINARY else linear
            curve = weight * (answer * (1 - answer) if self._task is Task.BINARY else 1.0)
            slope = rows.T @ (weight * (y - answer)) - penalty @ slopes
            slopes = slopes + np.linalg.solve((rows * curve[:, None]).T @ rows + penalty, slope)
        # Rounded, so that the order of a sum's terms cannot reach the stored bytes.
        return TinyModel(self._task, centre.round(9), spread.round(9), slopes.round(9))

    def space(self) -> Mapping[str, Range]:
        """Return nothing."""
        return {}

    def check(self) -> Sequence[str]:
        """Return nothing."""
        return ()

    def unweighed(self) -> str:
        """Return nothing: rows are weighed."""
        return ""


class TinyModel:
    """A line through scaled columns, with a sigmoid for chances."""

    def __init__(self, task: Task, centre: Floats, spread: Floats, slopes: Floats) -> None:
        self._task, self._centre, self._spread, self._slopes = task, centre, spread, slopes

    def predict(self, x: FeatureTable) -> Floats:
        """Return chances of the positive class, or numbers."""
        linear = self._slopes[0] + self.contributions(x).sum(axis=1)
        return _sigmoid(linear) if self._task is Task.BINARY else np.asarray(linear)

    def contributions(self, x: FeatureTable) -> Floats:
        """Return slope times scaled value; a missing value contributes nothing."""
        filled = np.where(np.isnan(x.values), self._centre, x.values)
        return np.asarray((filled - self._centre) / self._spread * self._slopes[1:])

    def importance(self) -> Floats:
        """Return each slope's share."""
        size = np.abs(self._slopes[1:])
        return size / size.sum() if size.sum() > 0 else size

    def dump(self) -> StoredModel:
        """Return the numbers as JSON."""
        about = {
            "task": self._task,
            "centre": self._centre.tolist(),
            "spread": self._spread.tolist(),
            "slopes": self._slopes.tolist(),
        }
        return StoredModel(format=FORMAT, files={_FILE: canonical_json(about).encode()})


def load(stored: StoredModel) -> TinyModel:
    """Load what :meth:`TinyModel.dump` wrote."""
    data = json.loads(stored.files[_FILE])
    arrays = (np.array(data[name], dtype=np.float64) for name in ("centre", "spread", "slopes"))
    return TinyModel(Task(data["task"]), *arrays)


def compiled(stored: StoredModel, schema: Schema) -> Program:
    """Return the program of what :meth:`TinyModel.dump` wrote."""
    data = json.loads(stored.files[_FILE])
    centre, spread, slopes = data["centre"], data["spread"], data["slopes"]
    scaled = [
        (i, [(Op.FILL, c), (Op.SUBTRACT, c), (Op.DIVIDE, s)])
        for i, (c, s) in enumerate(zip(centre, spread, strict=True))
    ]
    return Program(
        task=schema.task,
        features=schema.features,
        slots=make_slots(scaled),
        model=Linear(weights=numbers(slopes[1:]), bias=numbers(slopes[:1])),
        link="sigmoid" if schema.task is Task.BINARY else "identity",
        explain="linear",
    )


def _sigmoid(linear: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(linear, -35.0, 35.0))))


if TYPE_CHECKING:
    _learner: Learner = TinyLearner(Task.BINARY)
    _model: Model = TinyModel(Task.BINARY, np.zeros(0), np.ones(0), np.zeros(1))

    def _check(
        train: Train, answer: Answer, rule: Rule, golden: Golden, timed: Timed
    ) -> tuple[Trainer, Studier, Scorer, RuleRunner]:
        scorer, trainer = InlineScorer(answer, rule, golden, timed), InlineTrainer(train)
        return trainer, trainer, scorer, scorer
