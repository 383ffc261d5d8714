"""What is usual: the reference weeks' counts, and the measures of a later week against them.

The same for a week of scored rows, a week of served answers and a week of a backtest: all it takes
is counts in stored bins. Special weeks are left out of the reference; what they are compared with
is each other (:mod:`tamid.core.alarms`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.random import Generator

from tamid.core.stats.arrays import Floats, codes_of, floats, group_sums
from tamid.core.stats.drift import psi_rows
from tamid.core.stats.reference import (
    ENOUGH_WEEKS,
    column_z,
    leave_one_out,
    max_z,
    max_z_reference,
    psi_reference,
    weighted_rows,
)
from tamid.core.stats.seasons import counts_the_calendar, season_mates, season_table

# Signals that need no label: how scores are spread, and how inputs are, weighted by importance.
SCORE_PSI, INPUT_PSI = "score_psi", "input_psi"
# The same of what was asked and answered online, one by one: another population.
ONLINE_PREFIX = "online_"
ONLINE_SCORE_PSI, ONLINE_INPUT_PSI = ONLINE_PREFIX + SCORE_PSI, ONLINE_PREFIX + INPUT_PSI


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """Counts of reference weeks: `names[i]` is the week of block i (a day or a week) ...

    ... and `counts[column]` holds the counts of the blocks, (blocks, bins).
    """

    names: tuple[str, ...] = ()
    counts: Mapping[str, Floats]

    @property
    def distinct(self) -> tuple[str, ...]:
        """Return the weeks, oldest first."""
        return tuple(sorted(set(self.names)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How far a week has moved: importance-weighted, by column, and which stands out most."""

    value: float
    columns: Mapping[str, float]
    z: float
    column: str


def ordinary(weeks: Weeks, special: Collection[str]) -> Weeks:
    """Return the weeks without the special ones.

    >>> weeks = Weeks(names=("a", "b"), counts={"x": np.array([[1.0], [2.0]])})
    >>> ordinary(weeks, {"a"}).counts["x"].tolist()
    [[2.0]]
    """
    kept = [place for place, name in enumerate(weeks.names) if name not in special]
    return Weeks(
        names=tuple(weeks.names[place] for place in kept),
        counts={column: table[kept] for column, table in weeks.counts.items()},
    )


def calendar_columns(weeks: Weeks) -> frozenset[str]:
    """Return the columns that drift by construction, such as a month."""
    return frozenset(c for c, table in _summed(weeks).items() if counts_the_calendar(table))


def movement(
    weeks: Weeks, period: str, counts: Mapping[str, Floats], importance: Mapping[str, float]
) -> Movement:
    """Return how far a week's counts lie from the weeks that it is compared with.

    With enough years those are the weeks of its season in other years, else all.
    """
    summed = _summed(weeks)
    near = _near(weeks, period)
    base = {name: summed[name][near].sum(axis=0) for name in counts if name in summed}
    psi = {
        n: float(psi_rows(b[None, :], floats(counts[n], n)[None, :])[0]) for n, b in base.items()
    }
    value = weighted_rows({n: [v] for n, v in psi.items()}, importance)
    mates = _table(weeks)
    z, column = max_z(psi, {n: leave_one_out(summed[n], mates) for n in psi})
    return Movement(
        value=float(value[0]) if len(value) else math.nan, columns=psi, z=z, column=column
    )


def usual_scores(
    weeks: Weeks, signal: str, importance: Mapping[str, float], rng: Generator, against: int = 0
) -> dict[str, tuple[float, ...]]:
    """Return what a version's reference says of a signal, by name, as it is recorded.

    `signal` holds the scores that a later week is ranked among, `signal/weeks` how many real weeks
    they come from, `signal/seasons` whether seasons are told apart, `signal/rows` the rows of the
    smallest week; with more than one column, `signal/z` the max-z of each reference week. Empty if
    too little is known. `against`: from how many weeks the centre is known, if from fewer.
    """
    if not weeks.names or not weeks.counts:
        return {}
    mates = _table(weeks)
    found = psi_reference(weeks.counts, np.array(weeks.names), importance, rng, mates, against)
    if not found.scores:
        return {}
    recorded = {
        signal: found.scores,
        f"{signal}/weeks": (float(found.weeks),),
        f"{signal}/seasons": (0.0 if mates is None else 1.0,),
        f"{signal}/rows": (_fewest_rows(weeks),),
    }
    if len(weeks.counts) > 1:
        table = {name: leave_one_out(w, mates) for name, w in _summed(weeks).items()}
        z = max_z_reference(table)
        recorded[f"{signal}/z"] = tuple(z[np.isfinite(z)].tolist())
    return recorded


def outstanding(weeks: Weeks, columns: Mapping[str, float], most: int) -> dict[str, float]:
    """Return the z of the columns that stand out most, the largest first."""
    summed, mates = _summed(weeks), _table(weeks)
    usual = {n: leave_one_out(summed[n], mates) for n in columns if n in summed}
    z = column_z(columns, usual)
    return dict(sorted(z.items(), key=lambda item: (-item[1], item[0]))[:most])


def _summed(weeks: Weeks) -> dict[str, Floats]:
    codes, count = codes_of(np.array(weeks.names, dtype=np.str_))
    return {name: group_sums(table, codes, count) for name, table in weeks.counts.items()}


def recentred(weeks: Weeks, counts: Mapping[str, Floats]) -> Weeks:
    """Return the weeks moved to where newer counts lie, each as far from the centre as before.

    Formula: n'_wb = n_w q_b (s_wb / p_b) rescaled to n_w rows, with p the reference's shares, q the
    newer ones and s the week's; a bin that the reference did not use gets q_b n_w. A few new
    weeks tell where the new normal is, the reference how much one week differs from another.

    >>> weeks = Weeks(names=("a", "b"), counts={"x": np.array([[50.0, 50.0], [60.0, 40.0]])})
    >>> recentred(weeks, {"x": np.array([80.0, 20.0])}).counts["x"].round(0).tolist()
    [[77.0, 23.0], [83.0, 17.0]]
    """
    moved = {}
    for name, table in weeks.counts.items():
        new = floats(counts.get(name, table.sum(axis=0)), name)
        old = table.sum(axis=0)
        if new.sum() <= 0 or old.sum() <= 0:
            moved[name] = table
            continue
        share, rows = new / new.sum(), table.sum(axis=1, keepdims=True)
        usual = old / old.sum()
        pull = np.divide(share, usual, out=np.zeros_like(share), where=usual > 0)
        made = np.where(usual > 0, table * pull, share * rows)
        total = made.sum(axis=1, keepdims=True)
        moved[name] = made * np.divide(rows, total, out=np.zeros_like(total), where=total > 0)
    return Weeks(names=weeks.names, counts=moved)


def with_a_usual_week(weeks: Weeks, counts: Mapping[str, Floats], newer: int) -> dict[str, Floats]:
    """Return the counts of some newer weeks and of one that is as the reference weeks on average.

    Where weeks are of two kinds (days and nights) a few newer ones may all be of one. Moved to
    where these alone lie, the other kind would be gone from the reference, and be news each time.

    >>> weeks = Weeks(names=("day", "night"), counts={"x": np.array([[9.0, 1.0], [1.0, 9.0]])})
    >>> with_a_usual_week(weeks, {"x": np.array([0.0, 30.0])}, 3)["x"].tolist()
    [5.0, 35.0]
    """
    usual = {name: table.sum(axis=0) for name, table in weeks.counts.items()}
    return {
        name: new + usual[name] * new.sum() / newer / usual[name].sum()
        if name in usual and usual[name].sum() > 0
        else new
        for name, new in counts.items()
    }


def _fewest_rows(weeks: Weeks) -> float:
    return float(next(iter(_summed(weeks).values())).sum(axis=1).min())


def _table(weeks: Weeks) -> np.ndarray | None:
    names = weeks.distinct
    if len(names) < ENOUGH_WEEKS:
        return None
    return season_table(np.array([_day(n) for n in names], dtype=np.float64))


def _near(weeks: Weeks, period: str) -> np.ndarray:
    names = weeks.distinct
    everything = np.ones(len(names), dtype=bool)
    if _table(weeks) is None:
        return everything
    near = season_mates(np.array([_day(n) for n in names], dtype=np.float64), _day(period))
    return near if near.any() else everything


def _day(period: str) -> float:
    return float(date.fromisoformat(period).toordinal())
