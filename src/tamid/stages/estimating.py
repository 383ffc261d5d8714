"""What the quality of a period will probably be: estimated when it is scored, before its labels.

Nothing is triggered here, and nothing may be on grade C: `core/stats/trust.py` says what an
estimate is worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.estimates import SIGNAL, outlook
from tamid.core.events import Measured
from tamid.core.ladder import CHAMPION
from tamid.core.learning.model import Bools, Floats
from tamid.core.quality import f1_at_rate
from tamid.core.state import State
from tamid.core.stats.estimate import (
    Estimate,
    expected_counts,
    expected_error,
    expected_metric,
    too_small,
)
from tamid.core.values import STATIC_PERIOD, WEIGHT, Task
from tamid.stages import dataset
from tamid.stages.calibrating import Known, chances, class_columns, expected_errors, known_rows
from tamid.stages.likeness import Likeness, Sample, likeness, sample
from tamid.stages.registry import threshold_of
from tamid.stages.rig import Rig

# Periods that are merged at most where one alone is too small to estimate.
MERGED = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answered:
    """The answers of a period, merged with as many before it as it takes to be more than noise."""

    rows: pl.DataFrame
    periods: tuple[str, ...]
    chance: Floats | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """A raw estimate and what else the chances say."""

    raw: Estimate
    detail: Mapping[str, float]


def estimate(rig: Rig, contract: Contract, state: State, now: datetime) -> Iterator[Measured]:
    """Yield an estimate of the contract's metric for each scored period that has none yet.

    One a period and revision, by what is known then; a period that was measured needs none.
    """
    for period in _due(state):
        known = known_rows(rig, contract, state, period, now)
        here = _answered(rig, contract, state, period, known) if known else None
        if known is None or here is None:
            continue
        number = state.scored[period].number
        version = rig.contract(state.versions[number].registered.contract)
        found = sample(rig, version, state, known.periods, here.periods)
        guess = _guess(rig, contract, state, number, known, here, found)
        if guess is not None and math.isfinite(guess.raw.value):
            near = likeness(rig.learner, found, contract.training.seed) if found else Likeness()
            yield _measured(rig, contract, state, period, known, here, guess, near)


def _due(state: State) -> list[str]:
    """Return the periods that the champion answered and of which nothing is known or said."""
    found = []
    for period, scored in sorted(state.scored.items()):
        names = (f"{signal}@{scored.number}/{period}" for signal in (SIGNAL, "quality"))
        said = max(state.measured_seq.get(name, 0) for name in names)
        new = said < state.scored_seq[period]
        if new and period != STATIC_PERIOD and scored.rungs.get(CHAMPION, 0):
            found.append(period)
    return found


def _answered(
    rig: Rig, contract: Contract, state: State, period: str, known: Known
) -> _Answered | None:
    """Return the rows to estimate over, None if even the merged periods are too small."""
    number = state.scored[period].number
    mine = [
        p
        for p, s in sorted(state.scored.items())
        if p <= period and s.number == number and s.rungs.get(CHAMPION, 0)
    ]
    pin = state.pins[rig.table("predictions")]
    for merged in range(1, min(len(mine), MERGED) + 1):
        periods = tuple(mine[-merged:])
        rows = dataset.acted_on(rig.tables, state, pin, periods)
        rows = _unacted(contract, rows.filter(pl.col("rung") == CHAMPION))
        if contract.task is Task.REGRESSION:
            chance, counted = None, rows.get_column("score").cast(pl.Float64).to_numpy()
        else:
            chance = counted = chances(contract.task, known, rows)
        if not too_small(contract.task, counted, rows.get_column(WEIGHT).to_numpy()):
            return _Answered(rows=rows, periods=periods, chance=chance)
    return None


def _unacted(contract: Contract, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows on which quality will be measured, with their weights.

    Others are of another kind after a while: who was saved last week stands among them.
    """
    rows = rows.with_columns(pl.lit(1.0).alias(WEIGHT))
    if not contract.delivery.control_group:
        return rows
    weight = (1.0 / pl.col("propensity")).clip(upper_bound=dataset.LARGEST_WEIGHT)
    return rows.filter(~pl.col("treated")).with_columns(weight.alias(WEIGHT))


def _guess(
    rig: Rig,
    contract: Contract,
    state: State,
    number: int,
    known: Known,
    here: _Answered,
    found: Sample | None,
) -> _Guess | None:
    metric, task = quality_metric(contract), contract.task
    if here.chance is None:
        if rig.learner is None or found is None:
            return None
        seed, squared = contract.training.seed, metric != "mae"
        errors = expected_errors(
            rig.learner(task), known, here.rows, found, squared=squared, seed=seed
        )
        if errors is None:
            return None
        raw = expected_error(metric, *errors)
        # The labels' chance is that of all rows, of which these are a sample.
        scale = math.sqrt(len(errors[0]) / here.rows.height)
        noise = raw.sampling_error * scale
        return _Guess(raw=Estimate(value=raw.value, sampling_error=noise), detail={})
    names = ["score"] if task is Task.BINARY else class_columns(here.rows)
    score = here.rows.select(names).cast(pl.Float64).to_numpy()
    threshold = threshold_of(rig, state, number)
    if task is Task.BINARY:
        score = score[:, 0]
    weights = here.rows.get_column(WEIGHT).to_numpy()
    raw = expected_metric(metric, task, here.chance, score, threshold=threshold, weights=weights)
    detail: Mapping[str, float] = {}
    if metric == "f1":
        usual = state.versions[number].registered.reference.get("positive_rate", ())
        detail = _at_usual_rate(here.chance, score >= threshold, weights, usual)
    return _Guess(raw=raw, detail=detail)


def _at_usual_rate(
    chance: Floats, called: Bools, weights: Floats, usual: Sequence[float]
) -> Mapping[str, float]:
    """Return the share of positives to expect, and the F1 to expect at the reference's share."""
    k = expected_counts(chance, called, weights)
    positive, negative = k.true_positive + k.false_negative, k.false_positive + k.true_negative
    detail = {"expected_prevalence": positive / (positive + negative)}
    if usual and positive > 0 and negative > 0:
        rate = sum(usual) / len(usual)
        same = f1_at_rate(k.true_positive / positive, k.false_positive / negative, rate)
        detail["at_reference_prevalence"] = same
    return detail


def _measured(
    rig: Rig,
    contract: Contract,
    state: State,
    period: str,
    known: Known,
    here: _Answered,
    guess: _Guess,
    near: Likeness,
) -> Measured:
    scored = state.scored[period]
    series = {
        p
        for name, seen in state.measured.items()
        if name.startswith(f"{SIGNAL}@")
        for p in seen
        if p < period
    }
    measured = max(state.measured.get(f"quality@{scored.number}", {}), default="")
    pending = sum(p > measured for p in series)
    found = outlook(
        quality_metric(contract), state, scored.number, guess.raw.value, pending=pending
    )
    more = dict(guess.detail)
    if "at_reference_prevalence" in more:  # as far off as the estimate itself was
        same = more["at_reference_prevalence"] + found.value - guess.raw.value
        more["at_reference_prevalence"] = min(max(same, 0.0), 1.0)
    detail = {
        **found.detail,
        **more,
        "periods": float(len(here.periods)),
        "calibrated_on": float(len(known.periods)),
        "sampling_error": guess.raw.sampling_error,
        "domain_auc": near.domain_auc,
        "outside": near.outside,
        "bug": float(_bug_open(state, {*known.periods, *here.periods})),
    }
    label = state.pins.get(rig.table("labels"))
    return Measured(
        key=f"{SIGNAL}/{scored.number}/{period}/{scored.revision}",
        signal=SIGNAL,
        period=period,
        value=found.value,
        interval=found.interval,
        model_version=scored.number,
        rows=here.rows.height,
        matured=0.0,
        pins=(state.pins[rig.table("predictions")], *((label,) if label else ())),
        detail={name: value for name, value in detail.items() if math.isfinite(value)},
    )


def _bug_open(state: State, periods: set[str]) -> bool:
    """Say whether a bug is suspected: rows of these periods refused, or retraining blocked."""
    if any(periods & set(refusal.event.periods) for refusal in state.refused.values()):
        return True
    causes = (a.diagnosis for a in state.open_alarms.values())
    return any(cause is not None and cause.retraining == "blocked" for cause in causes)
