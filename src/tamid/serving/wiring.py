"""The wiring of the server: it alone names adapters here, and opens everything to read only."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.config import Config, find
from tamid.core.errors import NotFound, UsageError
from tamid.store import format_of, refuse_without_secrets

# The least urgent that a process can be.
_LOWEST = 19

if TYPE_CHECKING:
    from tamid.core.contract.model import Contract
    from tamid.core.learning.bundle import Opened
    from tamid.ports import RowModel
    from tamid.serving.brain.follow import Follower
    from tamid.serving.brain.loading import World
    from tamid.serving.brain.opening import Verified
    from tamid.serving.http.app import Application
    from tamid.serving.http.settings import Settings
    from tamid.serving.log.book import Book
    from tamid.serving.reporting import Counted, Reporter
    from tamid.serving.seams import LookUp, Process


def world_of(config: Config, model: str, say: Callable[[str], None]) -> World:
    """Return what a brain reads and starts."""
    from tamid.adapters.blobs import FileBlobs
    from tamid.adapters.keys import Keys
    from tamid.adapters.sqlite import SqliteLedger
    from tamid.serving.brain.loading import World
    from tamid.wiring import lookup_in
    from tamid.workshop import parse

    return World(
        ledger=SqliteLedger(config.store / "ledger.sqlite", read_only=True),
        blobs=FileBlobs(config.store / "blobs"),
        # Only public keys are used: nothing is signed here.
        signer=Keys(config.store / "keys"),
        parse=parse,
        spawn=SpawnedProcess,
        spawn_low=LowProcess,
        control=control_of(config),
        lasts=lookup_in(config.store, model),
        row_model=row_model_of,
        say=say,
        key=_key_of(config),
    )


def _key_of(config: Config) -> bytes:
    """Return the key of the pseudonyms, empty where entities are stored as they were given."""
    from tamid.pseudonyms import key_in

    key = key_in(config.store)
    if config.entities == "pseudonyms" and not key:
        raise UsageError(
            f"the key of the pseudonyms is not in {config.store}",
            why="without it, entities would be logged as they are given",
            fix="Lay `vault.key` of the workspace there (in a container: mount it).",
        )
    return key


def row_model_of(found: Verified) -> RowModel | None:
    """Return a version as a compiled row model; None: only a worker can answer with it."""
    from tamid.core.errors import MissingExtra, Uncompilable
    from tamid.workshop import open_row_model

    try:
        return open_row_model(found.opened.files, found.opened.overlay)
    except (Uncompilable, MissingExtra):
        return None


def brain_of(
    start: Path,
    model: str | None = None,
    *,
    deadline: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Follower:
    """Return the brain of a model in the workspace that a folder lies in; `begin` sets it going.

    Raises:
        NotFound: there is no workspace, ledger or such model; UsageError: there are several.
    """
    from tamid.serving.brain.follow import Follower

    config = find(start)
    format_of(config.store)
    refuse_without_secrets(config.store, "answer for it")
    name = one_model(config, model)
    return Follower(name, world_of(config, name, say), deadline=deadline)


def lookup_of(start: Path, model: str) -> LookUp:
    """Return what the controller of a workspace knows of the entities of a model."""
    from tamid.wiring import lookup_in

    return lookup_in(find(start).store, model)


def book_of(start: Path, model: str) -> Book:
    """Return the prediction log of a model in a workspace."""
    from tamid.serving.log.book import Book

    return Book(spool_folder(find(start).store, model), model)


def application_of(
    start: Path,
    model: str | None,
    settings: Settings,
    *,
    deadline: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Application:
    """Return the application that serves a model, with all that works beside it.

    Raises:
        NotFound, UsageError: as :func:`brain_of`.
    """
    from tamid.serving.crew.mate import Mate, standing
    from tamid.serving.http import drills
    from tamid.serving.http.app import Application
    from tamid.serving.log.watch import Watch

    brain = brain_of(start, model, deadline=deadline, say=say)
    book = book_of(start, brain.model)
    made = Application(brain, brain.model, settings, book, lookup_of(start, brain.model))
    drills.add_routes(brain, settings, made.add)
    watch = Watch(book, brain.voices, made.counts.reasons)
    book.watchers.append(watch)
    book.endings.append(watch.end)
    made.companions.append(reporter_of(start, brain, made.counts))
    if where := standing(os.environ):
        mate = Mate(where, made.counts)
        mate.observe(made.looking.gauges)
        made.crew, made.replaces = mate, where.restarts > 0
        made.companions.append(mate)
    return made


def reporter_of(start: Path, brain: Follower, counts: Counted) -> Reporter:
    """Return what tells the controller about a brain."""
    from tamid.adapters.report_files import FileReports
    from tamid.serving.reporting import Reporter

    return Reporter(brain, counts, FileReports(find(start).store / "reports"))


def control_of(config: Config) -> Callable[[Contract], Callable[[str | None], bool | None] | None]:
    """Return who is in the control group under a contract; None where it has none."""

    def under(contract: Contract) -> Callable[[str | None], bool | None] | None:
        from tamid.serving.brain.control import membership

        share, path = contract.delivery.control_group, config.store / "salt"
        if not share or not path.is_file():
            return None
        return membership(share, contract.delivery.rotate, path.read_text())

    return under


def one_model(config: Config, model: str | None) -> str:
    """Return the named model, or the only one that the ledger knows."""
    from tamid.adapters.sqlite import SqliteLedger

    path = config.store / "ledger.sqlite"
    if not path.is_file():
        raise NotFound(
            f"there is no ledger in {config.store}",
            why="nothing was trained or released here",
            fix="Run `tamid tick` first.",
        )
    known = SqliteLedger(path, read_only=True).streams()
    if model is None and len(known) == 1:
        return known[0]
    if model is None and known:
        raise UsageError(
            "which model?", why=f"there are {', '.join(known)}", fix="Name it: `tamid serve NAME`."
        )
    if model not in known:
        raise NotFound(
            f"the ledger knows no model {model!r}",
            why=f"there are {', '.join(known)}" if known else "it is empty",
            fix="Run `tamid tick` first.",
        )
    return model or known[0]


def spool_folder(store: Path, model: str) -> Path:
    """Return where servers leave for the controller what they have to tell."""
    return store / "spool" / model


class SpawnedProcess:
    """A worker of `tamid.adapters.spawn`, started at once."""

    def __init__(self) -> None:
        from tamid.adapters.spawn.worker import Worker

        self._worker = Worker()
        self.peak_mb = 0.0

    @property
    def alive(self) -> bool:
        """Say whether it still runs."""
        return self._worker.alive

    def lay_bundle(self, opened: Opened) -> None:
        """Lay a verified bundle where the process finds it."""
        from tamid.adapters.spawn.handover import write_bundle
        from tamid.core.learning.bundle import sealed

        # The worker reads the overlay without its signature: it was verified on this side.
        write_bundle(self._worker.folder / "bundle", opened, sealed(opened.overlay, ""))

    def lay_files(self, name: str, files: Mapping[str, bytes]) -> None:
        """Lay files where the process finds them."""
        from tamid.adapters.spawn.handover import write_files

        write_files(self._worker.folder / name, files)

    def ask(self, request: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
        """Send a request and wait. Raises WorkerDied (also past the deadline), TamidError."""
        reply = self._worker.ask(request, timeout)
        self.peak_mb = reply.peak_mb
        return reply.value

    def close(self) -> None:
        """Kill it with all that it started."""
        self._worker.close()


class LowProcess(SpawnedProcess):
    """A worker that gets only the time that nobody else wants."""

    def __init__(self) -> None:
        super().__init__()
        os.setpriority(os.PRIO_PROCESS, self._worker.pid, _LOWEST)


if TYPE_CHECKING:
    _process: Process = SpawnedProcess()
