"""Learners: the same bytes twice, the same answers reloaded, the user's mistakes named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tamid.adapters import lightgbm, sklearn, skops
from tamid.adapters.lightgbm import LightGBMLearner
from tamid.adapters.sklearn import LinearLearner, PipelineLearner, Store
from tamid.core.errors import IntegrityError, UserCodeError
from tamid.core.learning.model import Feature, FeatureTable, Floats, Learner, Model, Param
from tamid.core.values import Task

STORE = Store(dump=skops.dump, load=skops.load, untrusted=skops.untrusted)
FEATURES = (
    Feature(name="calls"),
    Feature(name="תוכנית", kind="category", categories=("basic", "plus", "סיבים")),
    Feature(name="age"),
)


def table(n: int = 400, seed: int = 0) -> tuple[FeatureTable, Floats]:
    """Return a table with a category and missing values, and the pull behind its labels."""
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(size=n), rng.integers(0, 3, n), rng.normal(size=n)])
    pull = 2 * values[:, 0] + 1.5 * (values[:, 1] == 2) - 0.5
    values[rng.random(n) < 0.1, 2] = np.nan
    values[rng.random(n) < 0.05, 1] = np.nan
    return FeatureTable(features=FEATURES, values=values), pull


def labels(task: Task, pull: Floats) -> Floats:
    """Return labels of a task for a pull."""
    if task is Task.BINARY:
        return (pull > 0).astype(np.float64)
    if task is Task.MULTICLASS:
        return np.digitize(pull, [-1.0, 1.0]).astype(np.float64)
    return pull


def pipeline() -> Any:
    """What a user's `build()` might return."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["calls", "age"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["תוכנית"]),
        ]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression())])


def forest() -> Any:
    """Return another user's pipeline: unseeded trees."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

    steps = pipeline().steps
    return Pipeline([steps[0], ("model", RandomForestClassifier(n_estimators=5))])


def boosted() -> Any:
    """LightGBM inside a user's pipeline."""
    import lightgbm as lgb
    from sklearn.pipeline import Pipeline

    return Pipeline([pipeline().steps[0], ("model", lgb.LGBMClassifier(n_estimators=5))])


CASES: Mapping[str, tuple[Task, Callable[[], Learner]]] = {
    "lightgbm": (Task.BINARY, lambda: LightGBMLearner(Task.BINARY)),
    "lightgbm classes": (Task.MULTICLASS, lambda: LightGBMLearner(Task.MULTICLASS, 3)),
    "lightgbm numbers": (Task.REGRESSION, lambda: LightGBMLearner(Task.REGRESSION)),
    "logistic": (Task.BINARY, lambda: LinearLearner("logistic", Task.BINARY, STORE)),
    "logistic classes": (
        Task.MULTICLASS, lambda: LinearLearner("logistic", Task.MULTICLASS, STORE, 3),
    ),
    "ridge": (Task.REGRESSION, lambda: LinearLearner("ridge", Task.REGRESSION, STORE)),
    "pipeline": (Task.BINARY, lambda: PipelineLearner(pipeline, Task.BINARY, STORE)),
    "pipeline classes": (
        Task.MULTICLASS, lambda: PipelineLearner(pipeline, Task.MULTICLASS, STORE, 3),
    ),
    "forest": (Task.BINARY, lambda: PipelineLearner(forest, Task.BINARY, STORE)),
    "boosted": (Task.BINARY, lambda: PipelineLearner(boosted, Task.BINARY, STORE)),
}  # fmt: skip


def fitted(name: str, weight: Floats | None = None) -> tuple[Task, FeatureTable, Model]:
    """Fit a case."""
    task, make = CASES[name]
    x, pull = table()
    own = np.ones(len(x)) if weight is None else weight
    return task, x, make().fit(x, labels(task, pull), own, {}, 7)


def reloaded(task: Task, model: Model) -> Model:
    """Store a model and load it again."""
    stored = model.dump()
    if stored.format == lightgbm.FORMAT:
        return lightgbm.load(stored)
    return sklearn.load(stored, task, STORE)


@pytest.mark.parametrize("name", CASES)
def test_learners_learn_store_and_repeat(name: str) -> None:
    """Twice fitted gives the same bytes, reloaded the same answers; shapes are as promised."""
    task, x, model = fitted(name)
    _, _, again = fitted(name)
    assert model.dump() == again.dump()
    loaded = reloaded(task, model)
    assert np.array_equal(model.predict(x), loaded.predict(x))
    parts = loaded.contributions(x)
    assert parts.shape == (len(x), 3)
    assert np.array_equal(parts, model.contributions(x))
    fresh, pull = table(300, seed=1)
    truth, answer = labels(task, pull), loaded.predict(fresh)
    if task is Task.MULTICLASS:
        assert answer.shape == (300, 3)
        assert np.allclose(answer.sum(axis=1), 1)
        assert (answer.argmax(axis=1) == truth).mean() > 0.7
    elif task is Task.BINARY:
        assert ((answer > 0.5) == truth).mean() > 0.8
    else:
        assert np.abs(answer - truth).mean() < 0.4


@pytest.mark.parametrize("name", ["lightgbm", "logistic", "ridge", "pipeline"])
def test_a_weight_counts_as_so_many_rows(name: str) -> None:
    """Rows of weight zero might as well not be there."""
    x, pull = table()
    turned = np.arange(len(x)) % 2 == 0
    task, make = CASES[name]
    y = labels(task, np.where(turned, -pull, pull))
    weight = np.where(turned, 1e-6, 1.0)
    model = make().fit(x, y, weight, {}, 7)
    straight = labels(task, pull)
    error = np.abs(model.predict(x) - straight)
    assert error.mean() < 0.35


@pytest.mark.parametrize("name", ["lightgbm", "logistic", "ridge", "forest"])
def test_contributions_name_what_moved_the_row(name: str) -> None:
    """For a row that one feature pulls up, that feature stands first."""
    _, _, model = fitted(name)
    row = FeatureTable(features=FEATURES, values=np.array([[3.0, 0.0, 0.0]]))
    assert model.contributions(row)[0].argmax() == 0


def test_lightgbm_contributions_add_up_to_the_answer() -> None:
    """With the mean, they sum to the row's log-odds: no part of an answer is hidden."""
    _, x, model = fitted("lightgbm")
    p = model.predict(x)
    gap = np.log(p / (1 - p)) - model.contributions(x).sum(axis=1)
    assert np.ptp(gap) < 1e-9


def test_threads_leave_no_trace_in_the_model() -> None:
    """One thread or two, the stored model is the same."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60_000, 6))
    x = FeatureTable(features=tuple(Feature(name=f"x{i}") for i in range(6)), values=values)
    y = (values[:, 0] * values[:, 1] > 0).astype(np.float64)
    small: Mapping[str, Param] = {"n_estimators": 3}
    one, two = (
        LightGBMLearner(Task.BINARY, threads=t).fit(x, y, np.ones(len(x)), small, 7).dump()
        for t in (1, 2)
    )
    assert one == two
    assert b"num_threads" not in one.files["model.txt"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"num_leavs": 7}, "no parameter num_leavs"),
        ({"objective": "poisson"}, "may not set objective"),
        ({"num_leaves": -1}, "refused to fit"),
    ],
)
def test_wrong_parameters_are_named(params: Mapping[str, Param], message: str) -> None:
    """Unknown, forbidden and impossible parameters of LightGBM are the user's clear errors."""
    x, pull = table()
    y = labels(Task.BINARY, pull)
    with pytest.raises(UserCodeError, match=message):
        LightGBMLearner(Task.BINARY).fit(x, y, np.ones(len(x)), params, 7)


@pytest.mark.parametrize("name", ["logistic", "pipeline"])
def test_wrong_parameters_of_scikit_learn_are_named(name: str) -> None:
    """Unknown parameters of built-ins and pipelines are named."""
    task, make = CASES[name]
    x, pull = table()
    with pytest.raises(UserCodeError, match="depth"):
        make().fit(x, labels(task, pull), np.ones(len(x)), {"depth": 3}, 7)


def test_a_model_of_the_wrong_task_is_refused() -> None:
    """Ridge gives numbers, logistic gives chances."""
    with pytest.raises(UserCodeError, match="ridge cannot answer"):
        LinearLearner("ridge", Task.BINARY, STORE)


def test_an_offending_step_is_named_before_any_fit() -> None:
    """The dry run names the step and the type that could not be stored."""
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

    class Mine(BaseEstimator):  # type: ignore[misc]
        def fit(self, x: object, y: object) -> Mine:
            raise AssertionError("check() must not fit")

    learner = PipelineLearner(
        lambda: Pipeline([pipeline().steps[0], ("mine", Mine())]), Task.BINARY, STORE
    )
    (found,) = learner.check()
    assert found.startswith("step 'mine': ")
    assert "Mine" in found
    assert PipelineLearner(pipeline, Task.BINARY, STORE).check() == []
    assert PipelineLearner(lambda: 7, Task.BINARY, STORE).check() != []


def test_weights_need_an_estimator_that_takes_them() -> None:
    """An estimator without sample_weight is refused when rows have weights, and only then."""
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline

    learner = PipelineLearner(
        lambda: Pipeline([pipeline().steps[0], ("near", KNeighborsClassifier())]),
        Task.BINARY,
        STORE,
    )
    assert learner.unweighed() == "KNeighborsClassifier takes no sample_weight"
    assert PipelineLearner(pipeline, Task.BINARY, STORE).unweighed() == ""
    x, pull = table()
    y = labels(Task.BINARY, pull)
    learner.fit(x, y, np.ones(len(x)), {}, 7)
    with pytest.raises(UserCodeError, match="takes no sample_weight"):
        learner.fit(x, y, np.linspace(1, 2, len(x)), {}, 7)


def test_a_pipeline_that_fails_is_the_users_error() -> None:
    """What scikit-learn raises is told with its message."""
    from sklearn.linear_model import LogisticRegression

    learner = PipelineLearner(LogisticRegression, Task.BINARY, STORE)
    x, pull = table()
    with pytest.raises(UserCodeError, match="failed to fit: ValueError"):
        learner.fit(x, labels(Task.BINARY, pull), np.ones(len(x)), {}, 7)


def test_damaged_models_are_integrity_errors() -> None:
    """A model file that is cut, or names types off the list, is never loaded."""
    _, _, tree = fitted("lightgbm")
    _, _, line = fitted("logistic")
    stored = line.dump()
    for content in (b"", stored.files["model.skops"][:-20], tree.dump().files["model.txt"]):
        with pytest.raises(IntegrityError):
            skops.load(content)
    from skops.io import dumps

    with pytest.raises(IntegrityError, match="off the list"):
        skops.load(dumps(STORE))
    wrong = type(stored)(format=lightgbm.FORMAT, files={"model.txt": b"tree\nnonsense"})
    with pytest.raises(IntegrityError):
        lightgbm.load(wrong)


def test_unseen_words_reach_a_pipeline_as_missing() -> None:
    """A user's pipeline sees words by name, and null where a word is unknown."""
    seen: list[list[str | None]] = []

    class Looking:
        classes_ = np.array([0, 1])

        def predict_proba(self, frame: Any) -> Floats:
            seen.append(frame.get_column("תוכנית").to_list())
            return np.full((frame.height, 2), 0.5)

    from tamid.adapters.sklearn import SklearnModel

    model = SklearnModel(Looking(), task=Task.BINARY, classes=2, store=STORE)
    values = np.array([[0.0, 2.0, 1.0], [0.0, np.nan, 1.0]])
    model.predict(FeatureTable(features=FEATURES, values=values))
    assert seen == [["סיבים", None]]


def test_the_list_of_trusted_types_is_published() -> None:
    """Every type that may be loaded beyond skops' own list stands in the reference."""
    page = Path(__file__).parents[3] / "docs" / "reference" / "bundle.md"
    text = page.read_text(encoding="utf-8")
    assert [name for name in skops.TRUSTED if f"`{name}`" not in text] == []


def test_in_another_thread_nothing_is_printed_and_mistakes_are_named(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """What LightGBM has to say of a fit goes to whoever asked for it, and never to stdout."""
    x, _ = table(30)
    y, whole = (np.arange(30) % 2).astype(np.float64), np.ones(30)
    learner = LightGBMLearner(Task.BINARY)
    learner.fit(x, y, whole, {}, 1)
    with ThreadPoolExecutor(1) as beside:
        beside.submit(learner.fit, x, y, whole, {"min_data_in_leaf": 30}, 1).result()
        wrong = beside.submit(learner.fit, x, y, whole, {"min_dta": 3}, 1)
        with pytest.raises(UserCodeError, match="knows no parameter min_dta"):
            wrong.result()
    assert capfd.readouterr() == ("", "")
