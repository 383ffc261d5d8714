"""The ports of a backtest: the user's own files as they became known, all else in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tamid.core.errors import UsageError
from tamid.wiring import sources_of, user_code
from tamid.workshop import inline_scorer, inline_trainer, parse

if TYPE_CHECKING:
    from tamid.adapters.history import HistorySource
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.core.contract.model import Contract
    from tamid.ports import Progress, Scorer, Source
    from tamid.stages.past import Replay
    from tamid.stages.rig import Rig


class _Silent:
    """Hides the steps of single runs: the replay as a whole tells how far it is."""

    def step(self, text: str, done: int, total: int) -> None:
        """Say nothing."""


class Untimed:
    """A Scorer whose probe measures no times: a backtest repeats itself on any machine."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.score = scorer.score

    def probe(
        self, bundle: str, overlay: str, frame: pl.DataFrame, repeats: int
    ) -> Mapping[str, float]:
        """Return the difference from the golden scores, and zero for what needs a clean process."""
        found = self._scorer.probe(bundle, overlay, frame, 1)
        return {name: v if name == "golden_difference" else 0.0 for name, v in found.items()}


def backtest(
    contract: Contract,
    path: Path,
    begin: datetime,
    end: datetime,
    *,
    rivals: tuple[str, ...],
    progress: Progress,
) -> Replay:
    """Turn the loop over the files of a contract as they became known from `begin` to `end`.

    `path` is the contract's file, beside which its code and data are found. The user's code runs in
    this process. Bundles are signed by a key that is thrown away.

    Raises:
        UsageError: there is nothing to replay; DataError, UserCodeError: as the loop itself.
    """
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.stages.replay import Course, replay

    _refuse_senseless(contract, begin, end)
    clock = SimulatedClock(begin)
    past = _past(contract, sources_of(contract, path.parent), clock, begin, end)
    code = user_code(contract, path.parent)
    lasts = [source.last for source in past.values() if source.last is not None]
    wait = contract.data.label.horizon + contract.data.label.reporting_lag
    course = Course(
        begin=begin,
        end=end,
        later=max([*lasts, end + wait]) + timedelta(days=1),
        move=clock.set,
        rivals=rivals,
        progress=progress,
    )
    with TemporaryDirectory(prefix="tamid-replay-") as keys:
        rig = _rig(contract, past, clock, Path(keys))
        return replay(rig, path.read_text("utf-8"), code, course)


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
    from tamid.stages.feeds import LABELS, ROWS
    from tamid.stages.past import known_events, known_labels, known_rows

    def history(frame: pl.DataFrame, known: pl.Series) -> HistorySource:
        every = contract.monitoring.every
        return HistorySource(frame, known, clock, begin=begin, end=end, every=every)

    rows = _whole(sources[ROWS])
    _refuse_elsewhere(contract, rows, begin, end)
    heard = _whole(sources[LABELS]) if LABELS in sources else rows
    found = {
        ROWS: history(rows, known_rows(contract, rows)),
        LABELS: history(heard, known_labels(contract, heard)),
    }
    for name in contract.data.tables:
        events = _whole(sources[name])
        found[name] = history(events, known_events(contract, name, events))
    return found


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


def _whole(source: Source) -> pl.DataFrame:
    return pl.concat([source.read(b) for b in source.batches()], how="diagonal_relaxed")


def _rig(
    contract: Contract,
    past: Mapping[str, HistorySource],
    clock: SimulatedClock,
    keys: Path,
) -> Rig:
    from tamid.adapters.holiday_table import holidays_of
    from tamid.adapters.keys import Keys
    from tamid.adapters.memory import MemoryLeases, MemoryLedger, MemorySink
    from tamid.adapters.memory_blobs import MemoryBlobs
    from tamid.adapters.memory_tables import MemoryTables
    from tamid.core.policy import policy_of
    from tamid.stages.rig import Rig
    from tamid.workshop.helpers import helper_learner

    leases, blobs, signer = MemoryLeases(), MemoryBlobs(), Keys(keys)
    signer.create()
    scorer = inline_scorer(blobs, signer)
    return Rig(
        model=contract.name,
        clock=clock,
        ledger=MemoryLedger(leases),
        leases=leases,
        blobs=blobs,
        tables=MemoryTables(),
        sources=past,
        trainer=inline_trainer(),
        scorer=Untimed(scorer),
        rules=scorer,
        signer=signer,
        sinks={name: MemorySink() for name in policy_of(contract).sinks},
        progress=_Silent(),
        parse=parse,
        generator=np.random.default_rng,
        salt="replay",
        learner=helper_learner(),
        holidays=holidays_of,
    )
