"""Two versions side by side on live rows: what the bets on their paired losses say by now.

Looked at every tick, before a release (the version in shadow against the champion) and after it
(the champion against the version before it); valid at any look, so that no tick spends anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tamid.core.events import Measured
from tamid.core.state import State
from tamid.core.stats.betting import (
    PROMOTE_AT,
    ROLL_BACK_AT,
    confidence_sequence,
    evidence_over,
    joined,
)
from tamid.core.usual import SCORE_PSI
from tamid.core.values import Interval

# Names of the measurements: of a version in shadow, and of a champion after its release.
SHADOW, AFTER = "shadow", "against_previous"
# What a champion's first answers were like; looked at as soon as they are given.
FIRST_ANSWERS = "first_answers"
SIDE_BY_SIDE = (SHADOW, AFTER, FIRST_ANSWERS)
# Above this share of entities that come again the periods are no new rows.
RETURNING = 0.05
LEVEL = 0.95
# Hard triggers: a champion that leaves half of its rows to the version before it, gives nearly
# everybody one score, or scores (n >= 1000) otherwise than when it was judged while its rival does
# not (PSI .25 is the usual limit of "far", half of it that of "near").
FEWEST_ANSWERED, CONSTANT, SHIFTED = 0.5, 0.99, 0.25
FEWEST_FOR_SHIFT, FEWEST_FOR_CONSTANT = 1000, 50

# Stopping a version that nobody was served by costs little: the same chance of error as a gate.
STOP_AT = PROMOTE_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Evidence (e-values) for better and for worse over the periods, and the last measurement."""

    better: float
    worse: float
    last: Measured

    @property
    def shown_better(self) -> bool:
        """Whether the version is shown to lose less; wrong at any look in 1 of 20 at most."""
        return self.better >= PROMOTE_AT

    @property
    def stops(self) -> bool:
        """Whether it is shown to lose more, while it is in shadow; wrong in 1 of 20 at most."""
        return self.worse >= STOP_AT

    @property
    def harms(self) -> bool:
        """Whether it is shown to lose more, while it is live; wrong in 1 of 100 at most."""
        return self.worse >= ROLL_BACK_AT


def watched(state: State, signal: str, number: int) -> Watched | None:
    """Return what the bets on a version say, None if none was made."""
    seen = state.measured.get(f"{signal}@{number}", {})
    told = [seen[p] for p in sorted(seen) if seen[p].bets is not None]
    if not told:
        return None
    better, worse = _evidence(told)
    return Watched(better=better, worse=worse, last=told[-1])


def with_band(earlier: Sequence[Measured], seen: Measured, worth: float) -> Measured:
    """Return a measurement with the band for the mean gain that holds at all looks.

    With new rows in each period it is about all of them and narrows; where entities come again it
    is about this period alone, at a level shared by the planned periods. `worth`: units of the
    metric for one unit of the mean difference; NaN leaves the band in units of the loss.
    """
    assert seen.bets is not None
    every = [*earlier, seen]
    if _comes_again(every):
        level = 1 - (1 - LEVEL) / _planned(every)
        found = confidence_sequence(seen.bets, level, planned=max(seen.bets.n, 1))
    else:
        whole = joined([m.bets for m in every if m.bets is not None])
        found = confidence_sequence(whole, LEVEL, planned=max(whole.n, 1))
    scale = worth if math.isfinite(worth) else 1.0
    band = Interval(
        point=found.point * scale,
        low=found.low * scale,
        high=found.high * scale,
        level=found.level,
    )
    return replace(seen, band=band)


def harmful(state: State, now: datetime, watch: timedelta) -> str:
    """Return why the champion must give way to the version before it, or "".

    Faults that need no label first: they are no matter of evidence.
    """
    number, back = state.champion, state.previous
    if fault := _fault(state, number, back):
        return fault
    found = watched(state, AFTER, number)
    if found is not None and found.harms:
        return (
            f"version {number} is worse than {back} on the live rows: {found.last.value:+.3f} in "
            f"{found.last.period}, evidence {_short(found.worse)} of {ROLL_BACK_AT:g} needed"
        )
    return _shown_by_interval(state, number, back) if now - state.reigns[-1].since <= watch else ""


def shadow_words(state: State, number: int) -> str:
    """Return what the shadow of a version has shown so far, in one clause."""
    found = watched(state, SHADOW, number)
    if found is None:
        return "no labels of its periods are in yet"
    return (
        f"{found.last.value:+.3f} in {found.last.period}, evidence for better "
        f"{_short(found.better)}, for worse {_short(found.worse)} of {STOP_AT:g} needed"
    )


def _fault(state: State, number: int, back: int) -> str:
    """Return what is wrong with the champion's answers themselves, and not with its rival's."""
    seen = state.measured.get(f"{FIRST_ANSWERS}@{number}", {})
    for period, answers in sorted(seen.items()):
        told = answers.detail
        if answers.value < FEWEST_ANSWERED <= told.get("previous", 0.0):
            return (
                f"version {number} answered {answers.value:.0%} of the rows of {period}, version "
                f"{back} had to answer {told['previous']:.0%}"
            )
        if told.get("commonest", 0.0) > CONSTANT > told.get("previous_commonest", 1.0):
            return f"version {number} gave {told['commonest']:.1%} of {period} the same score"
        usual = max(SHIFTED, 2 * max(_usual_shift(state, number), default=0.0))
        if told.get("moved", 0.0) > usual and told.get("previous_moved", 1.0) <= SHIFTED / 2:
            return (
                f"the scores of version {number} moved by a PSI of {told['moved']:.2f} in {period} "
                f"({usual:.2f} allowed), those of {back} on the same rows by "
                f"{told['previous_moved']:.2f}: it does not do live what it did when it was judged"
            )
    return ""


def _usual_shift(state: State, number: int) -> tuple[float, ...]:
    known = state.versions.get(number)
    return known.registered.reference.get(SCORE_PSI, ()) if known else ()


def _shown_by_interval(state: State, number: int, back: int) -> str:
    """Return what an interval of one period shows, where no bets could be made."""
    for period, seen in state.measured.get(f"{AFTER}@{number}", {}).items():
        if seen.bets is None and seen.interval is not None and seen.interval.high < 0:
            return (
                f"in {period} version {number} is worse than {back} by "
                f"{-seen.value:.3f} (at least {-seen.interval.high:.3f})"
            )
    return ""


def _evidence(told: Sequence[Measured]) -> tuple[float, float]:
    bets = [m.bets for m in told if m.bets is not None]
    return evidence_over(bets, planned=_planned(told), returning=_comes_again(told))


def _planned(periods: Sequence[Measured]) -> int:
    return max([1, *(int(m.detail.get("planned", 1)) for m in periods)])


def _comes_again(periods: Sequence[Measured]) -> bool:
    return any(m.detail.get("returning", 1.0) > RETURNING for m in periods)


def _short(evidence: float) -> str:
    return f"{evidence:.2g}" if evidence < 1000 else "over 1000"
