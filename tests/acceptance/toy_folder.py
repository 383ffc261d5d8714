"""The tiny world in a real workspace: files, SQLite, Delta tables, a CSV file and a database.

Run as a program it lives one turn of that life: `python toy_folder.py FOLDER TURN [WRITE]`. It dies
where `TAMID_CRASH_AT` says, or stops (SIGSTOP) before the write of that name.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import toy
from in_process import InProcess, inline

from tamid.adapters.keys import Keys
from tamid.adapters.memory_clock import SimulatedClock
from tamid.cli.turning import turn, write_head
from tamid.core.errors import TamidError
from tamid.testing.crash import BEFORE, Phase, Points, killed_by
from tamid.testing.dying import dying

# Numbers that no process has: the kernel gives none above 4194304.
_NOBODY = itertools.count(5_000_000)


class Toy(InProcess):
    """The workspace with everything in this process; its writes are counted."""

    def __init__(self, root: Path, moment: toy.Turn, points: Points | None = None) -> None:
        os.environ["TOY_SQL"] = f"sqlite:///{root / 'warehouse.sqlite'}"
        self.points = points or Points()
        made = lambda rig: dying(inline(rig), self.points)  # noqa: E731
        super().__init__(root, SimulatedClock(moment.at), made)
        # Every App stands for a process of its own, which is gone when the next one looks.
        self.holder = f"{socket.gethostname()}:{next(_NOBODY)}"

    def close(self) -> None:
        """Let go of the files."""
        super().close()
        self.ledger.close()
        self.leases.close()


def prepare(root: Path, moment: toy.Turn) -> None:
    """Put down what comes before a turn, as producers do: written beside, then renamed.

    The keys are made first: signatures are compared, so all copies of a workspace sign alike.
    """
    (root / ".tamid").mkdir(mode=0o700, parents=True, exist_ok=True)
    Keys(root / ".tamid" / "keys").create()
    (root / ".tamid" / "salt").write_text(toy.SALT, encoding="utf-8")
    (root / "contract.yaml").write_text(moment.contract, encoding="utf-8")
    for folder, files in (("rows", moment.rows), ("labels", moment.labels)):
        for name, frame in files.items():
            _put(root / folder / name, frame)
    spool = root / ".tamid" / "spool" / toy.MODEL
    spool.mkdir(parents=True, exist_ok=True)
    for name, content in moment.spooled.items():
        (spool / f"{name}.seg").write_bytes(content)


def live(root: Path, moment: toy.Turn, points: Points | None = None) -> Toy:
    """Turn the loop as `tamid tick` does, in a fresh App, and return it closed."""
    app = Toy(root, moment, points)
    try:
        turn(app, toy.MODEL)
        write_head(app)
    finally:
        app.close()
    return app


def live_once(root: Path, moment: toy.Turn, points: Points) -> None:
    """Turn the loop under this process's own name, and never anew."""
    app = Toy(root, moment, points)
    app.holder = f"{socket.gethostname()}:{os.getpid()}"
    try:
        app.tick(toy.MODEL)
    finally:
        app.close()


def portrait(root: Path, moment: toy.Turn) -> dict[str, Any]:
    """Return what a life has come to, with what every consumer holds."""
    app = Toy(root, moment)
    try:
        state, records = app.state(toy.MODEL), app.records(toy.MODEL)
        files = {p.name: p.read_bytes() for p in sorted((root / "out").glob("*.csv"))}
        return {
            **toy.portrait(state, records, app.tables),
            "files": files,
            "rows": _warehouse(root / "warehouse.sqlite"),
        }
    finally:
        app.close()


def _put(path: Path, frame: pl.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    frame.write_parquet(half)
    half.replace(path)


def _warehouse(path: Path) -> Mapping[str, list[tuple[Any, ...]]]:
    found = {}
    if path.exists():
        with sqlite3.connect(path) as db:
            for table in ("scores", "tamid_deliveries"):
                found[table] = sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        db.close()
    return found


def _stopping_before(part: str) -> Points:
    """Return points that stop the process once, as a machine does that is suspended."""
    waits = [part]

    def stops(number: int, name: str, phase: Phase) -> bool:
        if waits and phase == BEFORE and waits[0] in name:
            waits.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        return False

    return Points(dies=stops)


def _main(folder: str, turn: str, *part: str) -> int:
    root, moment = Path(folder), toy.life()[int(turn)]
    try:
        if part:
            live_once(root, moment, _stopping_before(part[0]))
        else:
            live(root, moment, killed_by(os.environ))
    except TamidError as error:
        sys.stderr.write(f"{type(error).__name__}: {error.what}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
