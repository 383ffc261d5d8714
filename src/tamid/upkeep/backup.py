"""A backup, taken while the loop may turn: one moment of the ledger, and all that it names.

What the ledger names was durable before it was named and is never altered, so only the ledger is
copied at one moment; blobs and tables follow at the versions that it names. Secrets go to another
folder, or are left out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tamid
from tamid.config import FILE
from tamid.core.backup import KEYS_MANIFEST, MANIFEST, Kept, Manifest, signed
from tamid.core.chain import GENESIS
from tamid.core.errors import Conflict, ContractError, IntegrityError, NotFound, UsageError
from tamid.core.events import AnswersTaken
from tamid.core.head import StreamHead
from tamid.store import SECRETS, refuse_without_secrets

if TYPE_CHECKING:
    from tamid.adapters.archive import Archive
    from tamid.app import App
    from tamid.core.chain import Recorded

# Where the parts of a workspace stand in a backup.
STORE, WORKSPACE = "store", "workspace"
# The copy is held by nobody; tokens stay, so that nothing older can write to it.
_FREE_LEASES = "UPDATE leases SET holder = ''"
# How often ledger and servers' log are copied anew when the loop took some of it in meanwhile.
_TRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was backed up: the manifest, where, and the secrets that were left out."""

    manifest: Manifest
    place: Path
    keys: Path | None
    left_out: tuple[str, ...]


def backup(app: App, to: Path, keys: Path | None = None) -> Made:
    """Copy a workspace to a new folder, its secrets to another one if `keys` names it.

    Raises:
        UsageError: a folder is not empty, or one lies inside the other or in the store.
        IntegrityError: something that the ledger names is gone or altered.
    """
    from tamid.adapters.archive import Archive

    config = app.config
    _apart(to, keys, config.store)
    refuse_without_secrets(config.store, "back up a workspace")
    with ExitStack() as stack:
        out = stack.enter_context(Archive(to))
        aside = None if keys is None else stack.enter_context(Archive(keys))
        streams = _ledger_and_spool(app, out)
        _blobs(app, out, [r for records in streams.values() for r in records])
        _tables(app, out, [r for records in streams.values() for r in records])
        for path in sorted((config.store / "keys").rglob("*")):
            if path.is_file() and path.name != "signing.pem" and not path.name.startswith("."):
                out.copy(path, f"{STORE}/{path.relative_to(config.store)}")
        for name in ("store.json", "head.json", "erased.json"):
            with suppress(FileNotFoundError):
                out.copy(config.store / name, f"{STORE}/{name}")
        _workspace(app, out)
        there = tuple(name for name in SECRETS if (config.store / name).exists())
        made = Manifest(
            made_at=app.clock.now(),
            made_by=tamid.__version__,
            store=_store_of(app),
            streams=tuple(_end(s, records) for s, records in sorted(streams.items())),
            files=tuple(sorted(out.files, key=lambda kept: kept.path)),
            secrets=there,
            keys="" if aside is None else _aside(app, aside, there),
        )
        made = signed(made, app.rig(next(iter(app.models()))).signer.sign)
        out.put(made.text.encode(), MANIFEST, listed=False)
    return Made(manifest=made, place=to, keys=keys, left_out=() if keys else there)


def _apart(to: Path, keys: Path | None, store: Path) -> None:
    """Refuse folders that lie inside each other: what is copied must not hold its copy."""
    places = [("the backup", to), ("the keys", keys)] if keys else [("the backup", to)]
    for (one, here), (other, there) in [
        *((p, ("the store", store)) for p in places),
        *([(places[1], places[0]), (places[0], places[1])] if keys else []),
    ]:
        assert here is not None
        assert there is not None
        if here.resolve().is_relative_to(there.resolve()):
            raise UsageError(
                f"{one} may not lie in {other}: {here}",
                why="who has the one has the other"
                if other != "the store"
                else "a backup dies with the disk it lies on",
                fix="Name another folder, best on another machine.",
            )


def _ledger_and_spool(app: App, out: Archive) -> dict[str, tuple[Recorded, ...]]:
    """Copy the ledger and what servers wrote that it does not know yet; return its streams."""
    from tamid.adapters.sqlite import SqliteLedger

    store, path = app.config.store, f"{STORE}/ledger.sqlite"
    for _ in range(_TRIES):
        place = out.database(store / "ledger.sqlite", path, _FREE_LEASES)
        copy = SqliteLedger(place, read_only=True)
        try:
            streams = {name: tuple(copy.read(name)) for name in copy.streams()}
        finally:
            copy.close()
        with suppress(FileNotFoundError):
            for file in sorted((store / "spool").rglob("*")):
                if file.is_file():
                    out.copy(file, f"{STORE}/{file.relative_to(store)}")
            if not _taken_since(app, streams):
                return streams
        out.drop(f"{STORE}/")
        time.sleep(0.1)
    raise Conflict(
        "the loop takes in what servers wrote without pause",
        why="ledger and log of the servers could not be copied as of one moment",
        fix="Run the command again.",
    )


def _taken_since(app: App, streams: dict[str, tuple[Recorded, ...]]) -> bool:
    return any(
        isinstance(record.event, AnswersTaken)
        for name in app.ledger.streams()
        for record in app.ledger.read(name, len(streams.get(name, ())))
    )


def _blobs(app: App, out: Archive, records: list[Recorded]) -> None:
    from tamid.stages.naming import blobs_named

    root = app.config.store / "blobs"
    named = sorted(blobs_named(records, app.blobs))
    for done, digest in enumerate(named, 1):
        name = digest.removeprefix("sha256:")
        place = Path(name[:2], name[2:])
        try:
            kept = out.copy(root / place, f"{STORE}/blobs/{place}")
        except FileNotFoundError:
            raise IntegrityError(f"the ledger names content that is gone: {digest}") from None
        if kept.digest != digest:
            raise IntegrityError(f"the content of {digest} was altered")
        app.progress.step("contents copied", done, len(named))


def _tables(app: App, out: Archive, records: list[Recorded]) -> None:
    from tamid.stages.naming import cleared, newest_named

    gone = cleared(records, app.blobs)
    newest = sorted(newest_named(records).items())
    for done, (table, version) in enumerate(newest, 1):
        folder = app.config.store / "tables" / table
        lost = frozenset(v for name, v in gone if name == table)
        for path in _files_of(folder, table, version, lost):
            out.copy(folder / path, f"{STORE}/tables/{table}/{path}")
        app.progress.step("tables copied", done, len(newest))


def _files_of(folder: Path, table: str, version: int, gone: frozenset[int]) -> Iterator[str]:
    """Yield the files of a table up to a version: commits, checkpoints, and what they read."""
    from tamid.adapters._delta_past import LOG, commits, past
    from tamid.adapters._redactions import FILE as REDACTIONS

    known = [(number, path) for number, path in commits(folder) if number <= version]
    if [number for number, _ in known] != list(range(version + 1)):
        raise IntegrityError(f"table {table!r} has lost commits before version {version}")
    yield from (f"{LOG}/{path.name}" for _, path in known)
    for path in sorted((folder / LOG).glob("*.checkpoint.parquet")):
        if int(path.name.partition(".")[0]) <= version:
            yield f"{LOG}/{path.name}"
    if (folder / REDACTIONS).exists():
        yield REDACTIONS
    pointer = folder / LOG / "_last_checkpoint"
    with suppress(OSError, ValueError, KeyError):
        if json.loads(pointer.read_text("utf-8"))["version"] <= version:
            yield f"{LOG}/{pointer.name}"
    there = (one for one in past(folder, version) if one.version not in gone)
    wanted = {file for one in there for file in one.files.values()}
    missing = [file for file in sorted(wanted) if not (folder / file).exists()]
    if missing:
        raise IntegrityError(f"table {table!r} has lost its file {missing[0]}")
    yield from sorted(wanted)


def _workspace(app: App, out: Archive) -> None:
    """Copy the workspace file, the contracts and the code that they name."""
    from tamid.wiring import load_contract, user_code

    config, seen = app.config, set[Path]()
    for path in config.contracts:
        seen.add(path)
        with suppress(ContractError, NotFound, UnicodeDecodeError):
            seen |= {path.parent / name for name in user_code(load_contract(path), path.parent)}
    seen |= {config.root / FILE, *config.features}
    root = config.root.resolve()
    for path in sorted(seen):
        if path.is_file() and path.resolve().is_relative_to(root):
            out.copy(path, f"{WORKSPACE}/{path.resolve().relative_to(root)}")


def _store_of(app: App) -> str:
    """Return where the store lies in the workspace."""
    root, store = app.config.root.resolve(), app.config.store.resolve()
    if not store.is_relative_to(root) or store == root:
        raise UsageError(
            f"the store {store} lies outside the workspace {root}",
            why="a backup is put back as one folder",
            fix="Move the store into the workspace, and name it there in tamid.toml.",
        )
    return str(store.relative_to(root))


def _aside(app: App, aside: Archive, there: tuple[str, ...]) -> str:
    """Put the secrets into their own folder; return the digest of its manifest."""
    store = app.config.store
    for name in there:
        if name.endswith(".sqlite"):
            aside.database(store / name, f"{STORE}/{name}")
        else:
            aside.copy(store / name, f"{STORE}/{name}")
    made = Manifest(
        made_at=app.clock.now(),
        made_by=tamid.__version__,
        store=_store_of(app),
        streams=(),
        files=tuple(sorted(aside.files, key=_path)),
        secrets=there,
    )
    aside.put(made.text.encode(), KEYS_MANIFEST, listed=False)
    return made.digest


def _path(kept: Kept) -> str:
    return kept.path


def _end(stream: str, records: tuple[Recorded, ...]) -> StreamHead:
    last = records[-1] if records else None
    return StreamHead(
        stream=stream, seq=last.seq if last else 0, hash=last.hash if last else GENESIS
    )
