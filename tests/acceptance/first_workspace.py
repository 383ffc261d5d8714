"""A workspace that the first version made, as it lay on the disk: it must open for ever.

Seventeen weeks of a toy model: history, a first release, a refused and repaired batch, answers that
a server gave, late labels, a fall, a run that was held, and its case, which is open still.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from in_process import InProcess

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App

ARCHIVE = Path(__file__).parents[1] / "assets" / "workspaces" / "first.tar.xz"
MODEL, EVENTS = "toy", 164
# When it was left, in its own time.
LEFT = datetime(2026, 4, 21, 4, tzinfo=UTC)


def unpacked(folder: Path) -> Path:
    """Put the workspace into a folder and return where it is."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "first-workspace"


@contextmanager
def at(root: Path, moment: datetime = LEFT) -> Iterator[App]:
    """Open a workspace at a moment of its own time."""
    os.environ["TOY_SQL"] = f"sqlite:///{root / 'warehouse.sqlite'}"
    app = InProcess(root, SimulatedClock(moment))
    try:
        yield app
    finally:
        app.close()
        app.ledger.close()
        app.leases.close()
