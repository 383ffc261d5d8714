"""What the declared cleaning did to answers online, added up from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tamid.core.chain import Recorded
from tamid.core.events import AnswersCleaned, AnswersTaken

Counts = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCleaning:
    """What each step of one contract did to the logged rows of one period.

    `steps`: rows before, rows after, values changed, by "number name". `stands_for`: how many
    answers the rows stand for; `unlogged`: columns that are cleaned and in no count.
    """

    contract: str
    period: str
    steps: Mapping[str, Counts]
    stands_for: float
    unlogged: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Return how many rows were counted."""
        return max((before for before, _, _ in self.steps.values()), default=0)

    @property
    def share(self) -> float:
        """Return the share of the answers that the rows are, by the chances they were kept with."""
        return self.rows / self.stands_for if self.stands_for else 1.0


def served_cleaning(records: Iterable[Recorded]) -> tuple[tuple[ServedCleaning, ...], int]:
    """Return what was counted by period and contract, and how many answers no log had room for."""
    found: dict[tuple[str, str], ServedCleaning] = {}
    lost = 0
    for record in records:
        event = record.event
        if isinstance(event, AnswersTaken):
            lost += event.lost
        if not isinstance(event, AnswersCleaned):
            continue
        for period, steps in event.steps.items():
            name = (period, event.contract)
            known = found.get(name)
            more = dict(known.steps) if known else {}
            for step, (before, after, changed) in steps.items():
                b, a, c = more.get(step, (0, 0, 0))
                more[step] = (b + before, a + after, c + changed)
            found[name] = ServedCleaning(
                contract=event.contract,
                period=period,
                steps=more,
                stands_for=(known.stands_for if known else 0.0) + event.stands_for[period],
                unlogged=tuple(sorted({*event.unlogged, *(known.unlogged if known else ())})),
            )
    return tuple(found[name] for name in sorted(found)), lost
