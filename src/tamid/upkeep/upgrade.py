"""A store brought to the present format, step by step; every older one opens and works as it is.

A step may be made twice: the mark of the format is written last, so that a step that was cut off
is made again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tamid.store import FORMAT, SECRETS, format_of, mark

if TYPE_CHECKING:
    from tamid.app import App

_OPEN = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one format to the next: what it does, in words, and how."""

    to: int
    what: str
    run: Callable[[App], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgraded:
    """From which format to which, and what was done (or would be)."""

    before: int
    after: int
    done: tuple[str, ...]


def upgrade(app: App, *, dry_run: bool = False) -> Upgraded:
    """Bring a store to the present format; one that is there already stays as it is.

    Raises:
        IntegrityError: its mark is damaged, or of a newer version.
    """
    store, before = app.config.store, format_of(app.config.store)
    wanted = tuple(step for step in STEPS if step.to > before)
    if not dry_run:
        for step in wanted:
            step.run(app)
        if wanted:
            mark(store, entities=app.config.entities)
    return Upgraded(before=before, after=FORMAT, done=tuple(step.what for step in wanted))


def _close(app: App) -> None:
    """Take the rights of others away from what names, signs and deals out."""
    for path in _private(app.config.store):
        mode = path.stat().st_mode
        if mode & _OPEN:
            path.chmod(stat.S_IMODE(mode) & ~_OPEN)
    handle = os.open(app.config.store, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(store: Path) -> Iterator[Path]:
    yield store
    yield from (store / name for name in ("ledger.sqlite", *SECRETS) if (store / name).exists())


STEPS: tuple[Step, ...] = (
    Step(
        to=2,
        what="close the store and its secrets to other users, and write down the format and how "
        "entities are stored, so that versions to come know what they find",
        run=_close,
    ),
)
