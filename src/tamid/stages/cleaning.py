"""What the declared cleaning does, counted step by step over the rows that came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tamid.core.contract.model import CleanStep, Contract
from tamid.core.errors import DataError
from tamid.core.events import RowsCleaned, RunStarted
from tamid.core.state import State
from tamid.stages import dataset, features, joining
from tamid.stages.alone import named
from tamid.stages.rig import Rig


def count_cleaning(
    rig: Rig, contract: Contract, state: State, now: datetime
) -> Iterator[RowsCleaned]:
    """Count over the periods that came since the last count, or all of them under new steps."""
    pin = state.pins.get(rig.table("rows"))
    if not contract.clean or pin is None:
        return
    last = state.cleaned
    same = last is not None and last.contract == state.contract
    since = last.through if last is not None and same else 0
    periods = tuple(sorted(p for p, seq in state.periods.items() if seq > since))
    if not periods:
        return
    try:
        counts = counted(rig, contract, state, periods, now)
    except DataError:
        return  # whoever needs the rows is told which step does not fit
    yield RowsCleaned(
        key=f"cleaned/{pin.version}/{state.contract[-12:]}",
        pin=pin,
        contract=state.contract,
        through=state.seq,
        periods=periods,
        steps={named(i, c.step): (c.before, c.after, c.changed) for i, c in enumerate(counts, 1)},
    )


def counted(
    rig: Rig, contract: Contract, state: State, periods: Sequence[str] | None, now: datetime
) -> tuple[features.StepCount, ...]:
    """Return what each step does to the stored good rows of some periods; None: of all.

    Raises:
        DataError: a step does not fit its columns.
    """
    rows = joining.rows_of(rig.tables, contract, state.pins, periods, now)
    return features.clean(dataset.good(rows), contract.clean).counts


def cleaned_for(
    rig: Rig, contract: Contract, state: State, started: RunStarted, now: datetime
) -> dict[str, tuple[int, int, int]]:
    """Return what the steps do to the rows of a run's periods, by :func:`named`; {} without steps.

    Rows before, rows after and values changed: of all good rows, labelled or not.
    """
    if not contract.clean:
        return {}
    pinned = replace(state, pins={pin.table: pin for pin in started.pins})
    counts = counted(rig, contract, pinned, started.periods, now)
    return {named(i, c.step): (c.before, c.after, c.changed) for i, c in enumerate(counts, 1)}


def columns_of(step: CleanStep) -> str:
    """Return the columns of a step for people."""
    return ", ".join(step.columns) or "all that fit"
