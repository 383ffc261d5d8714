"""One budget of false alarms over many statistics of many columns, learnt from reference weeks.

A statistic of a column is odd by how far it lies above every reference week, in units of its own
spread, and for how long it has been so. The reference weeks, each held against the others, say how
odd the oddest of all becomes by chance: a new week must be odder than nearly all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tamid.core.stats.arrays import Floats

# With fewer reference weeks the largest of them says little about the next one.
MIN_WEEKS = 8
# The level that the oddest of a week must reach whatever the reference says, in spreads above the
# reference's maximum, and the one that is always enough: one odd reference week hides no bug.
LEAST, MOST = 2.5, 6.0
# Share of reference weeks whose oddest statistic must stay below.
_SHARE = 0.9
# What cannot be odd at all.
NEVER = -99.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What counts for a statistic: values above `least`, and a spread of at least `spread`.

    `lasts`: whether the weeks before count as well, see :func:`oddities`. Not for what is
    measured by all other weeks (those of a run excuse each other) or by the one before (a single
    odd week shows twice).
    """

    least: float
    spread: float
    lasts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddest:
    """The oddest statistic of a week, its column, how odd it is, and the level it must reach."""

    statistic: str
    column: int
    value: float
    usual: float
    oddity: float
    level: float

    @property
    def alarm(self) -> bool:
        """Whether the week is odder than the budget allows."""
        return self.oddity >= self.level


def oddities(reference: Floats, now: Floats, scale: Scale) -> Floats:
    """Return how odd each column is by now: (weeks, d) and (d,), or the last k (k, d), give (d,).

    Of one week: (now - max) / max(q90 - q50, spread) over the reference weeks; no oddity at or
    below `least`, the value from which the statistic matters in practice.

    Of the last k weeks, this one last, the others being the end of the reference as well: a bug
    that one week shows too faintly lasts, and its first week must not excuse the second. Formula:
    max over m = 1 ... k of m min(o_1, ..., o_m), o_i the oddities of the last m weeks one by one,
    all held against the weeks before these m. Where tails fall exponentially an oddity is the
    logarithm of a chance, and those of m weeks add up; the least of them stands for all, so that
    neither one odd week nor a slow climb counts as a run.
    Source: our own; docs/adr/0060-faint-and-lasting.md.

    >>> oddities(np.array([[0.0], [0.1]]), np.array([0.6]), Scale(least=0.05, spread=0.1))
    array([5.])
    >>> weeks = np.vstack([np.zeros((10, 1)), [[0.2]]])
    >>> scale = Scale(least=0.05, spread=0.1, lasts=True)
    >>> oddities(weeks, np.array([[0.2]]), scale)
    array([0.])
    >>> oddities(weeks, np.array([[0.2], [0.2]]), scale)
    array([4.])
    """
    width, run = reference.shape[1], np.atleast_2d(now)
    limits = np.full(width, scale.least), np.full(width, scale.spread)
    own = run if scale.lasts else run[-1:]
    return _lasting(np.vstack([reference, run[-1]]), len(reference), own, *limits)


def family_level(
    reference: Mapping[str, Floats], scales: Mapping[str, Scale], longest: int = 1
) -> float:
    """Return the oddity that a week must reach, over all statistics and columns at once.

    Formula: the 90 % quantile, over reference weeks, of the largest oddity of a week held against
    the other weeks, kept between 2.5 and 6; `longest` as in :func:`oddities`. For
    exchangeable weeks the oddest of the next week exceeds the oddest of n others with chance
    1 / (n + 1) already at level 0 and one statistic; the quantile pays for the number of
    statistics and columns, and for runs (max-statistic calibration).
    Source: Westfall and Young (1993), Resampling-based Multiple Testing (single step max T).

    >>> quiet = {"a": np.zeros((10, 2))}
    >>> family_level(quiet, {"a": Scale(least=0.0, spread=1.0)})
    2.5
    """
    weeks = len(next(iter(reference.values())))
    largest = np.full(weeks, NEVER)
    for lasts in (False, True):
        part = {n: t for n, t in reference.items() if scales[n].lasts is lasts}
        if part:
            table = np.concatenate([np.asarray(t, dtype=np.float64) for t in part.values()], axis=1)
            limits, most = _limits(part, scales), longest if lasts else 1
            for week in range(weeks):
                run = table[max(week + 1 - most, 0) : week + 1]
                odd = _lasting(table, week, run, *limits).max(initial=NEVER)
                largest[week] = max(largest[week], odd)
    return float(np.clip(np.quantile(largest, _SHARE), LEAST, MOST))


def oddest(
    reference: Mapping[str, Floats], now: Mapping[str, Floats], scales: Mapping[str, Scale]
) -> tuple[Oddest, ...]:
    """Return each column's oddest statistic, the oddest column first.

    `now`: of this week (d,), or of the last k weeks (k, d), see :func:`oddities`.

    Raises:
        ValueError: fewer than 8 reference weeks.

    >>> ref = {"missing": np.zeros((10, 2))}
    >>> found = oddest(ref, {"missing": np.array([0.0, 0.4])}, {"missing": Scale(least=0.05,
    ...     spread=0.03)})
    >>> found[0].column, found[0].statistic, found[0].alarm
    (1, 'missing', True)
    """
    weeks, columns = next(iter(reference.values())).shape
    if weeks < MIN_WEEKS:
        raise ValueError(f"{weeks} reference weeks; {MIN_WEEKS} are needed to know what is usual")
    names = list(reference)
    runs = {n: np.atleast_2d(now[n]) for n in names}
    level = family_level(reference, scales, len(runs[names[0]]))
    table = np.stack([oddities(reference[n], runs[n], scales[n]) for n in names])
    found = []
    for column in range(columns):
        which = int(table[:, column].argmax())
        name = names[which]
        found.append(
            Oddest(
                statistic=name,
                column=column,
                value=float(runs[name][-1, column]),
                usual=float(np.median(reference[name][:, column])),
                oddity=float(table[which, column]),
                level=level,
            )
        )
    return tuple(sorted(found, key=lambda o: (-o.oddity, o.column)))


def _limits(reference: Mapping[str, Floats], scales: Mapping[str, Scale]) -> tuple[Floats, Floats]:
    least = [np.full(t.shape[1], scales[n].least) for n, t in reference.items()]
    spread = [np.full(t.shape[1], scales[n].spread) for n, t in reference.items()]
    return np.concatenate(least), np.concatenate(spread)


def _lasting(table: Floats, week: int, run: Floats, least: Floats, spread: Floats) -> Floats:
    """Return the oddities of a run that ends with this week of the table, by the weeks beside it.

    Those after it belong to them: of reference weeks each is held against all others.
    """
    places = np.arange(len(table))
    found = _odd(table[places != week], run[-1], least, spread)
    for weeks in range(2, len(run) + 1):
        beside = table[(places <= week - weeks) | (places > week)]
        if len(beside) < MIN_WEEKS:
            break
        faintest = _odd(beside, run[-weeks:], least, spread).min(axis=0)
        found = np.where(faintest > 0, np.maximum(found, weeks * faintest), found)
    return found


def _odd(reference: Floats, now: Floats, least: Floats, spread: Floats) -> Floats:
    ranked = np.sort(reference, axis=0)
    middle, upper = _at(ranked, 0.5), _at(ranked, 0.9)
    unit = np.maximum(upper - middle, spread)
    found: Floats = np.where(now > least, (now - ranked[-1]) / unit, NEVER)
    return found


def _at(ranked: Floats, level: float) -> Floats:
    """Return a quantile of sorted columns, linear between order statistics."""
    place = level * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    found: Floats = ranked[low] + (place - low) * (ranked[high] - ranked[low])
    return found
