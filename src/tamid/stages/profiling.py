"""What is usual, as a bundle tells it: profiles of inputs and scores, and their weeks as counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.stats.drift import Profile, profile_numbers, profile_texts
from tamid.core.values import PERIOD, TIME, WEIGHT, Task
from tamid.ports import TrainingJob
from tamid.stages.answering import visible
from tamid.stages.training import Learnt
from tamid.stages.usual import MOST_COLUMNS, weekly

# Rows of the profile: ten bins are known to within half a percent.
_PROFILE_ROWS = 50_000
# Rows of all reference weeks: with half a year of weeks each column's bins hold thousands.
_WEEKLY_ROWS = 400_000
# Of them so many are scored by the shipped model: thousands a week, in a second or two.
_SCORED_ROWS = 100_000


def profile_of(
    learnt: Learnt, job: TrainingJob, contract: Contract, sample: pl.DataFrame
) -> Mapping[str, object]:
    """Profile input columns and score on rows that were looked at and not fitted."""
    step = max(1, -(-sample.height // _PROFILE_ROWS))
    some = sample.gather_every(step)
    weights = _weights(some)
    shown = visible(some, contract)
    made: list[Profile] = []
    for name in shown.columns:
        column = shown.get_column(name)
        if kind_of(column.dtype) == "text":
            made.append(profile_texts(name, column.cast(pl.String).to_list(), weights=weights))
        elif kind_of(column.dtype) in ("number", "integer", "boolean"):
            numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
            made.append(profile_numbers(name, numbers, weights=weights))
    scores = _score_profiles(learnt)
    weeks = {
        "inputs": _input_weeks(job.frame, made, learnt, contract),
        "score": _score_weeks(job.frame, scores, learnt),
    }
    found = {"inputs": made, "score": scores[0], "weeks": weeks}
    return found | ({"scores": scores} if len(scores) > 1 else {})


def kind_of(dtype: pl.DataType) -> str:
    """Return the kind under which a column's type is stored, "" for types that have none."""
    if dtype.is_float() or dtype.is_decimal():
        return "number"
    if dtype.is_integer():
        return "integer"
    if isinstance(dtype, pl.Datetime):
        return "datetime" if dtype.time_zone else "naive"
    known = {pl.Boolean: "boolean", pl.Date: "date", pl.Null: "number"}
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    return next((name for kind, name in known.items() if dtype == kind), "")


def shares_of(learnt: Learnt) -> list[tuple[str, float]]:
    """Return the features that matter with their share of importance, the largest first."""
    found = learnt.report["importance"]
    assert isinstance(found, Mapping)
    return [(str(n), float(s)) for n, s in found.items() if s > 0]


def _score_profiles(learnt: Learnt) -> list[Profile]:
    """Profile the judged rows' scores; of several classes, each class's chance."""
    judged = learnt.judged.gather_every(max(1, -(-learnt.judged.height // _PROFILE_ROWS)))
    weights = judged.get_column(WEIGHT).to_numpy()
    chances = [f"class_{name}" for name in learnt.predictor.schema.classes]
    names = chances if learnt.predictor.schema.task is Task.MULTICLASS else ["score"]
    return [profile_numbers(n, judged.get_column(n).to_numpy(), weights=weights) for n in names]


def _score_weeks(
    frame: pl.DataFrame, profiles: Sequence[Profile], learnt: Learnt
) -> Mapping[str, object]:
    """Count the shipped model's scores of every week that was offered.

    It has learnt from most of them: they tell how weeks differ, not where new weeks will lie.
    """
    some = frame.gather_every(max(1, -(-frame.height // _SCORED_ROWS)))
    scores = learnt.predictor.scores(learnt.predictor.table(some))
    columns = scores.reshape(len(scores), -1)
    scored = some.select(PERIOD, TIME).with_columns(
        pl.Series(p.column, columns[:, k]) for k, p in enumerate(profiles)
    )
    return weekly(scored, profiles, _weights(some))


def _input_weeks(
    frame: pl.DataFrame, profiles: Sequence[Profile], learnt: Learnt, contract: Contract
) -> Mapping[str, object]:
    """Count the inputs of every week that was offered, in the columns that the model rests on."""
    known = dict(shares_of(learnt))
    ranked = sorted(profiles, key=lambda p: -known.get(p.column, 0.0))
    some = frame.gather_every(max(1, -(-frame.height // _WEEKLY_ROWS)))
    shown = visible(some, contract).with_columns(some.get_column(n) for n in (PERIOD, TIME))
    return weekly(shown, ranked[:MOST_COLUMNS], _weights(some))


def _weights(frame: pl.DataFrame) -> np.ndarray | None:
    return frame.get_column(WEIGHT).to_numpy() if WEIGHT in frame.columns else None
