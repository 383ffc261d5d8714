"""Entities that stayed away from a period without a word: who is lost beyond the usual loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from tamid.core.contract.model import Contract
from tamid.core.events import Scored
from tamid.core.state import State
from tamid.core.stats.turnout import FEWEST, MOST, unusual_loss

# So many unusual periods in a row are the new usual.
_NEW_USUAL = 3
# Scored periods that are looked at.
_OF_LATE = 2 * MOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A period that lost more entities than usual: `lost` of `of`; usually at most `usual`."""

    period: str
    lost: int
    of: int
    usual: float

    @property
    def share(self) -> float:
        """Which part of the entities is lost."""
        return self.lost / self.of

    @property
    def words(self) -> str:
        """The loss in one sentence."""
        return (
            f"{self.lost} of {self.of} entities have no row in {self.period} "
            f"({self.share:.1%}), and nobody said that they are gone; "
            f"of late {self.usual:.1%} at most stayed away"
        )


def periods_a_year(contract: Contract) -> float:
    """Return how often in a year a period is looked at."""
    return timedelta(days=365) / contract.delivery.every


def losses(state: State, periods_per_year: float) -> Iterator[Loss]:
    """Yield the scored periods of late that lost more entities than usual, oldest first.

    What is usual is told by the periods before that were not unusual themselves; of the first ones
    that were ever scored by what was seen of those before them.
    """
    usual: list[tuple[int, int]] = []
    odd: list[tuple[int, int]] = []
    for period in sorted(state.scored)[-_OF_LATE:]:
        seen = _seen(state.scored[period])
        if not seen:
            continue
        (lost, of), before = seen[0], usual[-MOST:]
        known = before if len(before) >= FEWEST else seen[1:]
        if not unusual_loss(lost, of, known, periods_per_year):
            usual, odd = [*usual, seen[0]], []
            continue
        yield Loss(period=period, lost=lost, of=of, usual=max(k / n for k, n in known))
        odd = [*odd, seen[0]]
        if len(odd) >= _NEW_USUAL:
            usual, odd = odd, []


def _seen(scored: Scored) -> list[tuple[int, int]]:
    """Return who was lost and of how many: in the period, then in those before it.

    A period without a single row of those who were there says nothing about who left.
    """
    pairs = [(k, n) for k, n in zip(scored.lost, scored.lost_of, strict=True) if n]
    return [] if not scored.lost_of or not pairs or pairs[0][0] >= pairs[0][1] else pairs
