"""What is asked for a period: the models that can answer, the rows, and what failed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.ladder import CHAMPION, PREVIOUS, REDUCED
from tamid.core.periods import PeriodRule, end_of, period_rule, start_of
from tamid.core.values import STATIC_PERIOD, TablePin

FailureKind = Literal["system", "user_code", "integrity", "data", "impossible", "reasons"]

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A version that can answer, and where its decision begins (None: it has no threshold).

    `reduced`: its second model, which does without some columns, answers.
    """

    number: int
    bundle: str
    overlay: str
    threshold: float | None = None
    reduced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringJob:
    """One period to score.

    `rows`: its joined, cleaned rows with `_entity`, `_time`, and `_rule` (which a bad row broke).
    `active`: entities of the last period; those without a row now are answered by a lower rung.
    `earlier`: pin of the predictions so far, of the periods `scored`. `first`: the rung in force.
    `salt` keys the control group.
    """

    contract: Contract
    period: str
    revision: int
    now: datetime
    rows: pl.DataFrame
    champion: Voice
    salt: str
    active: pl.Series | None = None
    previous: Voice | None = None
    reduced: Voice | None = None
    first: str = CHAMPION
    earlier: TablePin | None = None
    scored: tuple[str, ...] = ()
    reason: str = ""
    timeout: timedelta = timedelta(minutes=10)

    @property
    def as_of(self) -> datetime:
        """The moment that the period's outcomes are about: its start."""
        return self.now if self.period == STATIC_PERIOD else start_of(self._rule, self.period)

    @property
    def until(self) -> datetime:
        """The moment before which the period's rows lie."""
        return _NEVER if self.period == STATIC_PERIOD else end_of(self._rule, self.period)

    @property
    def voices(self) -> Mapping[str, Voice]:
        """Return the models that can be asked, by rung."""
        known = {CHAMPION: self.champion, PREVIOUS: self.previous, REDUCED: self.reduced}
        return {rung: voice for rung, voice in known.items() if voice is not None}

    @property
    def _rule(self) -> PeriodRule:
        calendar, every = self.contract.calendar, self.contract.delivery.every
        return period_rule(ZoneInfo(calendar.timezone), every, calendar.week_starts)


@dataclass(frozen=True, slots=True, kw_only=True)
class RungFailure:
    """A rung that was asked and gave no answer, or one that cannot be right."""

    rung: str
    number: int
    kind: FailureKind
    message: str
    rows: int
