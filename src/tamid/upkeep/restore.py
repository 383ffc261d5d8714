"""A backup put back: every byte is compared before anything stands in the target.

All of it is copied beside first; the workspace file comes last, so that what was cut off half-way
is no workspace, and is begun anew by the same command.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.config import FILE, SINGLE
from tamid.core.backup import (
    KEYS_MANIFEST,
    MANIFEST,
    Kept,
    Manifest,
    check_signature,
    read_manifest,
)
from tamid.core.errors import IntegrityError, NotFound, SystemFailure
from tamid.store import MISSING, write_whole
from tamid.upkeep.backup import STORE, WORKSPACE

if TYPE_CHECKING:
    from tamid.ports import Progress

# Where a restored workspace is gathered, inside the target.
_GATHERED = ".tamid-restoring"
# More problems than this are counted, not named.
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back: the manifest, where to, and the secrets that are still missing."""

    manifest: Manifest
    place: Path
    missing: tuple[str, ...]


def restore(
    source: Path,
    target: Path,
    progress: Progress,
    *,
    keys: Path | None = None,
    digest: str = "",
) -> Restored:
    """Put a backup into an empty folder.

    Raises:
        NotFound: there is no backup; UsageError: the target is not empty.
        IntegrityError: anything is altered, missing or added; nothing is restored then.
    """
    from tamid.adapters.archive import refuse_used

    manifest = _manifest(source, MANIFEST, digest)
    aside = None if keys is None else _manifest(keys, KEYS_MANIFEST, manifest.keys)
    gathered = target / _GATHERED
    if gathered.is_dir():  # an earlier attempt was cut off
        _clear(target, manifest)
    refuse_used(target)
    try:
        gathered.mkdir(mode=0o700, parents=True)
        problems = _gather(source, manifest, MANIFEST, gathered, progress)
        if keys is not None and aside is not None:
            problems += _gather(keys, aside, KEYS_MANIFEST, gathered, progress)
        problems += _signature(manifest, gathered)
        if problems:
            raise _altered(source, problems)
        missing = tuple(n for n in manifest.secrets if not (gathered / STORE / n).exists())
        if missing:
            write_whole(gathered / STORE / MISSING, "".join(f"{n}\n" for n in missing).encode())
        _place(gathered, target, manifest)
    except OSError as error:
        _clear(target, manifest)
        raise SystemFailure(
            f"{target} cannot be written: {error.strerror or error}",
            why="nothing was restored",
            fix="Free space or name another folder; then run the command again.",
        ) from error
    except BaseException:
        _clear(target, manifest)
        raise
    return Restored(manifest=manifest, place=target, missing=missing)


def _manifest(source: Path, name: str, digest: str) -> Manifest:
    """Read a manifest; with a digest given, it must be that one."""
    try:
        found = read_manifest((source / name).read_text("utf-8"))
    except FileNotFoundError:
        raise NotFound(
            f"there is no {name} in {source}",
            why="a backup that was cut off has none, and is no backup",
            fix="Name a folder that `tamid backup` wrote.",
        ) from None
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{source / name} is damaged: {error}") from None
    if digest and found.digest != digest:
        raise IntegrityError(
            f"{source / name} is not the manifest that was asked for",
            why=f"its digest is {found.digest}, not {digest}",
            fix="Use the backup that this digest was noted of, with its own keys.",
        )
    return found


def _gather(
    source: Path, manifest: Manifest, name: str, gathered: Path, progress: Progress
) -> list[str]:
    """Copy all files, and return what is wrong with any."""
    from tamid.adapters.archive import files_below

    problems = []
    for done, kept in enumerate(manifest.files, 1):
        problems += _carried(source, kept, gathered)
        progress.step("files compared", done, len(manifest.files))
    listed = {name, *(kept.path for kept in manifest.files)}
    return problems + [f"{p} was added" for p in files_below(source) if p not in listed]


def _carried(source: Path, kept: Kept, gathered: Path) -> list[str]:
    from tamid.adapters.archive import copied

    if (source / kept.path).is_symlink():
        return [f"{kept.path} was replaced by a link"]
    try:
        found = copied(source / kept.path, gathered / kept.path, kept.path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return [f"{kept.path} is gone"]
    return [] if found == kept else [f"{kept.path} was altered"]


def _signature(manifest: Manifest, gathered: Path) -> list[str]:
    from tamid.adapters.keys import Keys

    try:
        check_signature(manifest, Keys(gathered / STORE / "keys").verify)
    except IntegrityError as error:
        return [f"the manifest itself ({error.what})"]
    return []


def _altered(source: Path, problems: list[str]) -> IntegrityError:
    more = len(problems) - _MOST_NAMED
    named = "; ".join(problems[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return IntegrityError(
        f"the backup {source} is not what was written: {named}",
        why="nothing of it was restored",
        fix="Use another backup.",
    )


def _place(gathered: Path, target: Path, manifest: Manifest) -> None:
    """Give every part its name: the store first, what makes it a workspace last."""
    from tamid.adapters.archive import sync_folder, sync_folders

    sync_folders(gathered)
    moves: dict[Path, Path] = {gathered / STORE: target / manifest.store}
    folder = gathered / WORKSPACE
    paths = sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []
    moves |= {p: target / p.relative_to(folder) for p in paths}
    for old, new in sorted(moves.items(), key=_last):
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
        sync_folder(new.parent)
    shutil.rmtree(gathered)
    sync_folder(target)


def _last(move: tuple[Path, Path]) -> int:
    return {STORE: 0, SINGLE: 2, FILE: 3}.get(move[0].name, 1)


def _clear(target: Path, manifest: Manifest) -> None:
    """Take back what was begun: only what this backup puts there."""
    mine = {_GATHERED, manifest.store.partition("/")[0]}
    start = f"{WORKSPACE}/"
    mine |= {
        kept.path.removeprefix(start).partition("/")[0]
        for kept in manifest.files
        if kept.path.startswith(start)
    }
    for path in (target / name for name in sorted(mine)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
