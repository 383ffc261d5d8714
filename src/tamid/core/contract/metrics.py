"""What the contract may say about each metric: its tasks, its direction and its range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING

from tamid.core.values import Task

if TYPE_CHECKING:
    from tamid.core.contract.model import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """One metric as far as a contract can be wrong about it."""

    name: str
    tasks: frozenset[Task]
    higher_is_better: bool
    low: float = 0.0
    high: float = 1.0


_B, _M, _R = Task.BINARY, Task.MULTICLASS, Task.REGRESSION
_TABLE = (
    ("f1", (_B,), True, 0.0, 1.0),
    ("precision", (_B,), True, 0.0, 1.0),
    ("recall", (_B,), True, 0.0, 1.0),
    ("macro_f1", (_M,), True, 0.0, 1.0),
    ("accuracy", (_B, _M), True, 0.0, 1.0),
    ("auc", (_B,), True, 0.0, 1.0),
    ("brier", (_B, _M), False, 0.0, 2.0),
    ("log_loss", (_B, _M), False, 0.0, inf),
    ("mae", (_R,), False, 0.0, inf),
    ("rmse", (_R,), False, 0.0, inf),
    ("r2", (_R,), True, -inf, 1.0),
)
METRIC_FACTS: Mapping[str, MetricFacts] = MappingProxyType(
    {
        name: MetricFacts(
            name=name, tasks=frozenset(tasks), higher_is_better=higher, low=low, high=high
        )
        for name, tasks, higher, low, high in _TABLE
    }
)

# What other tools call these metrics.
SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "roc_auc": "auc",
        "auroc": "auc",
        "f1_score": "f1",
        "f1_macro": "macro_f1",
        "logloss": "log_loss",
        "cross_entropy": "log_loss",
        "brier_score": "brier",
        "acc": "accuracy",
        "mean_absolute_error": "mae",
        "neg_mean_absolute_error": "mae",
        "root_mean_squared_error": "rmse",
        "r_squared": "r2",
    }
)

_DEFAULT = {Task.BINARY: "f1", Task.MULTICLASS: "macro_f1", Task.REGRESSION: "mae"}


def quality_metric(contract: Contract) -> str:
    """Return the metric by which the model's quality is judged: as written, else by task."""
    return contract.monitoring.quality.metric or _DEFAULT[contract.task]


def champion_metric(contract: Contract) -> str:
    """Return the metric on which candidate and champion are compared."""
    return contract.gates.champion.metric or quality_metric(contract)
