"""The wiring of a backtest: the loop over the user's own files as they became known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import polars as pl

from tamid.core.errors import UsageError
from tamid.rehearsal import Reality, dealt, really, rehearsed, whole
from tamid.wiring import contract_text, sources_of, user_code

if TYPE_CHECKING:
    from tamid.adapters.history import HistorySource
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.core.contract.model import Contract
    from tamid.ports import Progress, Source
    from tamid.stages.past import Replay


def backtest(
    contract: Contract,
    path: Path,
    begin: datetime,
    end: datetime,
    rivals: tuple[str, ...],
    progress: Progress,
    real: Reality | None = None,
) -> Replay:
    """Turn the loop over the files of a contract as they became known from `begin` to `end`.

    `path` is the contract's file, beside which its code and data are found. The user's code runs in
    this process. Bundles are signed by a key that is thrown away. `real`: whom the workspace had
    treated or held back.

    Raises:
        UsageError: there is nothing to replay; DataError, UserCodeError: as the loop itself.
    """
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.stages.replay import Course, replay

    _refuse_senseless(contract, begin, end)
    clock = SimulatedClock(begin)
    sources = sources_of(contract, path.parent)
    past = _past(contract, sources, clock, begin, end)
    code = user_code(contract, path.parent)
    lasts = [source.last for source in past.values() if source.last is not None]
    wait = contract.data.label.horizon + contract.data.label.reporting_lag
    later = max([*lasts, end + wait]) + timedelta(days=1)
    facts, unread = really(contract, sources, real or Reality(), later)
    course = Course(
        begin=begin,
        end=end,
        later=later,
        move=clock.set,
        rivals=rivals,
        progress=progress,
        facts=facts,
        unread=unread,
    )
    with TemporaryDirectory(prefix="tamid-replay-") as keys:
        rig = rehearsed(contract, past, clock, Path(keys))
        return replay(rig, contract_text(path), code, course)


def _refuse_senseless(contract: Contract, begin: datetime, end: datetime) -> None:
    if contract.data.time is None:
        raise UsageError(
            f"model {contract.name!r} has no time column, so there is no history to replay",
            why="rows without a moment all become known at once",
            fix="Name a time column in the contract's data block.",
        )
    if end <= begin:
        raise UsageError(
            f"the replay ends on {end:%Y-%m-%d}, which is not after its beginning {begin:%Y-%m-%d}",
            fix="Give --from a date before --to.",
        )


def _past(
    contract: Contract,
    sources: Mapping[str, Source],
    clock: SimulatedClock,
    begin: datetime,
    end: datetime,
) -> dict[str, HistorySource]:
    """Return each source of the contract as history, the labels apart from the rows."""
    from tamid.adapters.history import HistorySource
    from tamid.stages.feeds import ROWS

    def history(frame: pl.DataFrame, known: pl.Series) -> HistorySource:
        every = contract.monitoring.every
        return HistorySource(frame, known, clock, begin=begin, end=end, every=every)

    rows = whole(sources[ROWS])
    _refuse_elsewhere(contract, rows, begin, end)
    return dealt(contract, rows, sources, history)


def _refuse_elsewhere(
    contract: Contract, rows: pl.DataFrame, begin: datetime, end: datetime
) -> None:
    """Refuse a stretch in which there is nothing to score."""
    from tamid.stages.past import known_rows

    known = known_rows(contract, rows).drop_nulls().cast(pl.Datetime("us", "UTC"))
    if known.is_empty():
        raise UsageError(
            f"no row of model {contract.name!r} has a moment",
            why="the time column could not be read in any row, so there is no history to replay",
            fix="Run `tamid contract check` and look at the column that `data.time` names.",
        )
    first, last = known.min(), known.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    if last < begin or first > end:
        raise UsageError(
            f"there are no rows from {begin:%Y-%m-%d} to {end:%Y-%m-%d}",
            why=f"the rows of model {contract.name!r} became known from {first:%Y-%m-%d} "
            f"to {last:%Y-%m-%d}",
            fix="Choose --from and --to within that time.",
        )
