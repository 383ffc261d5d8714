"""The ports of a rehearsal: the user's own files as history, all else in memory.

A backtest turns the loop over them, a comparison of policies takes them in once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from tamid.core.errors import DataError
from tamid.core.values import ENTITY
from tamid.workshop import inline_scorer, inline_trainer, parse

if TYPE_CHECKING:
    from tamid.adapters.history import HistorySource
    from tamid.core.contract.model import Contract
    from tamid.core.state import State
    from tamid.ports import Beside, Clock, Scorer, Source
    from tamid.pseudonyms import Edges
    from tamid.stages.rig import Rig

Dealer = Callable[[pl.DataFrame, pl.Series], "HistorySource"]


class Place(Protocol):
    """What is asked of an opened workspace."""

    edges: Edges

    def state(self, model: str) -> State:
        """Return a model's present."""
        ...

    def contract(self, model: str) -> Contract:
        """Return a model's contract in force."""
        ...

    def rig(self, model: str) -> Rig:
        """Return a model's ports."""
        ...


class Silent:
    """Hides the steps of single runs: the rehearsal as a whole tells how far it is."""

    def step(self, text: str, done: int, total: int) -> None:
        """Say nothing."""


class Untimed:
    """A Scorer whose probe measures no times: a rehearsal repeats itself on any machine."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self.score = scorer.score

    def probe(
        self,
        bundle: str,
        overlay: str,
        frame: pl.DataFrame,
        repeats: int,
        beside: Beside | None = None,
    ) -> Mapping[str, float]:
        """Return the difference from the golden scores, and zero for what needs a clean process."""
        found = self._scorer.probe(bundle, overlay, frame, 1)
        return {name: v if name == "golden_difference" else 0.0 for name, v in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reality:
    """Whom a workspace treated or held back, by rows."""

    planned: pl.DataFrame | None = None


def reality_of(place: Place, model: str) -> Reality:
    """Return whom the live loop of a model treated, and with which chance it held others back."""
    from tamid.stages import dataset

    state = place.state(model)
    if f"{model}.predictions" not in state.pins:
        return Reality()
    rig, vault = place.rig(model), place.edges.vault
    found = dataset.planned(rig.tables, place.contract(model), state)
    if found is None or vault is None:
        return Reality(planned=found)
    # A rehearsal reads the files, which have names.
    kept = vault.names(found.get_column(ENTITY).unique().to_list())
    named = pl.Series(ENTITY, [kept.get(p) for p in found.get_column(ENTITY)], dtype=pl.String)
    return Reality(planned=found.with_columns(named).filter(pl.col(ENTITY).is_not_null()))


def really(
    contract: Contract, sources: Mapping[str, Source], real: Reality, until: datetime
) -> tuple[pl.DataFrame | None, str]:
    """Return whom campaigns really acted on, by the inbox and the workspace, and what is unread."""
    from tamid.core.contract.running import ACTIONS
    from tamid.stages.in_fact import facts, known_acts

    acts, lost = known_acts(contract, sources.get(ACTIONS), until)
    return facts(contract, acts, real.planned), lost


def whole(source: Source) -> pl.DataFrame:
    """Return everything that a source has. Raises DataError if it has nothing."""
    batches = source.batches()
    if not batches:
        raise DataError(
            "a source has no data",
            why="no file matches its path in the contract",
            fix="Run `tamid doctor`: it names the path.",
        )
    return pl.concat([source.read(b) for b in batches], how="diagonal_relaxed")


def dealt(
    contract: Contract, rows: pl.DataFrame, sources: Mapping[str, Source], deal: Dealer
) -> dict[str, HistorySource]:
    """Return each source of a contract as history, the labels apart from the `rows`.

    `deal` makes history out of a frame and the moment at which each of its rows became known.
    """
    from tamid.stages.feeds import LABELS, ROWS
    from tamid.stages.past import known_events, known_labels, known_rows

    heard = whole(sources[LABELS]) if LABELS in sources else rows
    found = {
        ROWS: deal(rows, known_rows(contract, rows)),
        LABELS: deal(heard, known_labels(contract, heard)),
    }
    for name in contract.data.tables:
        events = whole(sources[name])
        found[name] = deal(events, known_events(contract, name, events))
    return found


def rehearsed(contract: Contract, past: Mapping[str, Source], clock: Clock, keys: Path) -> Rig:
    """Return the ports of a model over its history; its bundles are signed by a key in `keys`."""
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
        progress=Silent(),
        parse=parse,
        generator=np.random.default_rng,
        salt="replay",
        learner=helper_learner(),
        holidays=holidays_of,
    )
