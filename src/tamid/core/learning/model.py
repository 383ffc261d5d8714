"""What learners learn from and what they leave behind: feature tables, models, stored models.

A feature table is one matrix of numbers: a category is the index of its word in the stored
vocabulary, and a word that the vocabulary lacks is missing (NaN), in training as in scoring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from tamid.core.values import Task

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Param = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column that the model sees; `categories` is the sorted vocabulary of a category."""

    name: str
    kind: Literal["number", "category"] = "number"
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureTable:
    """Rows as the model sees them: `values` (n, f) float64, NaN where a value is missing."""

    features: tuple[Feature, ...]
    values: Floats

    def take(self, rows: Bools | Ints) -> FeatureTable:
        """Return the rows of a mask or an index."""
        return FeatureTable(features=self.features, values=self.values[rows])

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a model takes and gives: task, class names, raw input columns, features, format."""

    task: Task
    classes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    format: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model in a safe format: no byte of it depends on the moment, the path or the threads."""

    format: str
    files: Mapping[str, bytes]


class Model(Protocol):
    """A fitted model."""

    def predict(self, x: FeatureTable) -> Floats:
        """Return (n,) chances of the positive class or numbers, or (n, k) chances of classes."""
        ...

    def contributions(self, x: FeatureTable) -> Floats:
        """Return (n, f): how much each feature moved each row's answer (the best class's)."""
        ...

    def importance(self) -> Floats:
        """Return (f,): each feature's share in the model, summing to one (zeros if unknown)."""
        ...

    def dump(self) -> StoredModel:
        """Return the model in a safe format. Raises UserCodeError naming what cannot be stored."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Where the search for one parameter looks."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


class Learner(Protocol):
    """A recipe that turns rows into a model.

    Laws: the same rows, parameters and seed give a model with the same stored bytes; a row of
    weight w counts like w rows.
    """

    def fit(
        self, x: FeatureTable, y: Floats, weight: Floats, params: Mapping[str, Param], seed: int
    ) -> Model:
        """Fit. Raises UserCodeError when the user's own pipeline fails."""
        ...

    def space(self) -> Mapping[str, Range]:
        """Return the parameters worth searching; empty if there are none."""
        ...

    def check(self) -> Sequence[str]:
        """Return, before any fit, the names of steps that could not be stored safely."""
        ...

    def unweighed(self) -> str:
        """Return, before any fit, why some rows cannot count for more than others; "" if so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One tried set of parameters and its loss on the tuning rows (less is better)."""

    number: int
    params: Mapping[str, Param]
    loss: float


class Searcher(Protocol):
    """Searches for parameters; what was tried survives a death of the process."""

    def search(
        self,
        study: str,
        space: Mapping[str, Range],
        loss: Callable[[Mapping[str, Param]], float],
        trials: int,
        seed: int,
        timeout: float | None,
    ) -> Sequence[Trial]:
        """Return all trials of the study, old ones included, in order.

        Laws: a study that was cut off goes on where it stood and ends like one that was not.
        """
        ...
