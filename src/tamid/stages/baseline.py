"""What simple models reach on a history: what a contract may demand before anything is released.

The run is judged exactly as a first run of the loop would be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.errors import DataError
from tamid.core.state import State
from tamid.core.stats.intervals import metric_interval
from tamid.core.stats.metrics import terms
from tamid.core.values import LABEL, PERIOD, STATIC_PERIOD, WEIGHT, Interval, Task
from tamid.core.windows import FEWEST_POSITIVES, holdout, windows
from tamid.ports import TrainingJob
from tamid.stages import dataset
from tamid.stages.evidence import mass_by_period
from tamid.stages.filing import numbered
from tamid.stages.rig import Rig
from tamid.stages.supply import supply

_RUN = "baseline"
# A share is proposed in thousandths, an error in three digits; finer is not known.
_FINEST = 1000
_TINY = 1e-9
# How often the judged rows of a table without time are drawn.
_DRAWS = 5
# More rows make the interval narrower than a first demand needs to be.
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What the contract's model and the simple one beside it reach on rows that neither learnt.

    `rows`: judged rows of one draw; `mass`: positives among them, for other tasks all. Points are
    means over `draws`.
    """

    metric: str
    model: Interval
    simple: Interval
    rows: int
    mass: int
    draws: int = 1

    def model_is_better(self) -> bool:
        """Say whether the model looks better than the simple one."""
        sign = 1 if METRIC_FACTS[self.metric].higher_is_better else -1
        return sign * self.model.point > sign * self.simple.point

    def level(self) -> float | None:
        """Return what the simple model is sure to reach on other rows, rounded to the safe side.

        The first run judges a sample of its own, as large, and as uncertain: the bound is that of
        the difference of two, sqrt(2) times as far from the point. None: too few positives to
        demand anything.
        """
        if self.mass < FEWEST_POSITIVES:
            return None
        point = self.simple.point
        if METRIC_FACTS[self.metric].higher_is_better:
            low = max(0.0, point - math.sqrt(2) * (point - self.simple.low))
            return math.floor(low * _FINEST) / _FINEST
        high = point + math.sqrt(2) * (self.simple.high - point)
        size = 10.0 ** (2 - math.floor(math.log10(max(high, _TINY))))
        return math.ceil(high * size) / size


def measured(rig: Rig, contract: Contract, job: TrainingJob, simple: str) -> Measured:
    """Train the contract's model and the baseline `simple`, and measure both.

    Without a time column the judged rows are drawn by lot, and a lucky draw would demand too much:
    the points are means over five draws, while the intervals keep the width of one.

    Raises:
        DataError: too few rows or labels; as a run would.
    """
    draws = _DRAWS if (job.frame.get_column(PERIOD) == STATIC_PERIOD).all() else 1
    salts = [job.judge_salt, *(f"{job.judge_salt}/{n}" for n in range(1, draws))]
    found = [_drawn(rig, contract, replace(job, judge_salt=salt), simple) for salt in salts]
    return replace(
        found[0],
        draws=draws,
        model=_mean([one.model for one in found]),
        simple=_mean([one.simple for one in found]),
    )


def _mean(found: Sequence[Interval]) -> Interval:
    point, low, high = (
        sum(getattr(one, name) for one in found) / len(found) for name in ("point", "low", "high")
    )
    return replace(found[0], point=point, low=low, high=high)


def _drawn(rig: Rig, contract: Contract, job: TrainingJob, simple: str) -> Measured:
    result = rig.trainer.train(job, contract.training.timeout, rig.progress)
    judged, report = result.judged, result.report
    told: Any = report["baselines"]
    threshold = float(told[simple]["threshold"])
    rows = judged.filter(pl.col(LABEL) == 1) if contract.task is Task.BINARY else judged
    return Measured(
        metric=quality_metric(contract),
        model=_interval(contract, judged, "score", float(str(report["threshold"]))),
        simple=_interval(contract, judged, f"baseline_{simple}", threshold),
        rows=judged.height,
        mass=rows.height,
    )


def first_job(rig: Rig, contract: Contract, text: str, state: State, now: datetime) -> TrainingJob:
    """Return the job that a first run of the loop would be; `text`: the contract as it is written.

    Raises:
        DataError: no period has all its labels yet.
    """
    if dataset.trickling(contract):
        periods = dataset.told_periods(rig.tables, contract, state.pins, now)
    else:
        periods = supply(rig, contract, state, now).whole()
    frame = dataset.training_rows(rig.tables, contract, state, state.pins, periods, now)
    frame = frame.gather_every(-(-frame.height // _MOST_ROWS) or 1)
    there = tuple(sorted(frame.get_column(PERIOD).unique()))
    if not there:
        raise DataError(
            "no period has all its labels yet",
            why="a model is judged on what is known",
            fix="Wait for labels, or correct horizon and reporting lag.",
        )
    mass: Mapping[str, int] = mass_by_period(contract, frame)
    return TrainingJob(
        run=_RUN,
        contract=text,
        code={},
        frame=frame,
        windows=windows(there, "all"),
        holdout=holdout(there, mass=mass),
        seed=contract.training.seed,
        judge_salt=rig.model,
        resume=_RUN,
    )


def _interval(contract: Contract, judged: pl.DataFrame, scores: str, threshold: float) -> Interval:
    found = terms(
        quality_metric(contract),
        contract.task,
        judged.get_column(LABEL).cast(pl.Float64).to_numpy(),
        judged.get_column(scores).cast(pl.Float64).to_numpy(),
        threshold=threshold,
        weights=judged.get_column(WEIGHT).to_numpy(),
    )
    return metric_interval(found, clusters=numbered(judged))
