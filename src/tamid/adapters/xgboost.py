"""XGBoost: what its own library says of a model that was handed over.

A bundle holds XGBoost's JSON and answers without XGBoost; here, once, when a model comes in, its
binary files are read and its own answers are compared with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tamid.adapters._optional import need
from tamid.core.errors import UsageError, UserCodeError
from tamid.core.learning.model import FeatureTable, Floats
from tamid.core.values import Task

# XGBoost adds up in 32 bits: what is a thousand trees' rounding is no other branch of a tree.
ROUNDING = 1e-4


def as_json(content: bytes) -> bytes:
    """Return a model file of XGBoost, JSON or UBJ, as its JSON.

    Raises:
        UsageError: XGBoost cannot read it.
    """
    return bytes(_booster(content).save_raw("json"))


def refuse_unlike(content: bytes, x: FeatureTable, answers: Floats, task: Task) -> float:
    """Return the largest difference from XGBoost's own answers on these rows.

    Raises:
        UserCodeError: it is more than rounding.
    """
    xgb: Any = need("xgboost", "xgboost")
    booster = _booster(content)
    kinds = booster.feature_types
    rows = xgb.DMatrix(
        x.values.astype(np.float32),
        feature_names=booster.feature_names,
        feature_types=kinds,
        enable_categorical=bool(kinds and "c" in kinds),
    )
    best = booster.attributes().get("best_iteration")
    until = 0 if best is None else int(best) + 1
    own = np.asarray(booster.predict(rows, iteration_range=(0, until)), dtype=np.float64)
    if own.shape != answers.shape:  # softmax gives the best class and not the chances
        answers = answers.argmax(axis=1).astype(np.float64) if task is Task.MULTICLASS else answers
    gaps = np.abs(own.reshape(answers.shape) - answers) / np.maximum(1.0, np.abs(answers))
    worst = float(gaps.max(initial=0.0))
    if not worst <= ROUNDING:
        raise UserCodeError(
            f"the model answers otherwise here than in XGBoost, by up to {worst:.2g}",
            why="its file says something that this version does not understand",
            fix="Write it as ONNX, or tell the makers of Tamid which objective it has.",
        )
    return worst


def _booster(content: bytes) -> Any:
    xgb: Any = need("xgboost", "xgboost")
    try:
        return xgb.Booster(model_file=bytearray(content))
    except (xgb.core.XGBoostError, ValueError, TypeError) as error:
        raise UsageError(
            f"XGBoost cannot read the model: {str(error).strip().splitlines()[0]}",
            why="half a file, or one of a newer version",
            fix='Write it again with `save_model("model.json")`.',
        ) from error
