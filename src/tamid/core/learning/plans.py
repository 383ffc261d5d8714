"""Which plan fits a job: routine weeks, drifted weeks, or no time at all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tamid.core.errors import DataError
from tamid.core.learning.splits import (
    ALL,
    DECAY,
    MIXED,
    RECENT,
    TUNE_PERIODS,
    TUNE_SHARE,
    Degraded,
    Grouped,
    Plan,
    Routine,
    Rows,
)
from tamid.core.values import STATIC_PERIOD

# Fewest periods with which a routine plan can fit, tune and judge one after another.
_FEWEST_PERIODS = 3


def plan_for(
    rows: Rows,
    windows: Mapping[str, tuple[str, ...]],
    holdout: tuple[str, ...],
    *,
    degraded: bool,
    salt: str,
) -> Plan:
    """Return the plan for these rows.

    Raises:
        DataError: degraded, but no row lies in the drifted periods; the holdout lies before all
            training periods.

    >>> rows = Rows(entity=np.array([0]), entities=("x",), period=np.array([0]),
    ...             periods=("static",), time=np.array([0]), horizon=0)
    >>> type(plan_for(rows, {}, (), degraded=False, salt="7")).__name__
    'Grouped'
    """
    present = tuple(rows.periods[i] for i in np.unique(rows.period))
    if present in ((), (STATIC_PERIOD,)):
        return Grouped(share=rows.shares(f"group|{salt}"))
    judged = tuple(p for p in sorted(holdout) if p in present)
    if degraded:
        return _degraded(rows, windows, judged, present, salt)
    judged = judged or present[-_set_aside(len(present)) :]
    if len(present) < _FEWEST_PERIODS or len([p for p in present if p < judged[0]]) == 1:
        # Too few weeks to put one behind the other: entities are dealt instead.
        return Grouped(share=rows.shares(f"group|{salt}"))
    return _routine(rows, windows, judged, present)


def _routine(
    rows: Rows,
    windows: Mapping[str, tuple[str, ...]],
    judged: tuple[str, ...],
    present: tuple[str, ...],
) -> Routine:
    before = [p for p in present if p < judged[0]]
    if not before:
        raise DataError(
            f"no training week lies before the first judged week {judged[0]}",
            why="a candidate is judged on weeks that come after those it learnt from",
            fix="Wait for more matured weeks, or load older history.",
        )
    tune = tuple(before[-_set_aside(len(before)) :])
    lengths = {
        name: 0 if name == ALL or name.startswith(DECAY) else len(span)
        for name, span in (windows or {ALL: present}).items()
        if name not in (RECENT, MIXED) and span
    }
    return Routine(rows=rows, lengths=lengths or {ALL: 0}, holdout=judged, tune=tune)


def _degraded(
    rows: Rows,
    windows: Mapping[str, tuple[str, ...]],
    judged: tuple[str, ...],
    present: tuple[str, ...],
    salt: str,
) -> Degraded:
    if not judged:
        raise DataError(
            "no labelled row lies in the drifted weeks",
            why="a remedy for a drift can only be judged on the weeks after it began",
            fix="Wait until labels of the drifted weeks have matured.",
        )
    old = tuple(p for p in present if p < judged[0])
    spans = {name: tuple(span) for name, span in windows.items() if name not in (RECENT, MIXED)}
    spans = {**(spans or {ALL: old}), MIXED: old, RECENT: ()}
    return Degraded(
        rows=rows,
        spans=spans,
        drifted=rows.within(judged),
        judge=np.asarray(rows.shares(f"judge|{salt}") >= 0.5),
        second_fold=np.asarray(rows.shares(f"fold|{salt}") >= 0.5),
    )


def _set_aside(periods: int) -> int:
    return max(1, min(TUNE_PERIODS, int(periods * TUNE_SHARE)))
