"""Who is trained on, tuned on and judged on: purged periods, hashed halves, seeded groups.

Three plans give the same three answers: `tuning` (out-of-time or out-of-fold rows for window,
calibration and threshold), `judging` (rows that nothing was chosen on) and `final` (all there is).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator

from tamid.core.learning.model import Bools, Floats, Ints

ALL = "all"
RECENT = "recent"
MIXED = "mixed"
DECAY = "decay"

# Weeks set aside for tuning: enough for a stable threshold, few enough to stay current.
TUNE_PERIODS = 4
# Never more than this share of the periods before the holdout is set aside.
TUNE_SHARE = 0.25
# Without a time column: entities judged on, then entities tuned on.
JUDGED_SHARE, TUNED_SHARE = 0.25, 0.20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """What a plan needs of each row; times and horizon are microseconds.

    `entity` and `period` are indexes into `entities` and into `periods`, which is sorted.
    """

    entity: Ints
    entities: tuple[str, ...]
    period: Ints
    periods: tuple[str, ...]
    time: Ints
    horizon: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.period)

    def within(self, chosen: Sequence[str]) -> Bools:
        """Say for each row whether its period is among the chosen."""
        wanted = set(chosen)
        return np.array([name in wanted for name in self.periods], dtype=bool)[self.period]

    def before(self, period: str) -> Bools:
        """Say for each row whether its period lies before this one."""
        return np.array([name < period for name in self.periods], dtype=bool)[self.period]

    def shares(self, salt: str) -> Floats:
        """Give each entity a fixed number in [0, 1) by SHA-256 of salt and name."""
        return np.array([share(name, salt) for name in self.entities])[self.entity]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """Rows to fit on, and rows to look at afterwards."""

    fit: Bools
    seen: Bools


class Plan(Protocol):
    """Who is fitted and who is looked at, for a named window.

    Laws: no row of `judging().seen` occurs in any `tuning` fold, fitted or seen, or in
    `judging().fit`; no fitted row of a routine plan is decided after the first seen row's time.
    """

    @property
    def windows(self) -> tuple[str, ...]:
        """Return the candidates, the default first."""
        ...

    def tuning(self, window: str) -> Sequence[Fold]:
        """Return the folds whose seen rows choose window, calibration and threshold."""
        ...

    def judging(self, window: str) -> Fold:
        """Return the fold that the gates judge."""
        ...

    def final(self, window: str) -> Bools:
        """Return the rows that the shipped model is fitted on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Routine:
    """Past weeks to fit on, then tuning weeks, then the holdout; each step purged by the horizon.

    `lengths` gives each window's number of periods (0: no limit); it slides with the fold.
    """

    rows: Rows
    lengths: dict[str, int]
    holdout: tuple[str, ...]
    tune: tuple[str, ...]

    @property
    def windows(self) -> tuple[str, ...]:
        """Return the candidates, the default first."""
        return _default_first(self.lengths)

    def tuning(self, window: str) -> Sequence[Fold]:
        """Return one fold: the window before the tuning weeks, and those weeks."""
        return [self._before(window, self.tune)]

    def judging(self, window: str) -> Fold:
        """Return the window before the holdout, tuning weeks included, and the holdout."""
        return self._before(window, self.holdout)

    def final(self, window: str) -> Bools:
        """Return the window that ends with the newest row."""
        return self._last(window, np.ones(len(self.rows), dtype=bool))

    def _before(self, window: str, periods: tuple[str, ...]) -> Fold:
        seen = self.rows.within(periods)
        decided = self.rows.before(min(periods)) & purged(self.rows, seen)
        return Fold(fit=self._last(window, decided), seen=seen)

    def _last(self, window: str, among: Bools) -> Bools:
        length = self.lengths[window]
        present = np.unique(self.rows.period[among])
        if length == 0 or len(present) <= length:
            return among
        return np.asarray(among & (self.rows.period >= present[-length]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Degraded:
    """Old rows, and the drifted weeks with their entities cut in two halves by a salted hash.

    The training half's drifted rows may be learnt from; the judging half's never are, until the
    final fit. Tuning sees the training half out of fold.
    """

    rows: Rows
    spans: dict[str, tuple[str, ...]]
    drifted: Bools
    judge: Bools
    second_fold: Bools

    @property
    def windows(self) -> tuple[str, ...]:
        """Return the candidates, the default first."""
        return _default_first(self.spans)

    def tuning(self, window: str) -> Sequence[Fold]:
        """Return two entity folds over the training half's drifted rows."""
        mine = self.drifted & ~self.judge
        return [
            Fold(fit=self._old(window, fold | self.judge) | (mine & ~fold), seen=mine & fold)
            for fold in (self.second_fold, ~self.second_fold)
        ]

    def judging(self, window: str) -> Fold:
        """Return old rows and the training half, against the judging half's drifted rows."""
        fit = self._old(window, self.judge) | (self.drifted & ~self.judge)
        return Fold(fit=fit, seen=self.drifted & self.judge)

    def final(self, window: str) -> Bools:
        """Return the window's old rows and all drifted rows."""
        return self._span(window) | self.drifted

    def _span(self, window: str) -> Bools:
        return self.rows.within(self.spans[window]) & ~self.drifted

    def _old(self, window: str, watched: Bools) -> Bools:
        """Old rows; those of watched entities only if decided before the drifted weeks."""
        decided = purged(self.rows, self.drifted)
        return np.asarray(self._span(window) & (decided | ~watched))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouped:
    """Without time: entities are dealt to fit, tune and judge by a seeded hash."""

    share: Floats

    @property
    def windows(self) -> tuple[str, ...]:
        """Return the only candidate."""
        return (ALL,)

    def tuning(self, window: str) -> Sequence[Fold]:
        """Return one fold over the tuning entities."""
        edge = JUDGED_SHARE + TUNED_SHARE
        seen = (self.share >= JUDGED_SHARE) & (self.share < edge)
        return [Fold(fit=np.asarray(self.share >= edge), seen=np.asarray(seen))]

    def judging(self, window: str) -> Fold:
        """Return all other entities against the judged ones."""
        seen = np.asarray(self.share < JUDGED_SHARE)
        return Fold(fit=~seen, seen=seen)

    def final(self, window: str) -> Bools:
        """Return every row."""
        return np.ones(len(self.share), dtype=bool)


def purged(rows: Rows, seen: Bools) -> Bools:
    """Say which rows' outcomes were decided by the first seen row's time.

    A row at time t is decided at t + horizon; one decided later would carry the seen weeks' truth
    into the fit.
    """
    if not seen.any():
        return np.ones(len(rows), dtype=bool)
    return np.asarray(rows.time + rows.horizon <= rows.time[seen].min())


def share(name: str, salt: str) -> float:
    """Return a number in [0, 1) that depends on salt and name alone.

    >>> 0 <= share("customer 7", "salt") < 1, share("x", "a") == share("x", "b")
    (True, False)
    """
    digest = hashlib.sha256(f"{salt}|{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def window_weights(window: str, period: Ints, drifted: Bools, weight: Floats) -> Floats:
    """Weigh fitted rows as the window asks.

    `decay:N` halves a row's weight every N periods; `mixed` gives the drifted weeks
    half of the total weight; other windows leave the weights as they are.

    >>> window_weights("decay:1", np.array([3, 4]), np.zeros(2, bool), np.ones(2))
    array([0.5, 1. ])
    >>> window_weights("mixed", np.array([3, 3, 4]), np.array([0, 0, 1], bool), np.ones(3))
    array([1., 1., 2.])
    """
    if window.startswith(DECAY):
        life = float(window.partition(":")[2])
        age = period.max(initial=0) - period
        return np.asarray(weight * 0.5 ** (age / life), dtype=np.float64)
    new, old = float(weight[drifted].sum()), float(weight[~drifted].sum())
    if window == MIXED and new > 0 and old > new:
        return np.where(drifted, weight * (old / new), weight)
    return weight


def thinned(rows: Bools, keep: Bools, most: int, rng: Generator) -> tuple[Bools, float]:
    """Leave about `most` of the rows; `keep` rows always stay.

    Returns the rows left, and the weight that the thinned ones now carry for those left out, so
    that the mix of old and kept rows stays what it was.

    >>> rng = np.random.default_rng(7)
    >>> left, weight = thinned(np.ones(1000, bool), np.zeros(1000, bool), 100, rng)
    >>> int(left.sum()), weight
    (100, 10.0)
    """
    others = np.flatnonzero(rows & ~keep)
    room = max(most - int((rows & keep).sum()), most // 4)
    if len(others) <= room:
        return rows, 1.0
    left = rows & keep
    left[rng.choice(others, size=room, replace=False)] = True
    return left, len(others) / room


def _default_first(names: dict[str, int] | dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(names, key=lambda name: (name != ALL, list(names).index(name))))
