"""The only wiring: it alone names adapters, and imports each on use."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.config import FILE, Config, find, reread
from tamid.core.errors import ContractError, NotFound, TamidError, UsageError
from tamid.core.values import Role
from tamid.pseudonyms import Edges, edges_in
from tamid.store import begun, missing, refuse_without_secrets
from tamid.targets import sinks_of
from tamid.views import admitted
from tamid.wiring import (
    keys_in,
    load_contract,
    lookup_in,
    name_in,
    origin_of,
    salt_in,
    sources_of,
    spool_in,
    written_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tamid.adapters.spawn import SpawnScorer, SpawnTrainer
    from tamid.core.chain import Recorded
    from tamid.core.contract.model import Contract
    from tamid.core.events import Event
    from tamid.core.state import State
    from tamid.ports import Clock, Progress
    from tamid.stages.loop import TickReport
    from tamid.stages.past import Replay
    from tamid.stages.rig import Rig


class Quiet:
    """A Progress that says nothing."""

    def step(self, text: str, done: int, total: int) -> None:
        """Ignore it."""


class App:
    """One workspace, opened for work; `close` it to end the workers."""

    def __init__(
        self, config: Config, *, clock: Clock | None = None, progress: Progress | None = None
    ) -> None:
        from tamid.adapters.blobs import FileBlobs
        from tamid.adapters.delta import DeltaTables
        from tamid.adapters.sqlite import SqliteLeases, SqliteLedger
        from tamid.adapters.system import SystemClock

        config.store.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.progress: Progress = progress or Quiet()
        self.ledger = SqliteLedger(config.store / "ledger.sqlite")
        self.leases = SqliteLeases(config.store / "ledger.sqlite")
        self.blobs = FileBlobs(config.store / "blobs")
        self.tables = DeltaTables(config.store / "tables")
        used = bool(self.ledger.streams())
        begun(config.store, used=used, entities=config.entities)
        lost = missing(config.store)
        self._salt = "" if lost else salt_in(config.store / "salt")
        self.edges = Edges() if lost else edges_in(config, self._salt, used=used)
        self._rigs: dict[str, Rig] = {}
        self._states: dict[str, State] = {}
        self._texts: dict[str, tuple[str, Contract]] = {}
        self._paths: dict[str, Path] | None = None
        self._scorer: SpawnScorer | None = None
        self._trainer: SpawnTrainer | None = None
        # More than one tick is coming: worth having processes ready before they are needed.
        self.stays = False
        self.places: dict[str, Path] = {}  # where rows are read instead of where the contract says
        self.holder = f"{socket.gethostname()}:{os.getpid()}"

    @classmethod
    def open(
        cls, start: Path, *, clock: Clock | None = None, progress: Progress | None = None
    ) -> App:
        """Open the workspace that a folder lies in. Raises NotFound."""
        return cls(find(start), clock=clock, progress=progress)

    def models(self) -> Mapping[str, Path]:
        """Return the contract file of each model by name.

        Raises:
            ContractError: a contract that does not even name its model.
        """
        if self._paths is None:
            self._paths = {name_in(path): path for path in self.config.contracts}
        return self._paths

    def reread(self) -> Mapping[Path, TamidError]:
        """Follow the workspace file and its contracts as they stand now; return what is broken.

        A broken file changes nothing: what it said when it was last whole stays in force.
        """
        before, broken = self.models(), dict[Path, TamidError]()
        try:
            self.config = reread(self.config)
        except TamidError as error:
            broken[self.config.root / FILE] = error
        known, paths = {path: name for name, path in before.items()}, dict[str, Path]()
        for path in self.config.contracts:
            name = known.get(path, "")
            try:
                load_contract(path)
                name = name_in(path)
            except TamidError as error:
                broken[path] = error
                name = name if name and self.state(name).contract else ""
            if name in paths:
                broken[path] = UsageError(f"{path} and {paths[name]} both name {name}")
            elif name:
                paths[name] = path
        for name in before:
            if paths.get(name) != before[name]:
                self._rigs.pop(name, None)
                self._texts.pop(name, None)
        self._paths = paths
        return broken

    def one(self, name: str | None) -> str:
        """Return the named model, or the only one. Raises NotFound, UsageError."""
        known = self.models()
        if name is None:
            if len(known) == 1:
                return next(iter(known))
            raise UsageError(
                "which model?", why=f"there are {', '.join(known)}", fix="Use --model."
            )
        if name not in known:
            raise NotFound(f"there is no model {name!r}", why=f"there are {', '.join(known)}")
        return name

    def state(self, model: str) -> State:
        """Return the present of a model, folded from the ledger."""
        from tamid.core.fold import fold

        known = self._states.get(model)
        records = self.ledger.read(model, known.seq if known else 0)
        self._states[model] = fold(records, known)
        return self._states[model]

    def records(self, model: str) -> Sequence[Recorded]:
        """Return all events of a model."""
        return self.ledger.read(model)

    def contract(self, model: str) -> Contract:
        """Return the contract in force; before the first adoption the one in the folder."""
        from tamid.workshop import parse

        digest = self.state(model).contract
        return parse(self.blobs.get(digest).decode()) if digest else self.folder_contract(model)

    def folder_contract(self, model: str) -> Contract:
        """Return the contract as it stands in the folder. Raises ContractError."""
        return load_contract(self.models()[model])

    def adopt(
        self, model: str, *, actor: str = "tamid", reason: str = "", role: Role = Role.CONTROLLER
    ) -> State:
        """Bring the contract and code that stand in the folder into force for new runs."""
        from tamid.stages.loop import adopt

        refuse_without_secrets(self.config.store, "turn the loop")
        text, code = written_in(self.models()[model])
        if self._texts.get(model, ("",))[0] != text:
            # Sources and targets follow the contract: the ports are opened anew.
            contract = self.folder_contract(model)
            reason = admitted(contract, self.models(), self.state, self.contract, reason)
            self._texts[model] = (text, contract)
            self._rigs.pop(model, None)
        rig, known, now = self.rig(model), self.state(model), self.clock.now()
        return adopt(rig, text, code, now, actor=actor, reason=reason, role=role, known=known)

    def tick(self, model: str, stop: Callable[[], bool] = lambda: False) -> TickReport:
        """Turn the loop once; `stop` ends it before its next round.

        A contract in the folder that has problems does not stop the loop: the one in force stays.

        Raises:
            Conflict, LeaseLost: another controller acts.
            ContractError: the folder's contract has problems, and none was adopted before.
        """
        from tamid.stages.loop import tick

        broken = ""
        if self.state(model).retired:
            return tick(self.rig(model), self.holder, self._states.get(model), stop)
        try:
            before = self.state(model).contract
            why = "the files in the folder changed" if before else "first turn of the loop"
            self.adopt(model, reason=why)
        except (ContractError, NotFound) as error:
            if not self.state(model).contract:
                raise
            broken = f"{error.what}: the contract in force stays ({error.remedy})"
        report = tick(self.rig(model), self.holder, self._states.get(model), stop)
        self._states[model] = report.state
        return replace(report, waiting=(*report.waiting, broken)) if broken else report

    def backtest(
        self, model: str, begin: datetime, end: datetime, rivals: tuple[str, ...]
    ) -> Replay:
        """Turn the loop over the model's own history, and keep nothing of it."""
        from tamid.backtest import backtest
        from tamid.rehearsal import reality_of

        path, contract = self.models()[model], self.folder_contract(model)
        real = reality_of(self, model)
        return backtest(contract, path, begin, end, rivals, self.progress, real)

    def record(self, model: str, event: Event, *, role: Role, actor: str, reason: str) -> State:
        """Append a person's act. Raises Conflict if the ledger grew meanwhile."""
        from tamid.stages.journal import Journal

        journal = Journal(self.ledger, model)
        return journal.append(event, self.clock.now(), reason=reason, actor=actor, role=role)

    def rig(self, model: str) -> Rig:
        """Return the ports of one model, opened once."""
        if model not in self._rigs:
            self._rigs[model] = self._open(model)
        return self._rigs[model]

    def close(self) -> None:
        """End the worker processes."""
        for workers in (self._scorer, self._trainer):
            if workers is not None:
                workers.close()
        self._scorer = self._trainer = None
        self._rigs.clear()
        if self.edges.vault is not None:
            self.edges.vault.close()

    def usable(self, model: str) -> Contract:
        """Return the folder's contract, or the one in force if that has problems."""
        try:
            return self.folder_contract(model)
        except ContractError:
            if not self.state(model).contract:
                raise
            return self.contract(model)

    def _open(self, model: str) -> Rig:
        from numpy.random import default_rng

        from tamid.adapters.holiday_table import holidays_of
        from tamid.adapters.report_files import FileReports
        from tamid.adapters.spawn import SpawnTrainer
        from tamid.stages.rig import Rig
        from tamid.workshop import parse, spawn_scorer
        from tamid.workshop.helpers import helper_learner

        path = self.models()[model]
        contract = self._texts[model][1] if model in self._texts else self.usable(model)
        signer = keys_in(self.config.store)
        self._scorer = self._scorer or spawn_scorer(self.blobs, signer, ahead=self.stays)
        near = self.stays and not self.state(model).versions
        self._trainer = self._trainer or SpawnTrainer(
            self.config.store / "studies", warm=True, ahead=near
        )
        sources = sources_of(contract, path.parent, self.places.get(model))
        return Rig(
            model=model,
            clock=self.clock,
            ledger=self.ledger,
            leases=self.leases,
            blobs=self.blobs,
            tables=self.tables,
            sources=self.edges.sources(contract, sources),
            trainer=self._trainer,
            scorer=self._scorer,
            rules=self._scorer if hasattr(self._scorer, "rule") else None,
            spool=self.edges.spool(contract, spool_in(self.config.store, model)),
            lookup=lookup_in(self.config.store, model),
            signer=signer,
            sinks=self.edges.sinks(contract, sinks_of(contract, path.parent, self.clock)),
            progress=self.progress,
            parse=parse,
            generator=default_rng,
            salt=self._salt,
            holidays=holidays_of,
            origin=lambda: origin_of(path),
            learner=helper_learner(),
            reports=FileReports(self.config.store / "reports"),
        )
