"""The staleness curve: quality against the age of the model, the weeks' own weather taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tamid.core.policies.board import Board
from tamid.core.stats.arrays import Bools, Floats, Ints

# Rounds of backfitting; the effects of a hundred weeks have settled to four digits well before.
_ROUNDS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """The metric that a model of this age would have in an average week; weeks it rests on."""

    quality: float
    weeks: int


def staleness(tables: Board, window: int = 0) -> Mapping[int, Aged]:
    """Return quality by age in weeks since the fit, for the models of one window.

    Formula: value = week + age by least squares over all pairs of model and week, solved by
    backfitting; an age is told as its effect around the mean. So a bad week, which young models
    meet as often as old ones, is not taken for age. Source: Yates (1933), Journal of Agricultural
    Science 23 (unbalanced two-way tables); Buja, Hastie and Tibshirani (1989), Annals of
    Statistics 17 (backfitting).
    """
    tensor = tables.tensor
    value = tensor.measure.value(*(p[:, window] for p in tables.week_parts))
    ages = np.arange(len(tensor.weeks))[None] - tensor.origins[:, None]
    models, weeks = np.nonzero((ages >= tensor.lag) & np.isfinite(value))
    if len(models) == 0:
        return {}
    age, y = ages[models, weeks], value[models, weeks]
    effect = _effects(y, age, weeks)
    counts = np.bincount(age, minlength=len(effect))
    centre = float(y.mean() - effect[age].mean())
    return {
        int(a): Aged(quality=centre + float(effect[a]), weeks=int(counts[a]))
        for a in np.flatnonzero(counts)
    }


def _effects(y: Floats, age: Ints, week: Ints) -> Floats:
    by_age = np.zeros(int(age.max()) + 1)
    for _ in range(_ROUNDS):
        by_week = _means(y - by_age[age], week)
        by_age = _means(y - by_week[week], age)
    return by_age


def _means(values: Floats, codes: Ints) -> Floats:
    counts = np.bincount(codes)
    found: Bools = counts > 0
    sums = np.bincount(codes, weights=values)
    return np.divide(sums, counts, out=np.zeros(len(counts)), where=found)
