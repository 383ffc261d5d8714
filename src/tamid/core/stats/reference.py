"""What the reference weeks themselves score: the values that a later week is ranked among.

A fixed threshold on a PSI fires in nearly every week of real data, because rows cluster in time.
Each reference week is therefore scored against the other reference weeks, and a later week must
stand out among those scores. Counts come as (blocks, bins), a block being a day or a week: where
the rows came from, a table or a service's log, is of no matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from tamid.core.stats.arrays import Bools, Floats, Ints, codes_of, floats, group_sums, ratio
from tamid.core.stats.drift import psi_rows

# From so many reference weeks on their own scores are ranked among; with fewer, pseudo-weeks.
ENOUGH_WEEKS = 20
# With fewer weeks nothing is known of how much one week differs from another.
FEWEST_WEEKS = 4
# So many pseudo-weeks stand for a reference that has too few real weeks.
PSEUDO_WEEKS = 26
# Added to a PSI before its logarithm, so that 0 is small and not impossible.
_LOG_FLOOR = 1e-4
# Draws of a centre, and how far up among them the one lies that the reference goes by.
_DRAWS, _UNLUCKY = 30, 0.9
# The upper end of what the weeks score against a draw.
_UPPER = 0.9
# Added to a spread, so that a column that never moves does not cry at a trifle.
_SPREAD_FLOOR = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The scores of the reference weeks, larger is worse, and how far they can be trusted.

    `approximate`: pseudo-weeks stand for too few real ones, so that the rate of false alarms is
    no longer bounded by theory. `scores` is empty if nothing can be judged; `note` says why.
    """

    scores: tuple[float, ...]
    weeks: int
    approximate: bool = False
    note: str = ""


def psi_reference(
    columns: Mapping[str, ArrayLike],
    weeks: ArrayLike,
    importance: Mapping[str, float],
    rng: Generator,
    mates: ArrayLike | None = None,
    against: int = 0,
) -> Reference:
    """Score each reference week against the others: importance-weighted PSI over columns.

    `columns`: counts of each column, (blocks, bins); `weeks`: each block's week, that sort by
    time; `mates`: of :func:`tamid.core.stats.seasons.season_table`, if seasons are told apart. One
    column with importance 1 gives the plain PSI, such as that of the scores. `against`: how many
    weeks a later week is compared with, if fewer than the reference has. A centre known from few
    weeks is off, and off for every later week alike; so many reference weeks are then drawn as the
    centre, time and again, and the rest scored against the draw that lies 90th furthest off in 100.
    Formula: s_w = sum_j importance_j PSI(sum of other weeks, week w) / sum_j importance_j.
    With fewer than 20 weeks, 26 pseudo-weeks: a week drawn at random, its days drawn with
    replacement (a week of one block: Poisson counts), against the weeks other than it. Drawing
    inside one week keeps what weeks differ by.
    Source: Vovk, Gammerman and Shafer (2005), leave-one-out; Efron and Tibshirani (1993), ch. 8.

    >>> rng = np.random.default_rng(0)
    >>> counts = rng.multinomial(500, [0.5, 0.3, 0.2], size=26)
    >>> found = psi_reference({"score": counts}, np.arange(26), {"score": 1.0}, rng)
    >>> len(found.scores), found.approximate, max(found.scores) < 0.05
    (26, False, True)
    """
    codes, count = codes_of(weeks)
    if count < FEWEST_WEEKS:
        note = f"{count} of {FEWEST_WEEKS} reference weeks: too few to know what is usual"
        return Reference(scores=(), weeks=count, approximate=True, note=note)
    blocks = {name: floats(values, name) for name, values in columns.items()}
    whole = {name: group_sums(b, codes, count) for name, b in blocks.items()}
    if mates is not None:
        others = np.asarray(mates, dtype=bool)
    else:
        others = _unlucky_centre(whole, importance, count, against, rng)
    if count >= ENOUGH_WEEKS:
        scores = weighted_rows({n: leave_one_out(w, others) for n, w in whole.items()}, importance)
        return Reference(scores=_known(scores), weeks=count)
    scores = _pseudo_scores(blocks, codes, others, importance, rng)
    note = f"{count} reference weeks, stretched to {PSEUDO_WEEKS} by resampling: approximate"
    return Reference(scores=_known(scores), weeks=count, approximate=True, note=note)


def leave_one_out(weeks: ArrayLike, mates: ArrayLike | None = None) -> Floats:
    """Score each week against the sum of the other weeks, or of its mates among them.

    `weeks`: counts (W, bins); `mates`: (W, W), whether a row's week is compared with a column's.
    A week without mates is NaN. The order of weeks and of bins is of no matter.

    >>> leave_one_out([[10, 10], [10, 10], [18, 2]]).round(2)
    array([0.16, 0.16, 0.76])
    """
    counts = floats(weeks, "weeks")
    if mates is None:
        return psi_rows(counts.sum(axis=0) - counts, counts)
    others = np.asarray(mates, dtype=bool) & ~np.eye(len(counts), dtype=bool)
    return psi_rows(others.astype(np.float64) @ counts, counts)


def weighted_rows(scores: Mapping[str, ArrayLike], importance: Mapping[str, float]) -> Floats:
    """Average columns' scores week by week, by importance; what is NaN does not count.

    >>> weighted_rows({"a": [0.4, np.nan], "b": [0.0, 0.2]}, {"a": 3.0, "b": 1.0}).round(2)
    array([0.3, 0.2])
    """
    names = sorted(scores)
    if not names:
        return np.empty(0)
    table = np.stack([floats(scores[n], n, finite=False) for n in names])
    weight = np.array([max(importance.get(n, 0.0), 0.0) for n in names])[:, None]
    known = np.isfinite(table)
    total = (weight * known).sum(axis=0)
    summed = (weight * np.where(known, table, 0.0)).sum(axis=0)
    return ratio(summed, total)


def max_z(psi: Mapping[str, float], reference: Mapping[str, ArrayLike]) -> tuple[float, str]:
    """Return by how much the column that stands out most stands out, and which it is.

    Formula: max_j (log(PSI_j + 1e-4) - mean_ref_j) / (sd_ref_j + 0.05), mean and sd of the same
    logarithm over the reference weeks. It names a column, it is no alarm. (NaN, "") if nothing
    can be measured.

    >>> usual = {"age": [0.01, 0.02, 0.01], "plan": [0.01, 0.01, 0.02]}
    >>> max_z({"age": 0.01, "plan": 0.5}, usual)[1]
    'plan'
    """
    found = column_z(psi, reference)
    if not found:
        return math.nan, ""
    name = max(sorted(found), key=lambda n: found[n])
    return found[name], name


def column_z(psi: Mapping[str, float], reference: Mapping[str, ArrayLike]) -> dict[str, float]:
    """Return each column's z as in :func:`max_z`; a column that cannot be measured is left out.

    >>> column_z({"age": 0.02, "new": 0.5}, {"age": [0.02, 0.02]})
    {'age': 0.0}
    """
    found = {}
    for name, value in psi.items():
        usual = floats(reference.get(name, ()), name, finite=False)
        usual = np.log(usual[np.isfinite(usual)] + _LOG_FLOOR)
        if math.isfinite(value) and len(usual) > 1:
            spread = float(usual.std(ddof=1)) + _SPREAD_FLOOR
            found[name] = (math.log(value + _LOG_FLOOR) - float(usual.mean())) / spread
    return found


def max_z_reference(reference: Mapping[str, ArrayLike]) -> Floats:
    """Return the max-z of each reference week against the other reference weeks, (W,).

    >>> max_z_reference({"age": [0.01, 0.02, 0.01, 0.9]}).argmax()
    np.int64(3)
    """
    table = {n: floats(v, n, finite=False) for n, v in reference.items()}
    length = min((len(v) for v in table.values()), default=0)
    found = np.full(length, np.nan)
    for week in range(length):
        others = {n: np.delete(v, week) for n, v in table.items()}
        found[week], _ = max_z({n: float(v[week]) for n, v in table.items()}, others)
    return found


def _pseudo_scores(
    blocks: Mapping[str, Floats],
    codes: Ints,
    others: Bools,
    importance: Mapping[str, float],
    rng: Generator,
) -> Floats:
    count = len(others)
    # Every week stands in for as many pseudo-weeks as any other, give or take one.
    drawn = np.resize(rng.permutation(np.flatnonzero(others.any(axis=1))), PSEUDO_WEEKS)
    days = [np.flatnonzero(codes == week) for week in drawn]
    picks = [rng.choice(d, size=len(d)) if len(d) > 1 else d for d in days]
    found = {}
    for name in sorted(blocks):
        table = blocks[name]
        weeks = group_sums(table, codes, count)
        made = np.stack([
            table[p].sum(axis=0) if len(p) > 1 else rng.poisson(table[p[0]]).astype(np.float64)
            for p in picks
        ])  # fmt: skip
        found[name] = psi_rows(others[drawn].astype(np.float64) @ weeks, made)
    return weighted_rows(found, importance)


def _unlucky_centre(
    weeks: Mapping[str, Floats],
    importance: Mapping[str, float],
    count: int,
    against: int,
    rng: Generator,
) -> Bools:
    """Return which weeks each week is compared with: all others, or one draw of so many."""
    everything = ~np.eye(count, dtype=bool)
    # At least half of the weeks must be left to be scored.
    if not 0 < against <= count // 2:
        return everything
    tables = []
    for _ in range(_DRAWS):
        centre = np.zeros(count, dtype=bool)
        centre[rng.choice(count, size=against, replace=False)] = True
        tables.append(np.where(centre[:, None], False, centre[None, :]))
    # By its upper end, for it is that which later weeks must pass: a centre of nights alone has
    # few days far off, one of days many nights less far.
    scored = (
        weighted_rows({n: leave_one_out(w, t) for n, w in weeks.items()}, importance)
        for t in tables
    )
    far = [float(np.nanquantile(scores, _UPPER)) for scores in scored]
    return tables[int(np.argsort(far)[int(_UNLUCKY * (_DRAWS - 1))])]


def _known(scores: Floats) -> tuple[float, ...]:
    return tuple(scores[np.isfinite(scores)].tolist())
