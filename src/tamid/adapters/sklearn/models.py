"""Fitted scikit-learn pipelines as models, and how they are stored and come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tamid.adapters._optional import need
from tamid.core.errors import IntegrityError, UserCodeError
from tamid.core.learning.model import FeatureTable, Floats, StoredModel
from tamid.core.values import Task, canonical_json

if TYPE_CHECKING:
    from tamid.core.learning.model import Model

FORMAT = "skops"
_FILE, _ABOUT = "model.skops", "about.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """How pipelines become bytes and come back: given by the wiring."""

    dump: Callable[[object], bytes]
    load: Callable[[bytes], Any]
    untrusted: Callable[[object], Sequence[str]]


class SklearnModel:
    """A fitted pipeline; `reference` (one table row) marks a user's pipeline, fed by name.

    `labels`: which of the contract's classes each of the pipeline's own is, where it was fitted on
    others than 0, 1, 2. `bare`: it was fitted without names, and is fed a matrix.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        task: Task,
        classes: int,
        store: Store,
        linear: bool = False,
        reference: Floats | None = None,
        labels: tuple[int, ...] | None = None,
        bare: bool = False,
    ) -> None:
        self._pipeline, self._task, self._classes, self._store = pipeline, task, classes, store
        self._linear, self._reference = linear, reference
        self._labels, self._bare = labels, bare

    @property
    def pipeline(self) -> Any:
        """Return the fitted pipeline."""
        return self._pipeline

    @property
    def linear(self) -> bool:
        """Say whether it is a built-in linear model, fed codes instead of words."""
        return self._linear

    @property
    def labels(self) -> tuple[int, ...] | None:
        """Return which of the contract's classes each of the pipeline's own is, if it was told."""
        return self._labels

    @property
    def reference(self) -> Floats | None:
        """Return the neutral row that a user's pipeline is explained against."""
        return self._reference

    def predict(self, x: FeatureTable) -> Floats:
        """Return chances of the positive class, numbers, or (n, k) chances of classes."""
        rows = x.values if self._linear or self._bare else frame_of(x)
        try:
            if self._task is Task.REGRESSION:
                return np.asarray(self._pipeline.predict(rows), dtype=np.float64).reshape(len(x))
            found = np.asarray(self._pipeline.predict_proba(rows), dtype=np.float64)
        except Exception as error:
            raise UserCodeError(
                f"the pipeline failed to predict: {type(error).__name__}: {error}"
            ) from error
        own = self._pipeline.classes_ if self._labels is None else self._labels
        known = np.asarray(own).astype(np.int64)
        width = max(self._classes, 2)
        chances = np.zeros((len(x), width), dtype=np.float64)
        chances[:, known] = found
        return chances if self._task is Task.MULTICLASS else np.ascontiguousarray(chances[:, 1])

    def contributions(self, x: FeatureTable) -> Floats:
        """Linear: coefficient times prepared value. Else: the change when a feature is neutral."""
        if self._linear:
            return self._linear_parts(x)
        base = self._answer(x)
        moved = np.empty((len(x), len(x.features)), dtype=np.float64)
        reference = np.zeros(len(x.features)) if self._reference is None else self._reference
        for i in range(len(x.features)):
            values = x.values.copy()
            values[:, i] = reference[i]
            moved[:, i] = base - self._answer(FeatureTable(features=x.features, values=values))
        return moved

    def importance(self) -> Floats:
        """Return each feature's share of the absolute coefficients; zeros for users' pipelines."""
        if not self._linear:
            return np.zeros(0 if self._reference is None else len(self._reference))
        return self._importance()

    def dump(self) -> StoredModel:
        """Return the pipeline in skops' format, in canonical bytes."""
        reference = None if self._reference is None else self._reference.tolist()
        told: dict[str, object] = {
            "linear": self._linear, "classes": self._classes, "reference": reference
        }  # fmt: skip
        if self._labels is not None or self._bare:
            told |= {"labels": self._labels, "bare": self._bare}
        about = canonical_json(told)
        content = self._store.dump(self._pipeline)
        return StoredModel(format=FORMAT, files={_FILE: content, _ABOUT: about.encode()})

    def _answer(self, x: FeatureTable) -> Floats:
        found = self.predict(x)
        return found.max(axis=1) if found.ndim == 2 else found

    def _linear_parts(self, x: FeatureTable) -> Floats:
        prepared = np.asarray(self._pipeline[:-1].transform(x.values), dtype=np.float64)
        slopes = np.atleast_2d(self._pipeline[-1].coef_)
        best = np.zeros(len(x), dtype=np.int64)
        if len(slopes) > 1:
            best = self.predict(x).argmax(axis=1)
        return np.asarray((prepared * slopes[best]) @ self._owners(len(x.features)))

    def _importance(self) -> Floats:
        slopes = np.abs(np.atleast_2d(self._pipeline[-1].coef_)).sum(axis=0)
        width = sum(len(t[2]) for t in self._pipeline[0].transformers_ if t[0] in "nc")
        share = slopes @ self._owners(width)
        return np.asarray(share / share.sum() if share.sum() > 0 else share)

    def _owners(self, width: int) -> Floats:
        """Return (prepared columns, features): 1 where a prepared column comes from a feature."""
        steps = {name: (step, where) for name, step, where in self._pipeline[0].transformers_}
        owner = list(steps["n"][1]) if "n" in steps else []
        if "c" in steps and len(steps["c"][1]):
            for i, words in zip(steps["c"][1], steps["c"][0].categories_, strict=True):
                owner += [i] * len(words)
        table = np.zeros((len(owner), width), dtype=np.float64)
        table[np.arange(len(owner)), owner] = 1.0
        return table


def load(stored: StoredModel, task: Task, store: Store) -> SklearnModel:
    """Load what :meth:`SklearnModel.dump` wrote. Raises IntegrityError if it cannot be."""
    try:
        about = json.loads(stored.files[_ABOUT])
        reference = about["reference"]
        return SklearnModel(
            store.load(stored.files[_FILE]),
            task=task,
            classes=int(about["classes"]),
            store=store,
            linear=bool(about["linear"]),
            reference=None if reference is None else _array(reference),
            labels=None if about.get("labels") is None else tuple(map(int, about["labels"])),
            bare=bool(about.get("bare", False)),
        )
    except (KeyError, ValueError) as error:
        raise IntegrityError(f"the bundle's model is incomplete: {error}") from error


def frame_of(x: FeatureTable) -> Any:
    """Return the table as a Polars frame: numbers by name, categories as words, missing as null."""
    pl: Any = need("polars", "loop")
    columns = {}
    for i, feature in enumerate(x.features):
        values = x.values[:, i]
        if feature.kind == "number":
            columns[feature.name] = pl.Series(feature.name, values)
            continue
        words = np.array([*feature.categories, None], dtype=object)
        codes = np.where(np.isnan(values), len(feature.categories), values).astype(np.int64)
        columns[feature.name] = pl.Series(feature.name, words[codes], dtype=pl.String)
    return pl.DataFrame(columns)


def _array(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


if TYPE_CHECKING:

    def _check(store: Store) -> Model:
        return SklearnModel(None, task=Task.BINARY, classes=2, store=store)
