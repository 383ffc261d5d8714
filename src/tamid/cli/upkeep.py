"""What upkeep needs of a workspace: to be the only upkeep, or to have all models stand still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from tamid.cli.turning import free_the_dead

if TYPE_CHECKING:
    from tamid.app import App
    from tamid.ports import Lease

# The stream of the lease of whoever copies, clears or rewrites files; no model can have this name.
UPKEEP = "/upkeep"
# Longer than any upkeep; a dead holder of this machine is seen at once.
_LEASE = timedelta(hours=6)


@contextmanager
def alone(app: App) -> Iterator[Lease]:
    """Be the only upkeep of a workspace; the loop may turn meanwhile.

    Raises:
        Conflict: another upkeep runs.
    """
    free_the_dead(app, UPKEEP)
    lease = app.leases.acquire(UPKEEP, app.holder, app.clock.now(), _LEASE)
    try:
        yield lease
    finally:
        app.leases.release(lease)


@contextmanager
def still(app: App) -> Iterator[dict[str, Lease]]:
    """Be the only upkeep, with every model held: no loop acts until it is over.

    Raises:
        Conflict: another upkeep runs, or a loop is in the middle of a turn.
    """
    with ExitStack() as stack:
        stack.enter_context(alone(app))
        held = {}
        for model in app.models():
            free_the_dead(app, model)
            lease = app.leases.acquire(model, app.holder, app.clock.now(), _LEASE)
            stack.callback(app.leases.release, lease)
            held[model] = lease
        yield held
