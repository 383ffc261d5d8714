"""What a column may hold: its type, physical limits, a closed list of words; never what was seen.

A bound is set only by what a column is: a quantity that was never negative and is not named like
one with two signs has 0 below it, a flag has 0 and 1, a unit has its own. The largest value seen so
far is no limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tamid.core.adoption import names
from tamid.core.contract.inputs import Column

Kind = Literal["number", "integer", "category", "boolean", "text", "datetime"]

# Fewer values say nothing of what is never negative, or of which words there are.
FEWEST = 100
# A closed list of words is short, and each of its words was seen so often.
MOST_CLOSED = 12
_SEEN = 20
# Words of a column that are listed: the classes of a label are no more.
MOST_LEVELS = 50
# Words beyond this share of the rows name the rows rather than describe them.
_NAMES_SHARE = 0.5
_MOST_WORDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was counted of a column in its type.

    `levels`: the words of a short list with their counts, empty if there are more. `steady`: every
    word stands in each quarter of the rows by time (True without time). `unique`: no value twice.
    """

    name: str
    kind: Kind
    rows: int
    missing: int
    distinct: int
    low: float | None = None
    high: float | None = None
    levels: tuple[tuple[str, int], ...] = ()
    steady: bool = True

    @property
    def present(self) -> int:
        """Return how many values there are."""
        return self.rows - self.missing

    @property
    def unique(self) -> bool:
        """Say whether no value stands twice."""
        return self.present == self.rows == self.distinct


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A column as it goes into the contract, and what to say about it."""

    name: str
    column: Column
    remark: str = ""


def drafted(facts: Facts) -> Drafted:
    """Return what a contract should say of a column.

    >>> drafted(Facts(name="age", kind="integer", rows=500, missing=0, distinct=60, low=18.0,
    ...               high=91.0)).column.max
    130.0
    """
    kind, nullable = facts.kind, facts.missing > 0
    if kind in ("number", "integer"):
        low, high = _limits(facts)
        named = facts.unique and kind == "integer" and names.names_something(facts.name)
        column = Column(type=kind, min=low, max=high, nullable=nullable, feature=not named)
        return Drafted(name=facts.name, column=column, remark="names the row" if named else "")
    if kind == "datetime":
        column = Column(type=kind, nullable=nullable, feature=False)
        return Drafted(name=facts.name, column=column, remark="for features.py")
    if kind != "category":
        return Drafted(name=facts.name, column=Column(type=kind, nullable=nullable))
    if naming(facts):
        column = Column(type="text", nullable=nullable, feature=False)
        return Drafted(name=facts.name, column=column, remark="hardly a word twice")
    allowed = tuple(sorted(word for word, _ in facts.levels)) if closed(facts) else None
    column = Column(type="category", allowed=allowed, nullable=nullable)
    return Drafted(name=facts.name, column=column, remark="" if allowed else "new words may come")


def closed(facts: Facts) -> bool:
    """Say whether the words of a column are few and stable, so that a new one is an error."""
    often = all(count >= _SEEN for _, count in facts.levels)
    few = 0 < len(facts.levels) <= MOST_CLOSED
    return few and often and facts.steady and facts.present >= FEWEST


def naming(facts: Facts) -> bool:
    """Say whether words name rows: nearly every row has its own."""
    many = facts.distinct > _NAMES_SHARE * max(facts.present, 1) and facts.distinct > MOST_CLOSED
    return many or facts.distinct > _MOST_WORDS


def _limits(facts: Facts) -> tuple[float | None, float | None]:
    low, high = facts.low, facts.high
    if low is None or high is None or facts.present < FEWEST:
        return None, None
    if facts.kind == "integer" and facts.distinct == 2 and (low, high) == (0, 1):
        return 0.0, 1.0
    unit = names.limits_of(facts.name)
    if unit is not None and unit[0] <= low and high <= unit[1] and _in_unit(facts, unit):
        return float(unit[0]), float(unit[1])
    if low >= 0 and not names.may_be_negative(facts.name):
        return 0.0, None
    return None, None


def _in_unit(facts: Facts, unit: tuple[int, int]) -> bool:
    """Say whether a column has the unit's scale: 0..1 is no percentage, 0..0.9 no hour."""
    high = facts.high or 0.0
    return high > 1 or (facts.kind == "integer" and unit[1] < 100)
