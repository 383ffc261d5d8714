"""LightGBM as a learner: deterministic fits, models as text without a trace of thread or moment."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.adapters._optional import need
from tamid.core.errors import IntegrityError, UserCodeError
from tamid.core.learning.model import FeatureTable, Floats, Param, Range, StoredModel
from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.core.learning.model import Learner, Model

FORMAT = "lightgbm-text"
_FILE = "model.txt"
_OBJECTIVES = {Task.BINARY: "binary", Task.MULTICLASS: "multiclass", Task.REGRESSION: "regression"}
# 120 trees of 31 leaves fit 100,000 rows in about a second; 63 bins halve that of 255 and cost
# less than 0.001 AUC on tables of this kind.
_DEFAULTS: Mapping[str, Param] = {
    "num_iterations": 120,
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "max_bin": 63,
}
_ALIASES = {
    "n_estimators": "num_iterations",
    "num_boost_round": "num_iterations",
    "eta": "learning_rate",
    "shrinkage_rate": "learning_rate",
    "max_leaves": "num_leaves",
    "min_child_samples": "min_data_in_leaf",
    "colsample_bytree": "feature_fraction",
    "subsample": "bagging_fraction",
    "subsample_freq": "bagging_freq",
    "reg_alpha": "lambda_l1",
    "reg_lambda": "lambda_l2",
}
# What decides over determinism, output or the meaning of the score is not the user's to set.
_OURS = frozenset(
    {
        "objective", "num_class", "seed", "random_state", "deterministic", "force_row_wise",
        "force_col_wise", "num_threads", "n_jobs", "nthread", "verbosity", "verbose", "device_type",
        "device", "data", "valid", "input_model", "output_model", "machines",
    }
)  # fmt: skip
# Lines of the model text that tell of the machine and not of the model.
_MACHINE_LINES = re.compile(
    r"^\[(num_threads|data|valid|output_model|input_model):.*\]\n", re.MULTILINE
)


# What LightGBM imports, if it is there, for interfaces that no stored model needs.
_FOR_FITTING = ("sklearn", "pandas", "matplotlib", "dask", "graphviz")

# Below this many cells one thread is faster than several that wait for each other; the model is
# the same either way.
_CELLS_FOR_THREADS = 300_000
# So many rows are answered or explained by two threads, wherever that is: each row by itself, so
# that the answers are the same. Explaining a row takes as long as answering hundreds.
_MANY_ANSWERS, _MANY_REASONS, _THREADS_FOR_MANY = 5_000, 100, 2


class LightGBMLearner:
    """Gradient boosted trees; categories by their codes, missing values as missing."""

    def __init__(self, task: Task, classes: int = 0, threads: int = 1) -> None:
        self._task, self._classes, self._threads = task, classes, threads

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> LightGBMModel:
        """Fit deterministically. Raises UserCodeError for a parameter that LightGBM refuses."""
        lgb: Any = need("lightgbm", "loop")
        many = x.values.size > _CELLS_FOR_THREADS
        given = self._params(params, seed, self._threads if many else 1)
        rounds = int(given.pop("num_iterations"))
        categories = [i for i, f in enumerate(x.features) if f.kind == "category"]
        heard: list[str] = []
        _listen(lgb, heard)
        try:
            data = lgb.Dataset(
                x.values, y, weight=weight, categorical_feature=categories, params=given
            )
            booster = lgb.train(given, data, num_boost_round=rounds)
        except lgb.basic.LightGBMError as error:
            raise UserCodeError(
                f"LightGBM refused to fit: {error}",
                fix="Correct `training.params` in the contract.",
            ) from error
        unknown = sorted(
            {m for line in heard for m in re.findall(r"Unknown parameter: (\S+)", line)}
        )
        if unknown:
            raise UserCodeError(
                f"LightGBM knows no parameter {', '.join(unknown)}",
                why="an unknown parameter would be ignored in silence",
                fix="Correct `training.params` in the contract.",
            )
        return LightGBMModel(booster, self._threads)

    def space(self) -> Mapping[str, Range]:
        """Return the parameters worth searching."""
        return {
            "num_iterations": Range(low=60, high=300, whole=True),
            "learning_rate": Range(low=0.03, high=0.2, log=True),
            "num_leaves": Range(low=7, high=63, log=True, whole=True),
            "min_data_in_leaf": Range(low=10, high=200, log=True, whole=True),
            "feature_fraction": Range(low=0.5, high=1.0),
            "lambda_l2": Range(low=1e-3, high=10.0, log=True),
        }

    def check(self) -> Sequence[str]:
        """Return nothing: its own text is always storable."""
        return ()

    def unweighed(self) -> str:
        """Return nothing: rows are weighed."""
        return ""

    def _params(self, params: Mapping[str, Param], seed: int, threads: int) -> dict[str, Any]:
        refused = sorted(_OURS & set(params))
        if refused:
            raise UserCodeError(
                f"training.params may not set {', '.join(refused)}",
                why="these decide over determinism and the meaning of the score",
                fix="Remove them; seed and threads are keys of `training`.",
            )
        given: dict[str, Any] = dict(_DEFAULTS)
        given |= {_ALIASES.get(name, name): value for name, value in params.items()}
        given |= {
            "objective": _OBJECTIVES[self._task],
            "deterministic": True,
            "force_row_wise": True,
            "seed": seed,
            "num_threads": threads,
            "verbosity": 0,
        }
        if self._task is Task.MULTICLASS:
            given["num_class"] = self._classes
        return given


class LightGBMModel:
    """A fitted booster."""

    def __init__(self, booster: Any, threads: int) -> None:
        self._booster, self._threads = booster, threads

    def predict(self, x: FeatureTable) -> Floats:
        """Return chances of the positive class, numbers, or (n, k) chances of classes."""
        threads = self._threads_for(len(x), _MANY_ANSWERS)
        found = self._booster.predict(x.values, num_threads=threads)
        return np.asarray(found, dtype=np.float64)

    def contributions(self, x: FeatureTable) -> Floats:
        """Return SHAP values (in log-odds for classes); multiclass: of each row's best class."""
        width = len(x.features)
        threads = self._threads_for(len(x), _MANY_REASONS)
        found = self._booster.predict(x.values, pred_contrib=True, num_threads=threads)
        values = np.asarray(found, dtype=np.float64).reshape(len(x), -1, width + 1)
        best = np.zeros(len(x), dtype=np.int64)
        if values.shape[1] > 1:
            best = values.sum(axis=2).argmax(axis=1)
        return np.asarray(values[np.arange(len(x)), best, :width])

    def importance(self) -> Floats:
        """Return each feature's share of the total gain."""
        gain = np.asarray(self._booster.feature_importance("gain"), dtype=np.float64)
        return gain / gain.sum() if gain.sum() > 0 else gain

    def _threads_for(self, rows: int, many: int) -> int:
        return max(self._threads, _THREADS_FOR_MANY) if rows >= many else self._threads

    def dump(self) -> StoredModel:
        """Return LightGBM's own text without the lines that tell of threads and paths."""
        text = _MACHINE_LINES.sub("", self._booster.model_to_string())
        return StoredModel(format=FORMAT, files={_FILE: text.encode()})


def load(stored: StoredModel, threads: int = 1) -> LightGBMModel:
    """Load what :meth:`LightGBMModel.dump` wrote. Raises IntegrityError if it is no such text."""
    lgb: Any = need("lightgbm", "loop")
    lgb.register_logger(_Listener([]))
    try:
        booster = lgb.Booster(model_str=stored.files[_FILE].decode())
    except (KeyError, UnicodeDecodeError, lgb.basic.LightGBMError) as error:
        raise IntegrityError(f"the bundle's {_FILE} is not a LightGBM model: {error}") from error
    return LightGBMModel(booster, threads)


def begin_to_predict() -> None:
    """Import LightGBM for a process that only predicts, eight times as fast.

    Without its scikit-learn interface it needs neither scikit-learn nor pandas, and of SciPy only
    the names of sparse matrices, which it compares what it is given with; all of them stay
    importable for everybody else. Does nothing where LightGBM is imported already.
    """
    if "lightgbm" in sys.modules:
        return
    hiding: dict[str, Any] = dict.fromkeys(_FOR_FITTING)
    hiding |= {} if "scipy" in sys.modules else _sparse_names()
    hidden = [name for name in hiding if name not in sys.modules]
    sys.modules.update({name: hiding[name] for name in hidden})
    try:
        need("lightgbm", "loop")
    finally:
        for name in hidden:
            del sys.modules[name]


def _sparse_names() -> dict[str, Any]:
    """Return modules with the types of sparse matrices, of which nobody makes any here."""
    whole, sparse = ModuleType("scipy"), ModuleType("scipy.sparse")
    for name in ("spmatrix", "csr_matrix", "csc_matrix"):
        setattr(sparse, name, type(name, (), {}))
    whole.sparse = sparse  # type: ignore[attr-defined]
    return {"scipy": whole, "scipy.sparse": sparse}


class _Listener:
    """Hears what LightGBM would print."""

    def __init__(self, heard: list[str]) -> None:
        self._heard = heard

    def info(self, message: str) -> None:
        self._heard.append(message)

    def warning(self, message: str) -> None:
        self._heard.append(message)


def _listen(lgb: Any, heard: list[str]) -> None:
    """Hear what LightGBM would print.

    It tells its listener by thread, and on import only of that one: another would print to stdout.
    """
    lgb.register_logger(_Listener(heard))
    native = lgb.basic._LIB  # noqa: SLF001 - no public name registers a thread
    native.LGBM_RegisterLogCallback(native.callback)


if TYPE_CHECKING:
    _learner: Learner = LightGBMLearner(Task.BINARY)
    _model: Model = LightGBMModel(None, 1)
