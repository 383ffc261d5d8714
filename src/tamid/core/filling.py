"""Whether a period that is not over has come: rows of day after day make half a week no week."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import timedelta

from tamid.core.periods import PeriodRule, start_of
from tamid.core.state import State
from tamid.core.values import parse_instant

# Share of its usual rows that it must have, and how much may be missing at its end, against the
# usual last row.
_ENOUGH, _SLACK = 0.5, 1 / 14


def has_come(state: State, rule: PeriodRule, past: Sequence[str], period: str) -> bool:
    """Say whether a period has rows enough, up to about where the last row of `past` ones lies."""
    usual = statistics.median(state.volume.get(p, 0) for p in past)
    if state.volume.get(period, 0) < _ENOUGH * usual:
        return False
    reached = [_reached(state, rule, p) for p in (*past, period) if state.latest.get(p)]
    if len(reached) <= len(past):
        return True
    return reached[-1] >= statistics.median(reached[:-1]) - _SLACK


def _reached(state: State, rule: PeriodRule, period: str) -> float:
    """Return the share of a period that has gone by at its last row."""
    gone = parse_instant(state.latest[period]) - start_of(rule, period)
    return gone / timedelta(days=rule.days)
