"""Choices made on tuning rows: calibration, threshold, and the window, with hysteresis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from tamid.core.contract.metrics import quality_metric
from tamid.core.contract.model import Contract
from tamid.core.learning.model import Bools, Floats, Ints
from tamid.core.stats.arrays import group_sums
from tamid.core.stats.bootstrap import bootstrap_difference
from tamid.core.stats.calibration import Calibration, apply_calibration, fit_isotonic, fit_platt
from tamid.core.stats.hysteresis import BY_CHANCE, kept_or_better, week_error
from tamid.core.stats.intervals import influence
from tamid.core.stats.metrics import Terms, metric_of, terms
from tamid.core.stats.threshold import Gains, best_for_f1, best_for_gain
from tamid.core.values import Task

# Fewer routine tuning rows than this leave the window as it is: the best of three would be luck.
FEWEST_ROWS = 500
# A window that does not know the coming season is taken if it would look so good by this chance.
_BEYOND_DOUBT = 0.01
# Draws for one standard error: 300 give it to within 4 %, and only "above one" matters.
_DRAWS = 300
_NO_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuned:
    """One window's out-of-time answers, calibrated, with the threshold that is best on them."""

    window: str
    score: Floats
    calibration: Calibration
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the choice of a window rests on: value, gain over the one in force and its error."""

    window: str
    value: float
    gain: float
    error: float


def tune(contract: Contract, window: str, y: Floats, raw: Floats, weight: Floats) -> Tuned:
    """Fit calibration and threshold on tuning rows; other tasks than binary have neither."""
    if contract.task is not Task.BINARY:
        return Tuned(window=window, score=raw, calibration=Calibration(), threshold=_NO_THRESHOLD)
    kind = contract.training.calibrate
    calibration = Calibration()
    if kind != "none":
        calibration = (fit_platt if kind == "platt" else fit_isotonic)(y, raw, weight)
    score = apply_calibration(calibration, raw)
    return Tuned(
        window=window,
        score=score,
        calibration=calibration,
        threshold=threshold_for(contract, y, score, weight),
    )


def threshold_for(contract: Contract, y: Floats, score: Floats, weight: Floats) -> float:
    """Return the contract's threshold: fixed, or best on these rows for F1 or for money."""
    spec = contract.training.threshold
    if spec.fixed is not None:
        return spec.fixed
    goal = contract.goal
    if spec.maximise == "value" and goal.value_per_saved and goal.offer_cost:
        gains = Gains(
            true_positive=goal.value_per_saved.amount - goal.offer_cost.amount,
            false_positive=-goal.offer_cost.amount,
        )
        return best_for_gain(y, score, gains, weight).threshold
    if spec.maximise is None:
        return _NO_THRESHOLD
    return best_for_f1(y, score, weight).threshold


def choose(
    contract: Contract,
    tuned: Mapping[str, Tuned],
    y: Floats,
    weight: Floats,
    blocks: tuple[Ints, ...],
    rng: Generator,
    *,
    held: str = "",
    least: int = 0,
    out_of_season: tuple[str, ...] = (),
    weeks: Ints | None = None,
) -> tuple[str, tuple[Candidate, ...]]:
    """Choose a window: the one in force, unless another is better by more than one standard error.

    `held`: the window in force; without it, or where it is no candidate, the first one. The error
    of the paired difference is the larger of those over each way of cutting `blocks` (weeks,
    entities). Fewer than `least` rows change nothing. A window `out_of_season` takes the place of
    the best other one only if that is shown at one chance in a hundred.
    `weeks`: which week each row is of, where none is in force and the first one is to be beaten
    beyond what the weeks differ by, too, of which a t of as many is asked.
    """
    metric = quality_metric(contract)
    sign = 1.0 if metric_of(metric, contract.task).higher_is_better else -1.0
    parts = {
        name: terms(metric, contract.task, y, t.score, threshold=t.threshold, weights=weight)
        for name, t in tuned.items()
    }
    names = list(parts)
    in_season = [n for n in names if n not in out_of_season] or names
    base = held if held in in_season and weeks is None else in_season[0]

    def over(one: str) -> tuple[Candidate, ...]:
        return tuple(
            Candidate(
                window=name,
                value=part.point(),
                gain=sign * (part.point() - parts[one].point()),
                error=0.0 if name == one else _error(part, parts[one], blocks, rng),
            )
            for name, part in parts.items()
        )

    found = over(base)
    if len(y) < least:
        return base, found
    if weeks is not None:
        return _shown_over_weeks(base, found, parts, weeks), found
    usual = np.array([n in in_season for n in names])
    best = _taken(base, found, usual)
    if not usual.all():
        best = _taken(best, over(best), ~usual, _BEYOND_DOUBT)
    return best, found


def _shown_over_weeks(
    base: str, found: tuple[Candidate, ...], parts: Mapping[str, Terms], weeks: Ints
) -> str:
    """Return the window that is better beyond its error and beyond the spread of the weeks."""
    count = int(weeks.max(initial=-1)) + 1
    lead = influence(parts[base])
    moved = [group_sums(influence(p) - lead, weeks, count) for p in parts.values()]
    return _taken(base, found, between=week_error(np.stack(moved)), weeks=count)


def _error(one: Terms, other: Terms, blocks: tuple[Ints, ...], rng: Generator) -> float:
    error = 0.0
    for codes in blocks:
        units = int(codes.max(initial=-1)) + 1
        if units > 1:
            drawn = bootstrap_difference(one, other, codes, units, rng, _DRAWS)
            error = max(error, float(np.nanstd(drawn)))
    return error


def _taken(
    held: str,
    found: tuple[Candidate, ...],
    allowed: Bools | None = None,
    chance: float = BY_CHANCE,
    *,
    between: Floats | None = None,
    weeks: int = 0,
) -> str:
    names = [c.window for c in found]
    gains, errors = [c.gain for c in found], [c.error for c in found]
    place = kept_or_better(
        names.index(held), gains, errors, allowed, chance, between=between, weeks=weeks
    )
    return names[place]
