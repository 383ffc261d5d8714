"""scikit-learn as learners: logistic and ridge regression, and pipelines of the user's code."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.adapters._optional import need
from tamid.adapters.sklearn.models import SklearnModel, Store, frame_of
from tamid.core.errors import UserCodeError
from tamid.core.learning.model import Feature, FeatureTable, Floats, Param, Range
from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.core.learning.model import Learner

_MAX_STEPS = 1000


class LinearLearner:
    """Logistic (classes) or ridge (numbers) regression on imputed, scaled, one-hot columns."""

    def __init__(self, kind: str, task: Task, store: Store, classes: int = 0) -> None:
        if (kind == "ridge") != (task is Task.REGRESSION):
            raise UserCodeError(
                f"{kind} cannot answer a {task} task",
                why="ridge gives numbers, logistic gives chances of classes",
                fix="Choose `logistic` for classes and `ridge` for numbers in `training.model`.",
            )
        self._kind, self._task, self._store, self._classes = kind, task, store, classes

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> SklearnModel:
        """Fit; the seed is not needed, for nothing is drawn."""
        pipeline = self._pipeline(x.features, params)
        _quiet_fit(pipeline, x.values, y, {"model__sample_weight": weight})
        return SklearnModel(
            pipeline, task=self._task, classes=self._classes, store=self._store, linear=True
        )

    def space(self) -> Mapping[str, Range]:
        """Return the strength of the penalty."""
        if self._kind == "ridge":
            return {"alpha": Range(low=1e-2, high=1e3, log=True)}
        return {"C": Range(low=1e-3, high=1e2, log=True)}

    def check(self) -> Sequence[str]:
        """Return nothing: all its types are on the list."""
        return ()

    def unweighed(self) -> str:
        """Return nothing: rows are weighed."""
        return ""

    def _pipeline(self, features: Sequence[Feature], params: Mapping[str, Param]) -> Any:
        linear: Any = need("sklearn.linear_model", "loop")
        compose: Any = need("sklearn.compose", "loop")
        prepare: Any = need("sklearn.preprocessing", "loop")
        impute: Any = need("sklearn.impute", "loop")
        join: Any = need("sklearn.pipeline", "loop")
        numbers = [i for i, f in enumerate(features) if f.kind == "number"]
        texts = [i for i, f in enumerate(features) if f.kind == "category"]
        scaled = join.Pipeline(
            [
                ("fill", impute.SimpleImputer(strategy="median", keep_empty_features=True)),
                ("scale", prepare.StandardScaler()),
            ]
        )
        coded = prepare.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        columns = compose.ColumnTransformer([("n", scaled, numbers), ("c", coded, texts)])
        try:
            if self._kind == "ridge":
                model = linear.Ridge(**params)
            else:
                model = linear.LogisticRegression(**{"max_iter": _MAX_STEPS, **params})
        except TypeError as error:
            raise UserCodeError(
                f"{self._kind} refused a parameter: {error}",
                fix="Correct `training.params` in the contract.",
            ) from error
        return join.Pipeline([("columns", columns), ("model", model)])


class PipelineLearner:
    """Whatever scikit-learn-compatible estimator the user's code builds, fed a frame by name."""

    def __init__(
        self, build: Callable[[], Any], task: Task, store: Store, classes: int = 0
    ) -> None:
        self._build, self._task, self._store, self._classes = build, task, store, classes

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> SklearnModel:
        """Fit a fresh pipeline, seeded wherever it can be. Raises UserCodeError if it fails."""
        pipeline = self._seeded(seed, params)
        target = y if self._task is Task.REGRESSION else y.astype(np.int64)
        try:
            _quiet_fit(pipeline, frame_of(x), target, self._weighing(pipeline, weight))
        except UserCodeError:
            raise
        except Exception as error:
            raise UserCodeError(
                f"the pipeline failed to fit: {type(error).__name__}: {error}",
                fix="Run `tamid train --dry-run` to try it on a sample.",
            ) from error
        return SklearnModel(
            pipeline,
            task=self._task,
            classes=self._classes,
            store=self._store,
            reference=_reference(x),
        )

    def space(self) -> Mapping[str, Range]:
        """Return nothing: the user's pipeline has the parameters that it was built with."""
        return {}

    def check(self) -> Sequence[str]:
        """Return the steps of the unfitted pipeline whose types cannot be stored."""
        pipeline = self._build()
        if not hasattr(pipeline, "fit"):
            return [f"build() returned {type(pipeline).__name__}, which has no fit()"]
        steps = getattr(pipeline, "steps", None) or [("model", pipeline)]
        wrong = []
        for name, step in steps:
            refused = [] if isinstance(step, str) else self._store.untrusted(step)
            wrong += [f"step {name!r}: {kind}" for kind in refused]
        return wrong

    def unweighed(self) -> str:
        """Return that the last step of an unfitted pipeline takes no weights, if so."""
        last = _last(self._build())
        return "" if _takes_weights(last) else f"{type(last).__name__} takes no sample_weight"

    def _seeded(self, seed: int, params: Mapping[str, Param]) -> Any:
        pipeline = self._build()
        known = pipeline.get_params(deep=True)
        free = {
            name: seed
            for name, value in known.items()
            if name.rpartition("__")[2] == "random_state" and value is None
        }
        unknown = sorted(set(params) - set(known))
        if unknown:
            raise UserCodeError(
                f"the pipeline has no parameter {', '.join(unknown)}",
                fix="Name them as scikit-learn does (step__parameter), or remove them.",
            )
        for name, step in known.items():
            if type(step).__module__.startswith("lightgbm"):
                # LightGBM takes these as free arguments; without them threads decide the last bit.
                step.set_params(deterministic=True, force_row_wise=True, verbose=-1)
                free |= {f"{name}__random_state": seed} if name else {}
        if type(pipeline).__module__.startswith("lightgbm"):
            pipeline.set_params(deterministic=True, force_row_wise=True, verbose=-1)
        return pipeline.set_params(**{**free, **params})

    def _weighing(self, pipeline: Any, weight: Floats) -> dict[str, Floats]:
        """Return the fit argument that carries the weights; none if all are equal."""
        if np.ptp(weight) == 0:
            return {}
        steps, last = getattr(pipeline, "steps", None), _last(pipeline)
        if not _takes_weights(last):
            raise UserCodeError(
                f"{type(last).__name__} takes no sample_weight, but the rows have weights",
                why="rows known more often than others would count for more",
                fix="End the pipeline with an estimator that takes sample_weight.",
            )
        return {f"{steps[-1][0]}__sample_weight" if steps else "sample_weight": weight}


def _last(pipeline: Any) -> Any:
    steps = getattr(pipeline, "steps", None)
    return steps[-1][1] if steps else pipeline


def _takes_weights(estimator: Any) -> bool:
    checks: Any = need("sklearn.utils.validation", "loop")
    return bool(checks.has_fit_parameter(estimator, "sample_weight"))


def _quiet_fit(pipeline: Any, rows: Any, y: Any, arguments: Mapping[str, Any]) -> None:
    """Fit; that an optimiser stopped at its last step is seen in the quality, not in a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(rows, y, **arguments)


def _reference(x: FeatureTable) -> Floats:
    """Return a neutral row: the median of numbers, the most frequent word of categories."""
    row = np.zeros(len(x.features), dtype=np.float64)
    for i, feature in enumerate(x.features):
        known = x.values[:, i][~np.isnan(x.values[:, i])]
        if len(known) == 0:
            row[i] = np.nan
        elif feature.kind == "number":
            row[i] = float(np.median(known))
        else:
            row[i] = float(np.bincount(known.astype(np.int64)).argmax())
    return row


if TYPE_CHECKING:

    def _check(store: Store) -> tuple[Learner, Learner]:
        return (
            LinearLearner("ridge", Task.REGRESSION, store),
            PipelineLearner(lambda: None, Task.BINARY, store),
        )
