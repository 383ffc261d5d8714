"""What the user's rule answers, held against what a score can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import UserCodeError
from tamid.core.values import Task
from tamid.stages.answering import visible


def rule_answer(
    frame: pl.DataFrame, contract: Contract, rule: Callable[[pl.DataFrame], object]
) -> pl.DataFrame:
    """Return `score` per row as the user's rule gives it: a column, a list or a frame with `score`.

    Raises:
        UserCodeError: another number of scores, none at all, or chances outside 0..1.
    """
    made = rule(visible(frame, contract))
    if isinstance(made, pl.DataFrame):
        if "score" not in made.columns:
            raise UserCodeError("the rule returned a frame without a column `score`")
        made = made.get_column("score")
    try:
        scores = pl.Series("score", cast(Any, made), strict=False).cast(pl.Float64)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise UserCodeError(f"the rule returned no scores: {error}") from error
    if len(scores) != frame.height:
        raise UserCodeError(f"the rule returned {len(scores)} scores for {frame.height} rows")
    values = scores.fill_null(float("nan")).to_numpy()
    if not np.isfinite(values).all():
        raise UserCodeError("the rule gave rows without a score")
    if contract.task is Task.BINARY and values.size and (values.min() < 0 or values.max() > 1):
        raise UserCodeError("the rule's scores must lie between 0 and 1")
    return pl.DataFrame([scores])
