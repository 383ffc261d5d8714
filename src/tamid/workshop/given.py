"""Models that were made elsewhere: opened by their kind, matched to a contract, made to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.core.compiled.lightgbm_file import described_text, text_of
from tamid.core.compiled.xgboost_file import compile_json
from tamid.core.compiled.xgboost_told import FILE, FORMAT, described_json
from tamid.core.errors import IntegrityError, UserCodeError
from tamid.core.learning.given import Offered, fitted, places
from tamid.core.learning.model import Schema, StoredModel
from tamid.core.values import Task
from tamid.workshop.stores import sklearn_store

if TYPE_CHECKING:
    import polars as pl

    from tamid.core.contract.model import Contract
    from tamid.core.learning.given import Described
    from tamid.core.learning.model import (
        Feature,
        FeatureTable,
        Floats,
        Learner,
        Model,
        Param,
        Range,
    )
    from tamid.ports import GivenModel

# Words of a column that are looked at; a column with more is a name rather than a category.
_MOST_WORDS = 5_000
# Sums may round otherwise in another library; another category or a missing value differs by more.
_SAME = 1e-6


class Handed:
    """A model that was handed over, as a learner that has learnt already.

    `described`: what it reads and answers; `told`: what is known of it, as the report holds it.
    """

    def __init__(self, given: GivenModel, contract: Contract) -> None:
        """Open the file. Raises UsageError, UserCodeError: it cannot be, and why."""
        self._given, self._contract = given, contract
        self._pipeline: Any = None
        self.described = self._opened()
        self._model: Model | None = None
        self.told: dict[str, object] = {
            "made_with": self.described.made_with,
            "notes": self.described.notes,
        }

    def features(self, made: pl.DataFrame) -> tuple[Feature, ...]:
        """Return what the model reads of a frame. Raises UserCodeError with all that is unlike."""
        return fitted(
            self.described, self._contract, offered(made, self._contract), self._given.inputs
        )

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> Model:
        """Return the model as it came. Raises UserCodeError if it does not answer as it should."""
        if self._model is None:
            self._model = self._made(x)
            _refuse_odd(self._model.predict(x), self._contract)
        return self._model

    def space(self) -> Mapping[str, Range]:
        """Return nothing: nothing is searched."""
        return {}

    def check(self) -> Sequence[str]:
        """Return nothing: what could not be stored was refused when it was opened."""
        return ()

    def unweighed(self) -> str:
        """Return nothing: it has learnt already."""
        return ""

    def recipe(self) -> Learner | None:
        """Return what fits the like of it anew; None for files that hold no recipe."""
        if self._pipeline is None or any(not i.name for i in self.described.inputs):
            return None
        from tamid.adapters.sklearn import PipelineLearner, recipe_of

        contract, count = self._contract, max(2, self.described.outputs)
        return PipelineLearner(recipe_of(self._pipeline), contract.task, sklearn_store(), count)

    def _opened(self) -> Described:
        kind, content = self._given.kind, self._given.content
        if kind == "lightgbm-text":
            return described_text(content.decode("utf-8", errors="replace"))
        if kind == "lightgbm-json":
            return described_text(text_of(json.loads(content)), "JSON")
        if kind.startswith("xgboost"):
            from tamid.adapters import xgboost

            text = xgboost.as_json(content)
            return described_json(json.loads(text), text, kind.rpartition("-")[2].upper())
        if kind == "onnx":
            from tamid.adapters import onnx

            return onnx.described(content)
        from tamid.adapters import sklearn

        try:
            self._pipeline, found = sklearn.opened(content, sklearn_store())
        except IntegrityError as error:
            raise UserCodeError(
                error.what.replace("the bundle's model", "the skops file"),
                why="only types on the published list are loaded: docs/reference/bundle.md",
                fix="Use steps of scikit-learn or LightGBM; move own code into features.py.",
            ) from error
        return found

    def _made(self, x: FeatureTable) -> Model:
        d, contract = self.described, self._contract
        if d.stored.format == "lightgbm-text":
            from tamid.adapters import lightgbm

            return lightgbm.load(d.stored)
        if d.stored.format == FORMAT:
            return self._xgboost(x)
        order = places(d, contract)
        if d.stored.format == "onnx":
            from tamid.adapters import onnx

            where = tuple(order.index(i) for i in range(len(order)))
            return onnx.OnnxModel(
                d.stored.files["model.onnx"], task=contract.task, reference=neutral(x), order=where
            )
        from tamid.adapters import sklearn

        return sklearn.SklearnModel(
            self._pipeline,
            task=contract.task,
            classes=max(2, d.outputs),
            store=sklearn_store(),
            reference=neutral(x),
            labels=order or None,
            bare=any(not i.name for i in d.inputs),
        )

    def _xgboost(self, x: FeatureTable) -> Model:
        from tamid.adapters import xgboost

        found = xgboost_model(self.described.stored, self._schema(x))
        content = self.described.stored.files[FILE]
        task, answers = self._contract.task, found.predict(x)
        self.told["difference_from_xgboost"] = xgboost.refuse_unlike(content, x, answers, task)
        return found

    def _schema(self, x: FeatureTable) -> Schema:
        classes: tuple[str, ...] = ()
        if self._contract.task is Task.MULTICLASS:
            column = self._contract.data.schema.get(self._contract.data.label.column)
            numbered = tuple(str(i) for i in range(self.described.outputs))
            classes = (column.allowed if column else None) or numbered
        return Schema(task=self._contract.task, classes=classes, features=x.features)


def xgboost_model(stored: StoredModel, schema: Schema) -> Model:
    """Return a bundle's XGBoost JSON as a model. Raises Uncompilable, IntegrityError."""
    from tamid.adapters.engines import ProgramModel

    try:
        data = json.loads(stored.files[FILE])
    except (KeyError, ValueError) as error:
        raise IntegrityError(f"the bundle's {FILE} is damaged: {error}") from error
    return ProgramModel(compile_json(data, schema), stored)


def offered(made: pl.DataFrame, contract: Contract) -> Mapping[str, Offered]:
    """Return the columns that a frame offers to a model."""
    found = {}
    for name, kind in made.schema.items():
        column, told = made.get_column(name), contract.data.schema.get(name)
        nullable = column.null_count() > 0 or (told is not None and told.nullable)
        if kind.is_integer() or kind.is_float() or kind.is_decimal():
            whole = kind.is_integer()
            found[name] = Offered(kind="integer" if whole else "number", nullable=nullable)
        elif str(kind) == "Boolean":
            found[name] = Offered(kind="boolean", nullable=nullable)
        else:
            words = column.drop_nulls().unique().sort().head(_MOST_WORDS)
            texts = tuple(str(w) for w in words.to_list())
            found[name] = Offered(kind="text", words=texts, nullable=nullable)
    return found


def neutral(x: FeatureTable) -> Floats:
    """Return a neutral row: the median of numbers, the most frequent word of categories."""
    row = np.full(len(x.features), np.nan)
    for i, feature in enumerate(x.features):
        known = x.values[:, i][~np.isnan(x.values[:, i])]
        if len(known) and feature.kind == "number":
            row[i] = float(np.median(known))
        elif len(known):
            row[i] = float(np.bincount(known.astype(np.int64)).argmax())
    return row


def _refuse_odd(answers: Floats, contract: Contract) -> None:
    """Refuse answers that are no numbers, or no chances where chances are due."""
    if not np.isfinite(answers).all():
        rows = int((~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1)).sum())
        raise UserCodeError(
            f"the model gives no number for {rows} of {len(answers)} rows",
            why="a row without a score gets a lower rung's answer",
            fix="Fill missing values under `clean`, or export the model so that it takes them.",
        )
    if contract.task is Task.REGRESSION or not answers.size:
        return
    if answers.min() < 0 or answers.max() > 1:
        raise UserCodeError(
            f"the model answers from {answers.min():.3g} to {answers.max():.3g}, which are no "
            "chances",
            why="margins or votes mean nothing to a threshold that is set on chances",
            fix="Export it with its probabilities.",
        )


def refuse_unlike(given: GivenModel, contract: Contract, frame: pl.DataFrame, own: Floats) -> float:
    """Return how far a model, read back and fed as it will be, is from its own answers at most.

    `own`: (n,) what the pipeline says of the rows where it was made, of the positive class.

    Raises:
        UserCodeError: it does not fit the contract, or answers otherwise.
    """
    from tamid.stages.answering import encode, model_frame

    handed = Handed(given, contract)
    made = model_frame(frame, contract, None)
    features = handed.features(made)
    table = encode(made.select(f.name for f in features), features)
    answers = handed.fit(table, own, own, {}, 0).predict(table)
    if answers.ndim == 2:
        answers = answers.max(axis=1)
    gaps = np.abs(answers - own) / np.maximum(1.0, np.abs(own))
    worst = float(gaps.max(initial=0.0))
    if not worst <= _SAME:
        raise UserCodeError(
            f"the pipeline answers otherwise when it is stored, for {int((gaps > _SAME).sum())} of "
            f"{len(own)} rows, by up to {worst:.2g}",
            why="numbers are handed to it as floats, words as texts and what is missing as null",
            fix="Fit it on a Polars frame, or let its steps take these types.",
        )
    return worst
