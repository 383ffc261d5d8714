"""The checks of every week that need no champion: its rows against those before, and its labels.

The rows are held against up to 26 weeks before them, as the product's own check of a new period
does; a suspected week is not what later ones are held against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tamid.core.learning.model import Floats, Ints
from tamid.core.stats.bugcheck import check_week
from tamid.core.stats.labelrate import label_rate, rates_together
from tamid.core.suspicion import HARD, cause_of_oddity, words_for
from tamid.loopbench.world import World
from tamid.stages.checking import FEWEST_ROWS

# As the product has them: weeks to compare with, rows of each that are looked at, and columns.
_REFERENCE, _ROWS, _COLUMNS = 26, 500, 50
# Labels are looked at for the last week and, where it is too small to tell, for so many together.
_TOGETHER = (1, 2, 4, 8)
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What makes a week's rows look broken: the cause, whether proven, in words."""

    cause: str
    confirmed: bool
    reason: str


@dataclass(slots=True, kw_only=True, eq=False)
class Rows:
    """The checks of one history's rows: weeks suspected so far, and those found sound since."""

    world: World
    suspected: dict[int, Suspicion] = field(default_factory=dict)
    vouched: set[int] = field(default_factory=set)
    _samples: dict[int, Floats] = field(default_factory=dict)

    def check(self, week: int, importance: Floats) -> Suspicion | None:
        """Hold a week's rows against those before, in the columns that matter most."""
        columns = np.argsort(-importance, kind="stable")[:_COLUMNS]
        past = [w for w in range(week) if w not in self.suspected][-_REFERENCE:]
        if len(self._sample(week)) < FEWEST_ROWS:
            return None
        past = [w for w in past if len(self._sample(w)) >= FEWEST_ROWS]
        features = [self.world.features[int(j)] for j in columns]
        found = check_week(
            [self._sample(w)[:, columns] for w in past],
            self._sample(week)[:, columns],
            [feature.kind == "category" for feature in features],
            vouched=[place for place, w in enumerate(past) if w in self.vouched],
        )
        if not found.suspected:
            return None
        oddest = found.found[0]
        self.suspected[week] = Suspicion(
            cause=cause_of_oddity(oddest),
            confirmed=oddest.statistic in HARD,
            reason=words_for(features[oddest.column].name, oddest),
        )
        return self.suspected[week]

    def _sample(self, week: int) -> Floats:
        if week not in self._samples:
            rows = self.world.values[self.world.rows(week)]
            if len(rows) > _ROWS:
                picked = np.random.default_rng(week).choice(len(rows), size=_ROWS, replace=False)
                rows = rows[np.sort(picked)]
            self._samples[week] = rows
        return self._samples[week]


def late(world: World, now: int) -> bool:
    """Say whether labels that were due at the check of week `now` have not come."""
    due = now - world.delay - 1
    return due >= 0 and due + int(world.lag[due]) + 1 > now


def label_share(world: World, weeks: Sequence[int] | Ints) -> float:
    """Return the share of labels that are not the first class (or not 0) in these weeks."""
    told = np.concatenate([world.told[world.rows(int(w))] for w in weeks])
    return float((told != 0).mean())


def label_shares(world: World, weeks: Sequence[int] | Ints) -> tuple[float, ...]:
    """Return the share of labels that are not the first class (or not 0) in each of these weeks."""
    return tuple(float((world.told[world.rows(int(w))] != 0).mean()) for w in weeks)


def labels_broken(world: World, matured: Ints, usual: float, seen: tuple[float, ...] = ()) -> bool:
    """Say whether labels cannot be right: nearly all of them are what a feed defaults to.

    Looked at are the last week's and, where a week is too small to tell, the last two, four and
    eight weeks' together. A regression's usual share may be 1, which has no spread: then half of
    a week must be 0. `seen`: shares of the reference weeks, among which such ones may be usual.
    """
    told = [world.told[world.rows(int(w))] != 0 for w in matured[-_TOGETHER[-1] :]]
    if not told:
        return False
    if usual >= 1.0:
        return float(told[-1].mean()) <= _HALF
    together = [(n, np.concatenate(told[-n:])) for n in _TOGETHER if n <= len(told)]
    return any(
        label_rate(float(part.sum()), float(len(part)), usual, rates_together(seen, weeks)).kind
        == "collapse"
        for weeks, part in together
    )
