"""Fitted estimators as trees or weights; what is not known is refused by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamid.adapters.sklearn.program_codes import Column, Tables
from tamid.adapters.sklearn.program_steps import prepared
from tamid.adapters.sklearn.program_trees import (
    flat_trees,
    grown_tree,
    histogram_tree,
    members,
)
from tamid.core.compiled.lightgbm_text import boosted
from tamid.core.compiled.program import Floats, Linear, Link, Trees, numbers
from tamid.core.errors import Uncompilable
from tamid.core.learning.model import Schema
from tamid.core.values import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """What the last step of a pipeline is, and the columns that it reads."""

    model: Trees | Linear
    columns: Sequence[Column]
    link: Link = "identity"
    factor: float = 1.0
    outputs: int = 1
    single: bool = False


def estimated(
    model: Any,
    schema: Schema,
    columns: list[Column],
    tables: Tables,
    labels: Sequence[int] | None = None,
) -> Estimated:
    """Return the last step as numbers; `labels` are its classes where it calls them otherwise.

    Raises:
        Uncompilable: its type, its classes or the way it is set are not known.
    """
    kind = type(model)
    root, name = kind.__module__.split(".")[0], str(kind.__qualname__)
    if (root, name) not in _KINDS:
        raise Uncompilable(f"the model {name} is not one that a program knows")
    if schema.task is not Task.REGRESSION:
        classes = [int(c) for c in (model.classes_ if labels is None else labels)]
        wanted = list(range(max(len(schema.classes), 2)))
        if classes != wanted:
            raise Uncompilable(f"the model knows the classes {classes} of {wanted}")
    return _KINDS[root, name](model, schema, columns, tables)


def _outputs(schema: Schema) -> int:
    return len(schema.classes) if schema.task is Task.MULTICLASS else 1


def _class_link(schema: Schema) -> Link:
    if schema.task is Task.REGRESSION:
        return "identity"
    return "softmax" if schema.task is Task.MULTICLASS else "sigmoid"


def _linear(model: Any, schema: Schema, columns: list[Column], tables: Tables) -> Estimated:
    outputs = _outputs(schema)
    weights, bias = np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)
    if len(weights) != outputs:
        raise Uncompilable("the model has not one row of weights for each class")
    bias = np.broadcast_to(bias, (outputs,))
    return Estimated(
        model=Linear(weights=numbers(weights), bias=numbers(bias)),
        columns=columns,
        link=_class_link(schema),
        outputs=outputs,
    )


def _log_linear(model: Any, schema: Schema, columns: list[Column], tables: Tables) -> Estimated:
    found = _linear(model, schema, columns, tables)
    return Estimated(model=found.model, columns=columns, link="exp")


def _lightgbm(model: Any, schema: Schema, columns: list[Column], tables: Tables) -> Estimated:
    found = boosted(model.booster_.model_to_string())
    if found.width != len(columns) or found.outputs != _outputs(schema):
        raise Uncompilable(f"the model reads {found.width} columns, and gets {len(columns)}")
    return Estimated(
        model=found.trees,
        columns=columns,
        link=found.link,
        factor=found.factor,
        outputs=found.outputs,
    )


def _forest(model: Any, schema: Schema, columns: list[Column], tables: Tables) -> Estimated:
    members = getattr(model, "estimators_", None)
    trees = [model] if members is None else list(members)
    grown = [grown_tree(t.tree_, _leaf_chances(t.tree_, schema)) for t in trees]
    outputs = _outputs(schema)
    return Estimated(
        model=flat_trees(grown, outputs, np.zeros(outputs), width=outputs),
        columns=columns,
        link="divide",
        factor=float(len(trees)),
        outputs=outputs,
        single=True,
    )


def _leaf_chances(tree: Any, schema: Schema) -> Floats:
    """Return (nodes, outputs): the number, the chance of the positive class, or all chances."""
    if tree.n_outputs != 1:
        raise Uncompilable("the trees answer several questions at once")
    values = np.asarray(tree.value[:, 0, :], dtype=np.float64)
    return values[:, 1:2] if schema.task is Task.BINARY else values


def _gradient(model: Any, schema: Schema, columns: list[Column], tables: Tables) -> Estimated:
    if model.loss not in ("log_loss", "squared_error", "absolute_error", "huber", "quantile"):
        raise Uncompilable(f"the loss {model.loss} is not known")
    if not isinstance(model.init_, str) and not type(model.init_).__name__.startswith("Dummy"):
        raise Uncompilable("the trees correct another model")
    if any(c.may_miss for c in columns):
        raise Uncompilable(f"the {type(model).__name__} fails on missing values")
    row = np.zeros((1, len(columns)), dtype=np.float32)
    base = np.asarray(model._raw_predict_init(row), dtype=np.float64).ravel()  # noqa: SLF001 - its constant start
    outputs = _outputs(schema)
    grown = [
        grown_tree(t.tree_, model.learning_rate * np.asarray(t.tree_.value[:, 0, :]), output=k)
        for stage in model.estimators_
        for k, t in enumerate(stage)
    ]
    return Estimated(
        model=flat_trees(grown, outputs, base),
        columns=columns,
        link=_class_link(schema),
        outputs=outputs,
        single=True,
    )


def _histogram(model: Any, schema: Schema, columns: list[Column], tables: Tables) -> Estimated:
    loss = model.loss
    if loss not in ("log_loss", "squared_error", "absolute_error", "quantile", "poisson", "gamma"):
        raise Uncompilable(f"the loss {loss} is not known")
    if model._preprocessor is not None:  # noqa: SLF001 - its own encoder of categories
        columns = _sorted_in(model._preprocessor, columns, tables)  # noqa: SLF001
    bits, place = model._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
    sets: list[Floats] = [members(row) for row in bits]
    grown = []
    for stage in model._predictors:  # noqa: SLF001 - its trees have no public name
        for k, tree in enumerate(stage):
            grown.append(histogram_tree(tree, k, sets, place))
    outputs = _outputs(schema)
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()  # noqa: SLF001
    return Estimated(
        model=flat_trees(grown, outputs, base, sets=sets),
        columns=columns,
        link="exp" if loss in ("poisson", "gamma") else _class_link(schema),
        outputs=outputs,
    )


def _sorted_in(preprocessor: Any, columns: list[Column], tables: Tables) -> list[Column]:
    """Return the columns as the model's own preprocessor hands them on: categories first."""
    places = preprocessor._transformer_to_input_indices  # noqa: SLF001
    made: list[Column] = []
    for name, inner, _ in preprocessor.transformers_:
        some = [columns[i] for i in places.get(name, ())]
        made += prepared(inner, some, tables) if name == "encoder" else some
    return made


_Maker = Callable[[Any, Schema, list[Column], Tables], Estimated]
_SKLEARN: Mapping[str, _Maker] = {
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), _linear),
    **dict.fromkeys(
        (
            "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet",
            "ElasticNetCV", "BayesianRidge", "HuberRegressor", "SGDRegressor",
        ),
        _linear,
    ),
    **dict.fromkeys(("PoissonRegressor", "GammaRegressor"), _log_linear),
    **dict.fromkeys(
        (
            "DecisionTreeClassifier", "DecisionTreeRegressor", "RandomForestClassifier",
            "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
        ),
        _forest,
    ),
    **dict.fromkeys(("GradientBoostingClassifier", "GradientBoostingRegressor"), _gradient),
    **dict.fromkeys(
        ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"), _histogram
    ),
}  # fmt: skip
_KINDS: Mapping[tuple[str, str], _Maker] = {
    **{("sklearn", name): maker for name, maker in _SKLEARN.items()},
    ("lightgbm", "LGBMClassifier"): _lightgbm,
    ("lightgbm", "LGBMRegressor"): _lightgbm,
}
