"""The bench on which a recipe works: labelled rows as a matrix, a plan, and every fit timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.random import Generator

from tamid.core.compiled.program import Program
from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.learning.model import (
    Bools,
    Feature,
    FeatureTable,
    Floats,
    Learner,
    Model,
    Param,
    Schema,
    Searcher,
    StoredModel,
)
from tamid.core.learning.plans import plan_for
from tamid.core.learning.splits import (
    DECAY,
    MIXED,
    Degraded,
    Fold,
    Plan,
    Rows,
    thinned,
    window_weights,
)
from tamid.core.values import (
    ENTITY,
    FIT_WEIGHT,
    KNOWN_AT,
    LABEL,
    PERIOD,
    TIME,
    WEIGHT,
    Task,
)
from tamid.ports import TrainingJob
from tamid.stages.answering import (
    FeatureCode,
    emptied,
    encode,
    learn_features,
    model_frame,
    visible,
)

# Windows and trials are compared on at most so many fitted rows a window, over all folds: the
# choice between windows does not change with more, and a window costs about a second.
_MOST_ROWS_TUNING = 100_000
_MOST_ROWS_BASELINE = 50_000
# Below these, neither a threshold nor a metric means anything.
_FEWEST_ROWS = 50
_FEWEST_A_CLASS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the recipe works with, given by the worker that runs it.

    `generator` makes a seeded source of random numbers, `seconds` reads a running clock. Of a model
    that was handed over `features` says what it reads of a frame, `recipe` fits the like of it anew
    (None: nobody can), and `told` is what is known of it.
    """

    learner: Learner
    baselines: Mapping[str, Learner]
    load: Callable[[StoredModel, Schema], Model]
    generator: Callable[[int], Generator]
    seconds: Callable[[], float]
    code: FeatureCode | None = None
    searcher: Searcher | None = None
    environment: Mapping[str, bytes] = field(default_factory=dict)
    compiler: Callable[[StoredModel, Schema], Program] | None = None
    features: Callable[[pl.DataFrame], tuple[Feature, ...]] | None = None
    recipe: Learner | None = None
    told: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One fit: what it was for, on how many rows of which window, and how long it took."""

    purpose: str
    window: str
    rows: int
    seconds: float


class Bench:
    """Labelled rows, the plan of who is fitted and who is looked at, and the fits done so far.

    `without`: columns that the model does without, and all that user code makes of them alone.
    """

    def __init__(
        self, job: TrainingJob, contract: Contract, tools: Tools, without: tuple[str, ...] = ()
    ) -> None:
        self.job, self.contract, self.tools, self.without = job, contract, tools, without
        made = model_frame(emptied(job.frame, without), contract, tools.code)
        if without:
            made = made.select(n for n in made.columns if made.get_column(n).count())
        if tools.features is None:
            self.table = encode(made, learn_features(made))
        else:
            features = tools.features(made)
            made = made.select(f.name for f in features)
            self.table = encode(made, features)
        self.y = _labels(job.frame)
        self.weight = _weights(job.frame, WEIGHT)
        self.fit_weight = self.weight * _weights(job.frame, FIT_WEIGHT)
        self.rows = _rows(job.frame, contract)
        # Feature code may read every column that it sees; without code only the features count.
        inputs = visible(job.frame, contract).columns if tools.code else made.columns
        self.schema = _schema(contract, tuple(sorted(inputs)), self.table, self.y)
        salt = job.judge_salt or str(job.seed)
        self.plan: Plan = plan_for(
            self.rows, job.windows, job.holdout, degraded=job.degraded, salt=salt
        )
        self.left_out = _left_out(self.plan.windows, tools.recipe or tools.learner)
        self.windows = tuple(w for w in self.plan.windows if w not in self.left_out)
        drifted = self.plan.drifted if isinstance(self.plan, Degraded) else None
        self.new: Bools = np.zeros(len(self.rows), dtype=bool) if drifted is None else drifted
        self.fits: list[Fit] = []

    def fit(
        self,
        window: str,
        rows: Bools,
        params: Mapping[str, Param],
        purpose: str,
        *,
        learner: Learner | None = None,
        carried: float = 1.0,
    ) -> Model:
        """Fit on these rows; rows that are not new carry the weight of those thinned out."""
        started = self.tools.seconds()
        weight = np.where(self.new[rows], 1.0, carried) * self.fit_weight[rows]
        weight = window_weights(window, self.rows.period[rows], self.new[rows], weight)
        model = (learner or self.tools.learner).fit(
            self.table.take(rows), self.y[rows], weight, params, self.job.seed
        )
        spent = round(self.tools.seconds() - started, 3)
        self.fits.append(Fit(purpose=purpose, window=window, rows=int(rows.sum()), seconds=spent))
        return model

    def unseen(self, window: str, params: Mapping[str, Param]) -> tuple[Floats, Floats, Floats]:
        """Return label, raw answer and weight of the tuning rows, fold after fold."""
        parts = []
        folds = self.plan.tuning(window)
        for fold in folds:
            self.enough(fold, "tuning")
            most = _MOST_ROWS_TUNING // len(folds)
            rows, carried = thinned(fold.fit, self.new, most, self._rng())
            model = self.fit(window, rows, params, "tuning", carried=carried)
            raw = model.predict(self.table.take(fold.seen))
            parts.append((self.y[fold.seen], raw, self.weight[fold.seen]))
        y, raw, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        return y, raw, weight

    def simple(self, name: str, fit: Bools, *seen: Bools) -> tuple[Floats, ...]:
        """Return a baseline's answers; multiclass: the index of its best class."""
        learner = self.tools.baselines.get(name)
        if learner is not None:
            rows, carried = thinned(fit, self.new & fit, _MOST_ROWS_BASELINE, self._rng())
            model = self.fit("", rows, {}, f"baseline {name}", learner=learner, carried=carried)
            raw = [model.predict(self.table.take(s)) for s in seen]
            return tuple(_best_class(r) for r in raw)
        y, w = self.y[fit], self.fit_weight[fit]
        constant = float(w @ y / w.sum())
        if self.contract.task is Task.MULTICLASS:
            constant = float(np.bincount(y.astype(np.int64), weights=w).argmax())
        return tuple(np.full(int(s.sum()), constant) for s in seen)

    def fittable(self, window: str) -> bool:
        """Say whether a window has rows enough to be a candidate at all."""
        return all(not self._wanting(f.fit) for f in self.plan.tuning(window))

    def differs(self, window: str, other: str) -> bool:
        """Say whether two windows lead to different fits; with little history many are one."""
        if window.startswith((DECAY, MIXED)) or other.startswith((DECAY, MIXED)):
            return True
        pairs = zip(self.plan.tuning(window), self.plan.tuning(other), strict=True)
        return any(not np.array_equal(one.fit, two.fit) for one, two in pairs)

    def scarce(self, rows: Bools) -> str:
        """Return why so few rows mean nothing, "" if they do."""
        return self._wanting(rows)

    def enough(self, fold: Fold, purpose: str) -> None:
        """Raise DataError if a fold has too few rows or classes to fit on or to look at."""
        for rows, what in ((fold.fit, "fit"), (fold.seen, "look at")):
            wanting = self._wanting(rows)
            if wanting:
                raise DataError(
                    f"too little to {what} in {purpose}: {wanting}",
                    why="fewer rows give a model or a threshold that is chance",
                    fix="Wait for more matured labels, or load older history.",
                )

    def _wanting(self, rows: Bools) -> str:
        count = int(rows.sum())
        if count < _FEWEST_ROWS:
            return f"{count} rows, at least {_FEWEST_ROWS} are needed"
        if self.contract.task is Task.REGRESSION:
            return ""
        known, counts = np.unique(self.y[rows], return_counts=True)
        if len(known) < 2:
            return f"all {count} labels are {known[0]:g}"
        if self.contract.task is Task.BINARY and counts.min() < _FEWEST_A_CLASS:
            rare = known[counts.argmin()]
            return f"{counts.min()} rows of class {rare:g}, at least {_FEWEST_A_CLASS} are needed"
        return ""

    def _rng(self) -> Generator:
        return self.tools.generator(self.job.seed)


def _left_out(windows: Sequence[str], learner: Learner) -> Mapping[str, str]:
    """Return the windows that weigh rows, with why the learner cannot; one alone was asked for."""
    weighed = [name for name in windows if name.startswith((DECAY, MIXED))]
    why = learner.unweighed() if weighed and len(windows) > 1 else ""
    return dict.fromkeys(weighed, why) if why else {}


def _best_class(raw: Floats) -> Floats:
    return raw.argmax(axis=1).astype(np.float64) if raw.ndim == 2 else raw


def _labels(frame: pl.DataFrame) -> Floats:
    column = frame.get_column(LABEL).cast(pl.Float64)
    values = column.fill_null(float("nan")).to_numpy()
    if not np.isfinite(values).all():
        raise DataError(
            f"{int((~np.isfinite(values)).sum())} training rows have no label",
            why="only rows whose outcome is known can be learnt from",
        )
    return values


def _weights(frame: pl.DataFrame, name: str) -> Floats:
    if name not in frame.columns:
        return np.ones(frame.height, dtype=np.float64)
    return frame.get_column(name).cast(pl.Float64).fill_null(1.0).to_numpy()


def _rows(frame: pl.DataFrame, contract: Contract) -> Rows:
    entity, entities = _codes(frame.get_column(ENTITY))
    period, periods = _codes(frame.get_column(PERIOD))
    # What is decided late is learnt from late: a label's own moment, where it is told.
    time = frame.get_column(KNOWN_AT if KNOWN_AT in frame.columns else TIME)
    if time.dtype.is_temporal():
        time = time.cast(pl.Datetime("us")).to_physical()
    return Rows(
        entity=entity,
        entities=entities,
        period=period,
        periods=periods,
        time=time.cast(pl.Int64).fill_null(0).to_numpy(),
        horizon=round(contract.data.label.horizon.total_seconds() * 1_000_000),
    )


def _codes(column: pl.Series) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], tuple[str, ...]]:
    texts = column.cast(pl.String).fill_null("")
    names = tuple(texts.unique().sort().to_list())
    codes = texts.cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy()
    return codes, names


def _schema(contract: Contract, inputs: tuple[str, ...], table: FeatureTable, y: Floats) -> Schema:
    classes: tuple[str, ...] = ()
    if contract.task is Task.MULTICLASS:
        column = contract.data.schema.get(contract.data.label.column)
        count = int(y.max()) + 1
        classes = (column.allowed if column else None) or tuple(str(i) for i in range(count))
    return Schema(task=contract.task, classes=classes, inputs=inputs, features=table.features)
