"""The walk of a policy over a tensor: which model served each week, and what was decided when.

No peeking: a decision in week t reads labels of weeks before t - delay and label-free numbers of
weeks before t, nothing else. Hindsight belongs to :mod:`account`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tamid.core.contract.running import ROUTINE
from tamid.core.policies.board import Board
from tamid.core.policies.policy import (
    AGE,
    AUTO,
    DRIFT,
    ESTIMATE,
    NEW_DATA,
    QUALITY,
    ReplayPolicy,
)
from tamid.core.policies.worth import may_save
from tamid.core.stats.arrays import Floats, Ints
from tamid.core.verdict import Outcome

# How much worse still counts as not worse, unless the policy says so.
_MARGIN = 0.005
# A champion that is known to have fallen may be replaced by what is worse by no more than this.
_DEGRADED_MARGIN = 0.02
_YEAR = 52


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training: when (week as index), why, on which window, what became of it.

    `live` is the first week it serves, None if it was not taken. `champion` is the origin (place)
    and window that it was to replace.
    """

    week: int
    trigger: str
    origin: int
    window: int
    outcome: Outcome
    live: int | None
    champion: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walk:
    """Which model (`origin`, `window`: places in the tensor) served each week from `first` on."""

    policy: ReplayPolicy
    first: int
    origin: Ints
    window: Ints
    runs: tuple[Run, ...]

    @property
    def releases(self) -> int:
        """Return how often a new model went live."""
        return sum(run.live is not None for run in self.runs)


def walk(tables: Board, policy: ReplayPolicy) -> Walk:
    """Walk a policy over the weeks; the first model is there from the beginning.

    Raises:
        ValueError: the policy names a window that the tensor lacks.
    """
    tensor = tables.tensor
    steps = _Steps(tables, policy)
    end = len(tensor.weeks)
    for place, week in enumerate(tensor.origins.tolist()):
        if place:
            steps.turn(place, week)
    lengths = np.diff([min(at, end) for at, _, _ in steps.served] + [end])
    served = np.array([[o, w] for _, o, w in steps.served], dtype=np.int64)
    both = np.repeat(served, lengths, axis=0)
    return Walk(
        policy=policy, first=tensor.first, origin=both[:, 0], window=both[:, 1],
        runs=tuple(steps.runs),
    )  # fmt: skip


def tail(one: Walk, week: int) -> Walk:
    """Return the part of a walk from a week on, with what had been decided before as it was."""
    skipped = max(0, week - one.first)
    return replace(
        one,
        first=one.first + skipped,
        origin=one.origin[skipped:],
        window=one.window[skipped:],
        runs=tuple(run for run in one.runs if run.week >= week),
    )


class _Steps:
    """What is in force while the weeks go by."""

    def __init__(self, tables: Board, policy: ReplayPolicy) -> None:
        tensor = tables.tensor
        self._tables, self._policy = tables, policy
        if policy.window != AUTO and policy.window not in tensor.windows:
            raise ValueError(f"no window {policy.window!r}; there are {', '.join(tensor.windows)}")
        self._fixed = None if policy.window == AUTO else tensor.windows.index(policy.window)
        quick = tables.quick
        self._choice = quick.guarded if policy.season_guard else quick.choice
        self._lag = tensor.lag if policy.lag is None else policy.lag
        start = 0 if self._fixed is None or not tensor.fitted[0, self._fixed] else self._fixed
        self._champion, self._taken = (0, start), (0, start)
        self._live = tensor.first
        self._old = 0
        self._last = int(tensor.origins[0])
        self.served: list[tuple[int, int, int]] = [(self._live, 0, start)]
        self.runs: list[Run] = []

    def turn(self, place: int, week: int) -> None:
        """Decide at the start of one week in which a model could be trained."""
        if self._live <= week:
            self._champion = self._taken
        elif self._taken != self._champion:
            return  # never two releases on their way
        policy = self._policy
        if week - self._last < policy.cooldown or self._spent(week) >= policy.per_year:
            return
        trigger = self._trigger(place, week)
        if not trigger:
            return
        origin, held = self._champion
        window = self._fixed if self._fixed is not None else self._chosen(place, held, trigger)
        if not self._tables.quick.fitted[place][window]:
            return
        outcome = self._judged(place, window, trigger) if policy.gate else Outcome.PROMOTE
        live = week + self._lag if outcome is Outcome.PROMOTE else None
        self.runs.append(
            Run(
                week=week, trigger=trigger, origin=place, window=window, outcome=outcome,
                live=live, champion=(origin, held),
            )
        )  # fmt: skip
        self._last = week
        if live is not None:
            self._taken, self._live = (place, window), live
            if self._lag == 0:
                self._champion = self._taken
            self.served.append((live, place, window))

    def _chosen(self, place: int, held: int, trigger: str) -> int:
        """Return the window to learn from: few judged rows speak only where quality has fallen."""
        if self._tables.quick.scarce[place] and trigger != QUALITY:
            return held
        return self._choice[place]

    def _spent(self, week: int) -> int:
        """Return how many runs there were in the year up to a week."""
        while self._old < len(self.runs) and week - self.runs[self._old].week >= _YEAR:
            self._old += 1
        return len(self.runs) - self._old

    def _trigger(self, place: int, week: int) -> str:
        policy, on = self._policy, self._policy.on
        if QUALITY in on and self._fallen(week):
            return QUALITY
        if ESTIMATE in on and self._estimated(week):
            return ESTIMATE
        if DRIFT in on and self._drifted(week):
            return DRIFT
        if AGE in on and week - self._last >= policy.max_age:
            return AGE
        if NEW_DATA in on and (0 < policy.new_rows <= self._fresh(week) or self._grown(week)):
            return NEW_DATA
        return ""

    def _fallen(self, week: int) -> bool:
        """Say whether the champion is worse than it promised, beyond tolerance and doubt."""
        origin, window = self._champion
        policy, quick = self._policy, self._tables.quick
        fall, doubt = quick.fall[origin][window][week], quick.doubt[origin][window][week]
        least = policy.tolerance * quick.scale[origin][window][week]
        if not (fall > least and fall > policy.errors * doubt):
            return False  # also where something is not known
        if policy.price <= 0:
            return True
        seen = self._tables.tensor.sign * float(self._tables.recent[origin, window, week])
        if policy.owed is not None and seen < policy.owed:
            return True
        answers = float(self._tables.stake[origin, window, week])
        return may_save(fall, doubt, answers, policy.horizon) > policy.price

    def _estimated(self, week: int) -> bool:
        """Say whether the estimates of the last two weeks lie below the promise."""
        found = self._tables.tensor.estimate
        if found is None:
            return False
        at = (*self._champion, week)
        promised, scale = self._tables.reference[at], self._tables.scale[at]
        falls = self._tables.tensor.sign * (promised - self._lately(found, week))
        return bool(len(falls) == 2 and (falls > self._policy.tolerance * scale).all())

    def _drifted(self, week: int) -> bool:
        found = self._tables.tensor.psi
        if found is None:
            return False
        lately = self._lately(found, week)
        return bool(len(lately) == 2 and (lately > self._policy.psi).all())

    def _lately(self, values: Floats, week: int) -> Floats:
        return values[*self._champion, max(0, week - 2) : week]

    def _fresh(self, week: int) -> float:
        """Return the matured rows that the champion has not learnt from."""
        tensor = self._tables.tensor
        weeks = slice(None, max(0, week - tensor.delay))
        rows = tensor.sums[*self._champion, weeks, :, tensor.terms.index("rows")]
        return float(rows.sum())

    def _grown(self, week: int) -> bool:
        """Say whether the weeks to learn from grew by the policy's share since the last run."""
        delay, share = self._tables.tensor.delay, self._policy.grown
        known = self._last - delay
        return share > 0 and known > 0 and week - delay >= (1.0 + share) * known

    def _judged(self, place: int, window: int, trigger: str) -> Outcome:
        """Say what the gate makes of the candidate, by the rules of the loop's own gate."""
        at = (place, window, *self._champion)
        gain, reach = self._tables.gain[at], self._tables.gain_reach[at]
        if not np.isfinite(gain):
            return Outcome.UNDECIDED
        fallen = trigger == QUALITY
        week = int(self._tables.tensor.origins[place])
        known = self._tables.quick.scale[self._champion[0]][self._champion[1]][week]
        scale = known if known == known else 1.0
        margin = _MARGIN * scale if self._policy.margin is None else self._policy.margin
        margin = max(margin, _DEGRADED_MARGIN * scale) if fallen else margin
        low, high = gain - reach, gain + reach
        if high < 0 and low <= -margin:
            return Outcome.HELD
        if low > 0 or (gain >= 0 and low > -margin):
            return Outcome.PROMOTE
        if self._policy.equal_taken and trigger in ROUTINE and high > 0:
            return Outcome.PROMOTE
        return Outcome.HELD if fallen else Outcome.KEEP
