"""A workspace that the first version made, as it lay on the disk: it must open for ever.

Seventeen weeks of a toy model: history, a first release, a refused and repaired batch, answers that
a server gave, late labels, a fall, a run that was held, and its case, which is open still.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from small_world import inline

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App
from tamid.cli.main import main
from tamid.config import find
from tamid.stages.rig import Rig

ARCHIVE = Path(__file__).parents[1] / "assets" / "workspaces" / "first.tar.xz"
MODEL, EVENTS = "toy", 164
# When it was left, in its own time.
LEFT = datetime(2026, 4, 21, 4, tzinfo=UTC)


def unpacked(folder: Path) -> Path:
    """Put the workspace into a folder and return where it is."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "first-workspace"


class Old(App):
    """The workspace with everything in this process."""

    def rig(self, model: str) -> Rig:
        """Return the ports; nothing is spawned."""
        return inline(super().rig(model))


@contextmanager
def at(root: Path, moment: datetime = LEFT) -> Iterator[App]:
    """Open a workspace at a moment of its own time."""
    os.environ["TOY_SQL"] = f"sqlite:///{root / 'warehouse.sqlite'}"
    app = Old(find(root), clock=SimulatedClock(moment))
    try:
        yield app
    finally:
        app.close()
        app.ledger.close()
        app.leases.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


def here(root: Path, *words: str) -> Said:
    """Run a command of `tamid` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["-C", str(root), "-q", *words])
    return Said(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
