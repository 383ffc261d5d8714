"""A week of rows against reference weeks: is something broken, in which column, and how.

Four statistics a column (missing, unseen, outside, unexplained) and, where the same entities come
again, a fifth (`other_entity`) share one budget of false alarms: what the world does not do. What
is faint in each of several weeks adds up. Two more (moved, commonest) say that a column's
distribution is another. The world does that, too: they are a bug's only where the columns that go
with it stayed where they were, or no mix does that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tamid.core.stats.arrays import Bools, Floats
from tamid.core.stats.calendars import calendar_columns, new_since, tenfold_now
from tamid.core.stats.comovement import moved_along
from tamid.core.stats.dependence import (
    FLOOR,
    Bins,
    Sums,
    added,
    bins_of,
    cross_fitted,
    marginal_psi,
    sums_of,
    unexplained,
)
from tamid.core.stats.family import MIN_WEEKS, MOST, Oddest, Scale, oddest
from tamid.core.stats.oddities import (
    commonest_shares,
    measured_columns,
    missing_shares,
    outside_now,
    outside_shares,
    unseen_now,
    unseen_shares,
)
from tamid.core.stats.remixed import rarer_in_a_mix, run_beyond_a_mix
from tamid.core.stats.stuck import stuck_at

# From which value a statistic matters, and the least spread it is measured in: differences that a
# week of a few hundred rows shows by chance. PSI and unexplained share are logarithms.
SCALES: Mapping[str, Scale] = {
    "missing": Scale(least=0.05, spread=0.03, lasts=True),
    "commonest": Scale(least=0.2, spread=0.05),
    "unseen": Scale(least=0.03, spread=0.02),
    "off_grid": Scale(least=0.05, spread=0.05),
    "outside": Scale(least=0.05, spread=0.02),
    "moved": Scale(least=float(np.log(0.25)), spread=0.25),
    "unexplained": Scale(least=-9.0, spread=0.08, lasts=True),
    "other_entity": Scale(least=0.02, spread=0.02),
}
# What a changed mix of sound rows does to a column as well.
_SOFT = ("moved", "commonest")
# Of these, what another mix of sound rows brings by itself is taken off.
_MIXED = ("missing", "unseen", "off_grid", "unexplained")
# A value of the calendar is news if for so many weeks none was: a season is as long.
_QUIET = 13
# A week with fewer than this share of the usual rows shows more by chance than whole weeks do: it
# is held against as few rows of each.
_SHORT = 0.5
# Over so many weeks what is odd adds up; what has been so for longer is the world's, or known.
_LASTING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class BugCheck:
    """What a week's check found: columns beyond the level, oddest first, with the level.

    `nearest`: the oddest column, alarm or not. `reliable`: whether there were reference weeks
    enough to say anything. `shifted`: columns that moved further than ever as the world moves them,
    not alone: no bug, but news.
    """

    found: tuple[Oddest, ...]
    shifted: tuple[Oddest, ...] = ()
    nearest: Oddest | None
    level: float
    reliable: bool

    @property
    def suspected(self) -> bool:
        """Whether the week is suspected of a bug."""
        return bool(self.found)


def check_week(
    reference: Sequence[Floats],
    now: Floats,
    categorical: Sequence[bool],
    *,
    entity_reference: Floats | None = None,
    entity_now: Floats | None = None,
    vouched: Collection[int] = (),
) -> BugCheck:
    """Hold a week (n, d) against reference weeks, each (n_w, d); NaN is missing.

    Categories are any codes that are the same in all weeks. A week with less than half of the usual
    rows is held against as few rows of each reference week, taken evenly. `entity_reference`
    (weeks, d) and `entity_now` (d,) are what :func:`tamid.core.stats.joins.changed` says of each
    week. `vouched`: places of reference weeks that were suspected and that a person found sound;
    what lasts since one of them is no news.
    False alarms: one budget over all columns and statistics, see :mod:`.family`. Measured shares
    stand in docs/how-to/why-did-it-fall.md. Fewer than 8 reference weeks: nothing is suspected.

    >>> rng = np.random.default_rng(1)
    >>> weeks = [rng.normal(size=(200, 3)) for _ in range(12)]
    >>> check_week(weeks, rng.normal(size=(200, 3)), [False] * 3).suspected
    False
    >>> broken = rng.normal(size=(200, 3)) * [1.0, 100.0, 1.0]
    >>> [o.column for o in check_week(weeks, broken, [False] * 3).found]
    [1]
    """
    kept = [i for i, w in enumerate(reference) if len(w)]
    weeks = _as_few([reference[i] for i in kept], len(now))
    trusted = [place for place, i in enumerate(kept) if i in vouched]
    if len(weeks) < MIN_WEEKS or not len(now):
        return BugCheck(found=(), nearest=None, level=MOST, reliable=False)
    bins = bins_of(np.concatenate(list(weeks)), categorical)
    sums = [sums_of(bins, w) for w in weeks]
    mine = sums_of(bins, now)
    past, present = _statistics(weeks, now, categorical, bins, sums, mine)
    steps = calendar_columns(weeks)
    past, present = _without_steps(weeks, now, past, present, steps, categorical)
    if entity_reference is not None and entity_now is not None:
        past = {**past, "other_entity": entity_reference}
        present = {**present, "other_entity": entity_now}
    paired = _paired(past)
    hard = {n: t for n, t in paired.items() if n not in _SOFT}
    soft = {n: t for n, t in paired.items() if n in _SOFT}

    def rarer(column: int, value: float) -> float:
        return rarer_in_a_mix(weeks, bins, mine, column, value, steps)

    def ranked_by(seen: Mapping[str, Floats]) -> tuple[Oddest, ...]:
        return _stuck(oddest(hard, seen, SCALES), weeks, now, steps, trusted, rarer)

    # A run that holds a week that a person found sound is none.
    longest = min(_LASTING, len(weeks) - max(trusted, default=-1))
    run = {n: np.vstack([t[len(t) - longest + 1 :], present[n]]) for n, t in hard.items()}
    first = ranked = ranked_by(run)
    mixed = [
        o.column for o in first
        if o.alarm and o.statistic in _MIXED and not moved_along(bins, sums, mine, o.column).alone
    ]  # fmt: skip
    if mixed:
        ranked = ranked_by(run_beyond_a_mix(weeks, bins, [*sums, mine], run, mixed, steps))
    found = [o for o in ranked if o.alarm]
    known = {o.column for o in found}
    moved = [o for o in oddest(soft, present, SCALES) if o.alarm and o.column not in known]
    alone = [o for o in moved if moved_along(bins, sums, mine, o.column).alone]
    found = sorted([*found, *alone], key=lambda o: (-o.oddity, o.column))
    news = [o for o in moved if o not in alone] + [o for o in first if o.column in mixed]
    return BugCheck(
        found=tuple(found),
        shifted=_shifted(news, found),
        nearest=found[0] if found else ranked[0] if ranked else None,
        level=ranked[0].level if ranked else MOST,
        reliable=True,
    )


def _as_few(weeks: list[Floats], rows: int) -> list[Floats]:
    if not weeks or rows >= _SHORT * float(np.median([len(w) for w in weeks])):
        return weeks
    places = [np.linspace(0, len(w) - 1, min(rows, len(w))).astype(np.int64) for w in weeks]
    return [w[p] for w, p in zip(weeks, places, strict=True)]


def _statistics(
    weeks: Sequence[Floats],
    now: Floats,
    categorical: Sequence[bool],
    bins: Bins,
    sums: Sequence[Sums],
    mine: Sums,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return each statistic of the reference weeks (weeks, d) and of this week (d,)."""
    total = added(sums)
    measured = measured_columns(weeks, categorical)
    new, new_now = unseen_shares(weeks, measured), unseen_now(weeks, now, measured)
    past = {
        "missing": np.stack([missing_shares(w) for w in weeks]),
        "commonest": np.stack([commonest_shares(w) for w in weeks]),
        "unseen": np.where(measured, 0.0, new),
        "off_grid": np.where(measured, new, 0.0),
        "outside": outside_shares(weeks),
        "moved": np.stack([_moved(bins, _without(total, s), s) for s in sums]),
        "unexplained": _log(cross_fitted(bins, sums)),
    }
    present = {
        "missing": missing_shares(now),
        "commonest": commonest_shares(now),
        "unseen": np.where(measured, 0.0, new_now),
        "off_grid": np.where(measured, new_now, 0.0),
        "outside": outside_now(weeks, now),
        "moved": _moved(bins, total, mine),
        "unexplained": _log(unexplained(bins, total, [mine])[0]),
    }
    return past, present


def _without_steps(
    weeks: Sequence[Floats],
    now: Floats,
    past: Mapping[str, Floats],
    present: Mapping[str, Floats],
    steps: Bools,
    categorical: Sequence[bool],
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Take out what says nothing: the calendar steps by construction, a word has no range.

    A new value of a calendar is news only where the weeks before had none for a long time: each is
    held against those before it, not against all others. Its range is left only by a wrong unit.
    """
    category = np.asarray(categorical, dtype=bool)
    before, here = dict(past), dict(present)
    for name in ("unseen", "off_grid", "moved", "unexplained", "outside"):
        idle = steps | category if name == "outside" else steps
        here[name] = np.where(idle, -np.inf, present[name])
        before[name] = np.where(idle, 0.0, past[name])
    for j in np.flatnonzero(steps & ~category):
        here["outside"][j] = tenfold_now([w[:, j] for w in weeks], now[:, j])
    if len(weeks) >= MIN_WEEKS + _QUIET:
        for j in np.flatnonzero(steps):
            own = [w[:, j] for w in (*weeks, now)]
            if len(np.unique(np.concatenate(own[:-1]))) > 1:
                new = new_since(own, MIN_WEEKS)
                before["unseen"][:, j], here["unseen"][j] = new[:-1], new[-1]
    return before, here


def _shifted(news: Sequence[Oddest], found: Sequence[Oddest]) -> tuple[Oddest, ...]:
    """Keep each column's first news, of columns that are no bug's."""
    taken = {o.column for o in found}
    kept = []
    for o in news:
        if o.column not in taken:
            taken.add(o.column)
            kept.append(o)
    return tuple(kept)


def _paired(past: Mapping[str, Floats]) -> Mapping[str, Floats]:
    """Keep the last weeks that every statistic has: entities have none for the first week."""
    least = min(len(table) for table in past.values())
    return {name: table[-least:] for name, table in past.items()}


def _stuck(
    ranked: tuple[Oddest, ...],
    weeks: Sequence[Floats],
    now: Floats,
    steps: Bools,
    vouched: Collection[int],
    rarer: Callable[[int, float], float],
) -> tuple[Oddest, ...]:
    """Raise a column that is one value now, and never was for so long, above every level."""
    found = []
    for o in ranked:
        own, in_a_mix = [w[:, o.column] for w in weeks], functools.partial(rarer, o.column)
        stuck, share, usual = stuck_at(own, now[:, o.column], len(ranked), vouched, in_a_mix)
        if stuck and not steps[o.column]:
            odd = max(o.oddity, MOST)
            found.append(replace(o, statistic="commonest", value=share, usual=usual, oddity=odd))
        else:
            found.append(o)
    return tuple(sorted(found, key=lambda o: (-o.oddity, o.column)))


def _without(total: Sums, week: Sums) -> Sums:
    return Sums(rows=total.rows - week.rows, pairs=total.pairs - week.pairs)


def _moved(bins: Bins, reference: Sums, week: Sums) -> Floats:
    found: Floats = np.log(marginal_psi(bins, reference, week) + FLOOR)
    return found


def _log(shares: Floats) -> Floats:
    found: Floats = np.log(shares + FLOOR)
    return found
