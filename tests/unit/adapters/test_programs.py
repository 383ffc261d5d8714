"""Fitted pipelines become programs that answer as they do, or are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tamid.adapters import skops
from tamid.adapters.sklearn import LinearLearner, PipelineLearner, SklearnModel, Store, compiled
from tamid.core.compiled import codec
from tamid.core.compiled.interpreter import Interpreter
from tamid.core.compiled.shap import Explainer
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Feature, FeatureTable, Floats, Schema
from tamid.core.values import Task

STORE = Store(dump=skops.dump, load=skops.load, untrusted=skops.untrusted)
FEATURES = (
    Feature(name="age"),
    Feature(name="calls"),
    Feature(name="plan", kind="category", categories=("basic", "fibre", "plus")),
    Feature(name="town", kind="category", categories=tuple(f"t{i:02d}" for i in range(20))),
    Feature(name="whole"),
)
NUMBERS, WORDS = ["age", "calls", "whole"], ["plan", "town"]


def rows(count: int, seed: int) -> FeatureTable:
    """Return rows with missing numbers and missing words."""
    rng = np.random.default_rng(seed)
    values = np.column_stack([
        rng.normal(size=count), rng.exponential(size=count) * 100,
        rng.integers(0, 3, count), rng.integers(0, 20, count), rng.integers(0, 4, count),
    ]).astype(np.float64)  # fmt: skip
    values[rng.random(values.shape) < 0.1] = np.nan
    return FeatureTable(features=FEATURES, values=values)


def truth(x: FeatureTable, task: Task) -> Floats:
    """Return labels that follow from the rows."""
    rng = np.random.default_rng(3)
    pull = np.nan_to_num(x.values[:, 0]) + (x.values[:, 2] == 1) + 0.3 * rng.normal(size=len(x))
    if task is Task.REGRESSION:
        return np.asarray(np.exp(pull), dtype=np.float64)
    cuts = [0.4] if task is Task.BINARY else [0.0, 1.0]
    return np.asarray(np.digitize(pull, cuts), dtype=np.float64)


def schema(task: Task) -> Schema:
    """Return what the model takes and gives."""
    classes = {Task.BINARY: ("0", "1"), Task.MULTICLASS: ("a", "b", "c")}
    return Schema(task=task, classes=classes.get(task, ()), features=FEATURES, format="skops")


def columns(model: Any, *, dense: bool = True, one_hot: bool = True) -> Any:
    """Return a pipeline as ML developers write it: impute, scale, encode, estimate."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    numbers = Pipeline(
        [("fill", SimpleImputer(strategy="median", add_indicator=True)), ("s", StandardScaler())]
    )
    words = (
        OneHotEncoder(handle_unknown="ignore", sparse_output=not dense)
        if one_hot
        else OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    )
    parts = ColumnTransformer([("n", numbers, NUMBERS), ("w", words, WORDS)])
    return Pipeline([("columns", parts), ("model", model)])


def _linear() -> Any:
    from sklearn.linear_model import LogisticRegression

    return columns(LogisticRegression(max_iter=300))


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return columns(RandomForestClassifier(n_estimators=12, max_depth=6, n_jobs=1))


def _boosted() -> Any:
    from lightgbm import LGBMClassifier

    return columns(LGBMClassifier(n_estimators=15, num_leaves=15, n_jobs=1), dense=False)


def _histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return columns(HistGradientBoostingClassifier(max_iter=15, max_leaf_nodes=15), one_hot=False)


def _gradient() -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return columns(GradientBoostingClassifier(n_estimators=10))


def _with_categories() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    coded = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    parts = ColumnTransformer([("n", "passthrough", NUMBERS), ("w", coded, WORDS)])
    model = HistGradientBoostingClassifier(max_iter=15, categorical_features=[3, 4])
    return Pipeline([("columns", parts), ("model", model)])


def _numbers_of(kind: str) -> Callable[[], Any]:
    def build() -> Any:
        from lightgbm import LGBMRegressor
        from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
        from sklearn.linear_model import PoissonRegressor, Ridge

        made = {
            "ridge": Ridge(),
            "poisson": PoissonRegressor(),
            "forest": RandomForestRegressor(n_estimators=8, max_depth=5, n_jobs=1),
            "histogram": HistGradientBoostingRegressor(max_iter=10, loss="gamma"),
            "boosted": LGBMRegressor(n_estimators=10, n_jobs=1),
        }[kind]
        return columns(made)

    return build


CLASSIFIERS = [_linear, _forest, _boosted, _histogram, _gradient, _with_categories]
REGRESSORS = [_numbers_of(k) for k in ("ridge", "poisson", "forest", "histogram", "boosted")]
CASES = [(build, task) for build in CLASSIFIERS for task in (Task.BINARY, Task.MULTICLASS)]
CASES += [(build, Task.REGRESSION) for build in REGRESSORS]


def fitted(build: Callable[[], Any], task: Task) -> SklearnModel:
    """Return a user's pipeline, fitted on rows of the test."""
    x = rows(600, 1)
    classes = len(schema(task).classes)
    learner = PipelineLearner(build, task, STORE, classes)
    return learner.fit(x, truth(x, task), np.ones(len(x)), {}, 5)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(("build", "task"), CASES)
def test_a_compiled_pipeline_answers_as_it_did(build: Callable[[], Any], task: Task) -> None:
    """Rows that were never seen get the same answers, alone and together."""
    model = fitted(build, task)
    program = codec.read(codec.write(compiled(model, schema(task))))
    fresh = rows(300, 2)
    wanted = model.predict(fresh).reshape(len(fresh), -1)
    runs = Interpreter(program)
    scale = max(1.0, float(np.abs(wanted).max()))
    assert np.abs(runs.batch(fresh.values) - wanted).max() <= 1e-12 * scale
    alone = np.array([runs.row(v) for v in fresh.values.tolist()])
    assert np.abs(alone - wanted).max() <= 1e-12 * scale


@pytest.mark.parametrize(
    ("kind", "task"),
    [("logistic", Task.BINARY), ("logistic", Task.MULTICLASS), ("ridge", Task.REGRESSION)],
)
def test_built_in_linear_models_answer_and_explain_themselves_as_before(
    kind: str, task: Task
) -> None:
    """A program gives the scores and the contributions of the stored model."""
    x, fresh = rows(400, 1), rows(50, 2)
    learner = LinearLearner(kind, task, STORE, len(schema(task).classes))
    model = learner.fit(x, truth(x, task), np.ones(len(x)), {}, 5)
    program = compiled(model, schema(task))
    wanted = model.predict(fresh).reshape(len(fresh), -1)
    assert np.abs(Interpreter(program).batch(fresh.values) - wanted).max() < 1e-12
    explainer = Explainer(program)
    moved = [list(explainer.contributions(v).values()) for v in fresh.values.tolist()]
    assert np.abs(np.array(moved) - model.contributions(fresh)).max() < 1e-9


@pytest.mark.parametrize("kept", [[0, 1, 4], [2, 3]])
def test_a_part_without_columns_is_passed_over(kept: list[int]) -> None:
    """Only numbers, or only words: the built-in pipeline's other part was never fitted."""
    features = tuple(FEATURES[i] for i in kept)
    x, fresh = rows(400, 1), rows(50, 2)
    some, new = (FeatureTable(features=features, values=t.values[:, kept]) for t in (x, fresh))
    learner = LinearLearner("logistic", Task.BINARY, STORE, 2)
    model = learner.fit(some, truth(x, Task.BINARY), np.ones(len(x)), {}, 5)
    program = compiled(model, replace(schema(Task.BINARY), features=features))
    gaps = Interpreter(program).batch(new.values).ravel() - model.predict(new).ravel()
    assert np.abs(gaps).max() < 1e-12


def test_users_pipelines_are_explained_against_the_neutral_row() -> None:
    """The change when a feature is neutral is that of the stored model."""
    model, fresh = fitted(_forest, Task.BINARY), rows(10, 2)
    explainer = Explainer(compiled(model, schema(Task.BINARY)))
    moved = [list(explainer.contributions(v).values()) for v in fresh.values.tolist()]
    assert np.abs(np.array(moved) - model.contributions(fresh)).max() < 1e-12


def _raising() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    parts = ColumnTransformer([("w", OneHotEncoder(), ["plan"])])
    return Pipeline([("columns", parts), ("model", LogisticRegression())])


def _neighbours() -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return columns(KNeighborsClassifier())


@pytest.mark.parametrize(
    ("build", "said"),
    [(_raising, "OneHotEncoder fails"), (_neighbours, "KNeighborsClassifier")],
)
def test_what_a_program_does_not_know_is_refused_by_name(
    build: Callable[[], Any], said: str
) -> None:
    """The refusal names the step that stands in the way."""
    x = rows(200, 1)
    x.values[:, 2] = np.nan_to_num(x.values[:, 2]) if build is _raising else x.values[:, 2]
    model = PipelineLearner(build, Task.BINARY, STORE, 2).fit(
        x, truth(x, Task.BINARY), np.ones(len(x)), {}, 5
    )
    with pytest.raises(Uncompilable, match=said):
        compiled(model, schema(Task.BINARY))


def test_a_pipeline_that_is_not_as_known_is_refused_and_breaks_nothing() -> None:
    """An attribute that is missing, as after a change of scikit-learn, is a refusal like others."""
    model = fitted(_linear, Task.BINARY)
    del model.pipeline[0].named_transformers_["n"][-1].mean_
    with pytest.raises(Uncompilable, match="mean_"):
        compiled(model, schema(Task.BINARY))
