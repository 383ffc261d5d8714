"""What a view is made from: the contract, the state, the records, the moment; and how to write."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from tamid.core.chain import Recorded
from tamid.core.contract.metrics import METRIC_FACTS, quality_metric
from tamid.core.contract.model import Contract
from tamid.core.periods import PeriodRule, matured_at, period_rule, start_of
from tamid.core.state import State
from tamid.core.values import STATIC_PERIOD, Interval, parse_instant

# A turn of the loop may come this much later than planned before it counts as overdue: a tick that
# trains takes its time, and a machine may sleep a while.
GRACE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One model at one moment; `zone` is the time zone of the contract's calendar."""

    model: str
    contract: Contract
    state: State
    records: Sequence[Recorded]
    now: datetime
    zone: tzinfo

    @property
    def rule(self) -> PeriodRule:
        """How the contract's calendar cuts time."""
        calendar = self.contract.calendar
        return period_rule(self.zone, self.contract.delivery.every, calendar.week_starts)

    @property
    def metric(self) -> str:
        """The metric of the model's quality."""
        return quality_metric(self.contract)

    @property
    def sign(self) -> float:
        """+1 where larger is better, -1 for errors."""
        return 1.0 if METRIC_FACTS[self.metric].higher_is_better else -1.0

    @property
    def demanded(self) -> float | None:
        """The least (for errors: largest) value that the contract accepts."""
        quality = self.contract.monitoring.quality
        return quality.at_least if quality.at_least is not None else quality.at_most

    def truth_at(self, period: str) -> datetime | None:
        """Return when every label of a period is due; None where there is no time.

        The last row of a period that has not arrived is expected where it lay in the one before.
        """
        label, latest = self.contract.data.label, self.state.latest
        if period == STATIC_PERIOD:
            return None
        last = parse_instant(latest[period]) if latest.get(period) else None
        known = [p for p in latest if p < period and latest[p]]
        if last is None and known:
            before = max(known)
            offset = parse_instant(latest[before]) - start_of(self.rule, before)
            last = start_of(self.rule, period) + offset
        return matured_at(self.rule, period, label.horizon + label.reporting_lag, last)

    def day(self, moment: datetime) -> str:
        """Return a moment's date in the contract's calendar."""
        return moment.astimezone(self.zone).date().isoformat()


def number(value: float) -> str:
    """Write a number with what a reader can use of it.

    >>> number(0.81234), number(12.345), number(14000.0), number(float("nan"))
    ('0.812', '12.3', '14 000', 'not a number')
    """
    if not math.isfinite(value):
        return "not a number"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def count(value: int, one: str, many: str = "") -> str:
    """Write a count with its noun.

    >>> count(1, "row"), count(14000, "row"), count(2, "entity", "entities")
    ('1 row', '14 000 rows', '2 entities')
    """
    return f"{whole(value)} {one if value == 1 else (many or f'{one}s')}"


def whole(value: int) -> str:
    """Write a whole number, its thousands apart.

    >>> whole(14000)
    '14 000'
    """
    return f"{value:,}".replace(",", " ")


def share(value: float) -> str:
    """Write a share as per cent.

    >>> share(1.0), share(0.9634), share(0.0004)
    ('100 %', '96.3 %', '0.04 %')
    """
    percent = value * 100
    if percent == round(percent):
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2g} %"


def spread(interval: Interval | None) -> str:
    """Write an interval's bounds in brackets, or nothing."""
    if interval is None or not math.isfinite(interval.low + interval.high):
        return ""
    return f" ({number(interval.low)} to {number(interval.high)})"


def moment(at: datetime) -> str:
    """Write a moment to the minute, in UTC.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 1, 4, 6, 5, tzinfo=UTC))
    '2026-01-04 06:05 UTC'
    """
    return at.strftime("%Y-%m-%d %H:%M UTC")


def first_lines(texts: Sequence[str], most: int = 3) -> str:
    """Join the first few reasons; say how many more there are.

    >>> first_lines(["a", "b", "c", "d"])
    'a; b; c; and 1 more'
    """
    shown = list(texts[:most])
    if len(texts) > most:
        shown.append(f"and {len(texts) - most} more")
    return "; ".join(shown)
