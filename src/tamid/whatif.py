"""Policies tried on the user's own history: the wiring of the performance tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING

import polars as pl

from tamid.core.errors import DataError, NotFound
from tamid.core.values import ENTITY, digest_of
from tamid.rehearsal import Reality, dealt, really, rehearsed, whole
from tamid.wiring import sources_of, user_code
from tamid.workshop.tools import learner_of, load_features

if TYPE_CHECKING:
    from tamid.config import Config
    from tamid.core.contract.model import Contract
    from tamid.core.policies.money import Prices
    from tamid.core.policies.policy import ReplayPolicy
    from tamid.core.state import State
    from tamid.ports import Progress, Source
    from tamid.stages.matrix import Matrix
    from tamid.stages.rig import Rig
    from tamid.stages.supply import Supply
    from tamid.stages.tensor import Made

# A batch costs a check and a write, whatever its size: single weeks would outlast the fits.
_PERIODS_A_BATCH = 8
_NOTHING = Reality()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a tensor is made for: history up to `until`, the windows, the lag, how many weeks apart.

    `first`: the week (as index) of the first model; None for a fifth of the history.
    """

    until: datetime
    windows: tuple[str, ...] = ("all", "long", "short", "decay")
    lag: int = 1
    first: int | None = None
    step: int | None = None


def performance(
    contract: Contract,
    path: Path,
    asked: Asked,
    progress: Progress,
    kept: MutableMapping[str, bytes] | None = None,
    real: Reality = _NOTHING,
) -> Made:
    """Fit and score the models of a contract's history; `path` is the contract's file.

    The user's code runs in this process. What `kept` holds of an earlier time is taken from there.
    `real`: whom the workspace had treated or held back.

    Raises:
        DataError: no history, or too short; UserCodeError: as in training.
    """
    from tamid.core.learning.splits import DECAY
    from tamid.stages.fits import Bench
    from tamid.stages.tensor import layout, tensor

    code = user_code(contract, path.parent)
    rows = history(contract, path, asked.until, real)
    learner = learner_of(contract, code, rows.classes)
    windows = tuple(w for w in asked.windows if w != DECAY or not learner.unweighed())
    plan = layout(rows, windows, lag=asked.lag)
    plan = replace(
        plan,
        first=plan.first if asked.first is None else asked.first,
        step=asked.step or plan.step,
    )
    bench = Bench(
        learner=learner,
        params=dict(contract.training.params),
        seed=contract.training.seed,
        seconds=process_time,
        code=digest_of(code),
    )
    return tensor(rows, plan, bench, progress, kept)


def shelf(store: Path) -> MutableMapping[str, bytes]:
    """Return what earlier tensors of a workspace left; it may be deleted at any time."""
    from tamid.adapters.shelf import FolderShelf

    return FolderShelf(store / "tensors")


def sampled(
    rig: Rig, state: State, keep: Callable[[pl.DataFrame], pl.DataFrame]
) -> tuple[Rig, State, float]:
    """Return a model's data in memory, without predictions: some rows, and all of their entities.

    `keep` chooses among the rows. The third value is the share of the rows that it kept.
    """
    from tamid.adapters.memory_tables import MemoryTables

    whole = rig.tables.read(state.pins[rig.table("rows")])
    some = keep(whole)
    who = some.select(pl.col(ENTITY).unique())
    tables, pins = MemoryTables(), {}
    for name, pin in state.pins.items():
        if name == rig.table("predictions"):
            continue
        rows = name == rig.table("rows")
        part = some if rows else rig.tables.read(pin).join(who, on=ENTITY, how="semi")
        pins[name] = tables.write(name, part, key="sample", token=0, mode="append")
    return replace(rig, tables=tables), replace(state, pins=pins), some.height / whole.height


def policy_at(file: Path, contract: Path) -> ReplayPolicy:
    """Read a policy from a file: a whole contract, or blocks laid over the one in the folder.

    Raises:
        NotFound: there is no such file; ContractError: all problems, with lines.
    """
    from tamid.adapters import yaml
    from tamid.core.policies.file import policy_in

    try:
        content = file.read_bytes()
    except OSError as error:
        raise NotFound(
            f"there is no policy at {file}", why=error.strerror or str(error),
            fix="Name a file, or one of never, weekly, 4-weekly, quarterly, quality, age, default, "
            "today, new.",
        ) from None  # fmt: skip
    basis = yaml.read(contract.read_bytes(), contract.name)
    return policy_in(yaml.read(content, file.name), basis, file.name)


def prices_in(config: Config) -> Prices:
    """Return what things cost in a workspace."""
    from tamid.core.policies.money import Prices

    return Prices(currency=config.currency, **config.prices)


def history(contract: Contract, path: Path, until: datetime, real: Reality = _NOTHING) -> Matrix:
    """Return the labelled rows of a contract's files as one matrix.

    Raises:
        DataError: there is none; UserCodeError: the feature code failed.
    """
    from tamid.stages.matrix import matrix

    code = user_code(contract, path.parent)
    entry = contract.features.code
    facts, unread = really(contract, sources_of(contract, path.parent), real, until)
    with taken_in(contract, path, until) as (rig, state):
        features = load_features(code, entry) if entry else None
        return matrix(rig, contract, state, features, until, facts, unread)


def supplied(contract: Contract, path: Path, until: datetime) -> Supply:
    """Return how many rows and labels a contract's files hold; no code of the user runs.

    Raises:
        DataError: there is none.
    """
    from tamid.stages.supply import supply

    with taken_in(contract, path, until) as (rig, state):
        return supply(rig, contract, state, until)


@contextmanager
def taken_in(contract: Contract, path: Path, until: datetime) -> Iterator[tuple[Rig, State]]:
    """Take all batches in, as the loop would, into tables in memory."""
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.stages.intake import intake
    from tamid.stages.journal import Journal

    with TemporaryDirectory(prefix="tamid-replay-") as keys:
        past = _batches(contract, sources_of(contract, path.parent), until)
        rig = rehearsed(contract, past, SimulatedClock(until), Path(keys))
        journal = Journal(rig.ledger, rig.model)
        for event in intake(rig, contract, lambda: journal.state, until, 0):
            journal.append(event, until)
        if rig.table("rows") not in journal.state.pins:
            raise DataError(
                f"model {contract.name!r} has no rows that could be taken in",
                why="; ".join(r for x in journal.state.refused.values() for r in x.event.reasons)
                or "its source is empty",
            )
        yield rig, journal.state


def _batches(
    contract: Contract, sources: Mapping[str, Source], until: datetime
) -> Mapping[str, Source]:
    """Return each source in batches of some periods, so that a bad one is refused alone."""
    from tamid.adapters.history import HistorySource
    from tamid.adapters.memory_clock import SimulatedClock
    from tamid.stages.feeds import ROWS

    every = _PERIODS_A_BATCH * contract.delivery.every
    # The last batch is shown when its span is over, which may be after `until`.
    clock = SimulatedClock(until + every)

    def history(frame: pl.DataFrame, known: pl.Series) -> HistorySource:
        if contract.data.time is None:  # rows without a moment are there from the first
            known = pl.repeat(until, len(known), dtype=pl.Datetime("us", "UTC"), eager=True)
        there = (known <= until).fill_null(value=False)
        frame, known = frame.filter(there), known.filter(there)
        begin = known.min() or until
        return HistorySource(frame, known, clock, begin=begin, end=until, every=every)  # type: ignore[arg-type]

    return dealt(contract, whole(sources[ROWS]), sources, history)
