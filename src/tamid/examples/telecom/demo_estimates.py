"""What was estimated of each week before its labels, held against what they brought."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from tamid.core.estimates import SIGNAL, met, trust_of
from tamid.core.state import State
from tamid.core.values import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedWeek:
    """One week: estimate, interval (None while too few had met their truth), truth, grade."""

    day: date
    version: int
    estimate: float
    interval: Interval | None
    realised: float | None
    grade: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The year's estimates; `off` and `off_recent` are mean absolute errors on the same weeks.

    `off`: of the estimates; `off_recent`: of the mean of the last four matured weeks. `held` of
    `intervals` that met their truth held it.
    """

    weeks: tuple[EstimatedWeek, ...]
    off: float
    off_recent: float
    held: int
    intervals: int
    grades: Mapping[str, int] = field(default_factory=dict)


def estimates_of(state: State) -> Estimates:
    """Return all estimates of a year, oldest first."""
    truth = {(m.period, m.version): m for m in met(state)}
    weeks = []
    for name, made in state.measured.items():
        signal, _, version = name.partition("@")
        if signal != SIGNAL:
            continue
        for period, seen in made.items():
            known = truth.get((period, int(version)))
            weeks.append(
                EstimatedWeek(
                    day=date.fromisoformat(period),
                    version=int(version),
                    estimate=seen.value,
                    interval=seen.interval,
                    realised=known.realised if known else None,
                    grade=trust_of(seen).grade,
                )
            )
    weeks.sort(key=lambda w: (w.day, w.version))
    judged = [m for m in truth.values() if math.isfinite(m.baseline)]
    both = [
        (w.interval, w.realised) for w in weeks if w.interval is not None and w.realised is not None
    ]
    return Estimates(
        weeks=tuple(weeks),
        off=_mean([abs(m.reported - m.realised) for m in judged]),
        off_recent=_mean([abs(m.baseline - m.realised) for m in judged]),
        held=sum(i.low <= value <= i.high for i, value in both),
        intervals=len(both),
        grades=dict(sorted(Counter(w.grade for w in weeks).items())),
    )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
