"""LightGBM's text is read to the bit, or refused with the reason."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest

from tamid.core.compiled.bundled import compile_text
from tamid.core.compiled.interpreter import Interpreter
from tamid.core.compiled.lightgbm_text import boosted
from tamid.core.compiled.shap import Explainer
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Feature, Floats, Schema
from tamid.core.values import Task

FEATURES = (
    *(Feature(name=f"n{i}") for i in range(4)),
    Feature(name="few", kind="category", categories=tuple("abcde")),
    Feature(name="many", kind="category", categories=tuple(f"w{i:03d}" for i in range(150))),
)
CASES: dict[str, tuple[dict[str, Any], Task]] = {
    "binary": ({"objective": "binary"}, Task.BINARY),
    "sigmoid": ({"objective": "binary", "sigmoid": 1.7}, Task.BINARY),
    "cross_entropy": ({"objective": "cross_entropy"}, Task.BINARY),
    "multiclass": ({"objective": "multiclass", "num_class": 3}, Task.MULTICLASS),
    "regression": ({"objective": "regression"}, Task.REGRESSION),
    "huber": ({"objective": "huber"}, Task.REGRESSION),
    "poisson": ({"objective": "poisson"}, Task.REGRESSION),
    "no_missing": ({"objective": "binary", "use_missing": False}, Task.BINARY),
    "one_leaf": ({"objective": "binary", "min_data_in_leaf": 5000}, Task.BINARY),
}


def rows(count: int, seed: int) -> Floats:
    """Return rows with missing numbers and words, zeros and the largest numbers."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 6)).round(2)
    x[:, 4], x[:, 5] = rng.integers(0, 5, count), rng.integers(0, 150, count)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def booster(params: dict[str, Any], x: Floats | None = None) -> Any:
    """Return a model that was fitted on rows with missing values."""
    x = rows(900, 1) if x is None else x
    pull = np.nan_to_num(x[:, 0]) + (np.nan_to_num(x[:, 5]) % 3)
    y = np.digitize(pull, [0.5, 1.5]) if "num_class" in params else (pull > 1).astype(float)
    given = {"verbosity": -1, "num_threads": 1, "num_leaves": 15, "min_data_in_leaf": 5}
    data = lgb.Dataset(x, y, categorical_feature=[4, 5])
    return lgb.train({**given, **params}, data, num_boost_round=12)


def schema(task: Task) -> Schema:
    """Return what the model takes and gives."""
    classes = ("a", "b", "c") if task is Task.MULTICLASS else ()
    return Schema(task=task, classes=classes, features=FEATURES, format="lightgbm-text")


@pytest.mark.parametrize("name", CASES)
def test_answers_are_those_of_lightgbm_to_the_bit(name: str) -> None:
    """Missing values, categories of few and many words, unseen codes: no row differs."""
    params, task = CASES[name]
    model = booster(params)
    program = compile_text(model.model_to_string(), schema(task))
    fresh = np.concatenate([rows(300, 2), np.zeros((1, 6)), np.full((1, 6), np.nan)])
    fresh[:3, 5] = (-1.0, 200.0, 3.7)
    fresh[3] = 1e300
    wanted = model.predict(fresh).reshape(len(fresh), -1)
    runs = Interpreter(program)
    assert np.array_equal(np.array([runs.row(v) for v in fresh.tolist()]), wanted)
    assert np.abs(runs.batch(fresh) - wanted).max() <= 1e-15 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize("name", ["binary", "regression", "multiclass", "one_leaf"])
def test_contributions_are_the_shap_values_of_lightgbm(name: str) -> None:
    """Each feature moves the sum as LightGBM says; for classes, that of the best one."""
    params, task = CASES[name]
    model = booster(params)
    program = compile_text(model.model_to_string(), schema(task))
    fresh = rows(25, 2)
    whole = model.predict(fresh, pred_contrib=True).reshape(len(fresh), -1, 7)
    best = whole.sum(axis=2).argmax(axis=1) if task is Task.MULTICLASS else np.zeros(25, int)
    wanted = whole[np.arange(25), best, :6]
    explainer = Explainer(program)
    found = np.array([list(explainer.contributions(v).values()) for v in fresh.tolist()])
    assert np.abs(found - wanted).max() < 1e-9


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"objective": "binary", "zero_as_missing": True}, "zero counts as missing"),
        ({"objective": "regression", "linear_tree": True}, "linear models"),
        ({"objective": "regression", "reg_sqrt": True}, "objective"),
        ({"objective": "multiclassova", "num_class": 3}, "objective"),
        ({"objective": "lambdarank"}, "objective"),
        (
            {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
            "averaged",
        ),
    ],
)
def test_what_is_not_understood_is_refused(params: dict[str, Any], said: str) -> None:
    """A model that would be answered otherwise is not compiled, and the reason is named."""
    if params["objective"] == "lambdarank":
        text = booster({"objective": "binary"}).model_to_string()
        text = text.replace("objective=binary sigmoid:1", "objective=lambdarank")
    else:
        text = booster(params).model_to_string()
    with pytest.raises(Uncompilable, match=said):
        boosted(text)


def test_a_text_for_other_features_is_refused() -> None:
    """Trees over six columns are no model of five."""
    text = booster({"objective": "binary"}).model_to_string()
    short = Schema(task=Task.BINARY, features=FEATURES[:5])
    with pytest.raises(Uncompilable, match="6 columns"):
        compile_text(text, short)


def test_a_text_that_is_cut_is_refused() -> None:
    """Half a model is none, wherever it ends."""
    text = booster({"objective": "binary"}).model_to_string()
    for share in (0.1, 0.4, 0.7):
        with pytest.raises(Uncompilable):
            boosted(text[: int(len(text) * share)])
