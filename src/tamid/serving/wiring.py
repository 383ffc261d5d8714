"""The wiring of the server: it alone names adapters here, and opens everything to read only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamid.config import Config, find
from tamid.core.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tamid.core.learning.bundle import Opened
    from tamid.ports import RowModel
    from tamid.serving.brain.follow import Follower, World
    from tamid.serving.brain.opening import Verified
    from tamid.serving.log.book import Book
    from tamid.serving.seams import Process


def world_of(config: Config, model: str, say: Callable[[str], None]) -> World:
    """Return what a brain reads and starts."""
    from tamid.adapters.blobs import FileBlobs
    from tamid.adapters.keys import Keys
    from tamid.adapters.sqlite import SqliteLedger
    from tamid.serving.brain.follow import World
    from tamid.serving.brain.lookup import ScoreFile
    from tamid.workshop import parse

    return World(
        ledger=SqliteLedger(config.store / "ledger.sqlite", read_only=True),
        blobs=FileBlobs(config.store / "blobs"),
        # Only public keys are used: nothing is signed here.
        signer=Keys(config.store / "keys"),
        parse=parse,
        spawn=SpawnedProcess,
        lasts=ScoreFile(last_scores_file(config.store, model)),
        row_model=row_model_of,
        say=say,
    )


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
    name = one_model(config, model)
    return Follower(name, world_of(config, name, say), deadline=deadline)


def book_of(start: Path, model: str) -> Book:
    """Return the prediction log of a model in a workspace."""
    from tamid.serving.log.book import Book

    return Book(spool_folder(find(start).store, model), model)


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


def last_scores_file(store: Path, model: str) -> Path:
    """Return where the last valid scores of a model's entities stand."""
    return store / "online" / f"{model}.last-scores.sqlite"


class SpawnedProcess:
    """A worker of `tamid.adapters.spawn`, started at once."""

    def __init__(self) -> None:
        from tamid.adapters.spawn.worker import Worker

        self._worker = Worker()

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
        return self._worker.ask(request, timeout).value

    def close(self) -> None:
        """Kill it with all that it started."""
        self._worker.close()


if TYPE_CHECKING:
    _process: Process = SpawnedProcess()
