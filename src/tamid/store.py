"""What a store says of itself: the format of its files, and the secrets that it must not lose."""

from __future__ import annotations

import json
import os
from pathlib import Path

import tamid
from tamid.core.errors import IntegrityError, UsageError

# The format that this version writes; every older one is read for ever.
FORMAT = 2
FILE = "store.json"
# What signs, what deals out control groups, what names entities.
SECRETS = ("keys/signing.pem", "salt", "vault.key", "vault.sqlite")
# In a store that was restored without its secrets: their names, one a line.
MISSING = "secrets-missing"


def format_of(store: Path) -> int:
    """Return the format of a store; 1: it is from before formats were written down.

    Raises:
        IntegrityError: its mark is damaged, or it was written by a newer version.
    """
    try:
        found = json.loads((store / FILE).read_text("utf-8"))["format"]
    except FileNotFoundError:
        return 1
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{store / FILE} is damaged: {error}",
            why="it says in which format the store is",
            fix="Bring the file back from a backup.",
        ) from None
    if not isinstance(found, int) or not 1 <= found <= FORMAT:
        raise IntegrityError(
            f"the store {store} has format {found}; this version knows 1 to {FORMAT}",
            why="it was written by a newer version, which may keep things elsewhere",
            fix="Install the version that wrote it, or a newer one.",
        )
    return found


def begun(store: Path, *, used: bool, entities: str) -> int:
    """Return the format of a store that was opened; a fresh one gets the present format.

    Raises:
        IntegrityError: as for :func:`format_of`.
    """
    if not used and not (store / FILE).exists():
        mark(store, entities=entities)
    return format_of(store)


def mark(store: Path, *, entities: str) -> None:
    """Write down that a store has the present format."""
    said = {"format": FORMAT, "entities": entities, "written_by": tamid.__version__}
    write_whole(store / FILE, (json.dumps(said, indent=2, sort_keys=True) + "\n").encode())


def missing(store: Path) -> tuple[str, ...]:
    """Return the secrets that a restored store still waits for."""
    try:
        named = (store / MISSING).read_text("utf-8").split()
    except FileNotFoundError:
        return ()
    return tuple(name for name in named if not (store / name).exists())


def refuse_without_secrets(store: Path, what: str) -> None:
    """Raise UsageError where secrets are missing without which `what` would do harm."""
    if names := missing(store):
        raise UsageError(
            f"this store was restored without its secrets: you cannot {what}",
            why=f"{', '.join(names)} would be made anew, and entities, control groups or "
            "signatures would not fit what is stored",
            fix=f"Put them back into {store} from where they are kept.",
        )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
