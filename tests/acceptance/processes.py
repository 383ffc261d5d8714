"""Real processes on a workspace: what is put down, commands run in it, and how they end."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tamid.app import App
from tamid.config import find
from tamid.core.state import State

# How long a process may take for what it does, in seconds; the machine may be busy.
PATIENCE_S = 100.0


def tamid(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a workspace."""
    command = [sys.executable, "-m", "tamid", "-C", str(root), "-q", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def present(root: Path, model: str = "churn") -> State:
    """Return the state that a workspace's ledger tells."""
    return App(find(root)).state(model)


@contextmanager
def running(root: Path, log: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command on and on in a workspace, all it says in a file; end it by SIGTERM."""
    command = [sys.executable, "-m", "tamid", "-C", str(root), *words]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def eventually(true: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.1)


def gone(pid: int) -> bool:
    """Say whether a process ends within ten seconds; a zombie has ended."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.1)
    return False


def killed_while_writing(program: str, *words: str, chance: random.Random, within: float) -> int:
    """Run a writer that prints a count after each write, kill it, and return the last count.

    It dies by SIGKILL up to `within` seconds after its first write.
    """
    writer = subprocess.Popen(
        [sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = int(writer.stdout.readline())
    time.sleep(chance.uniform(0, within))
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().split("\n")[:-1]
    writer.stdout.close()
    writer.wait()
    return int(rest[-1]) if rest else acknowledged


def put_week(root: Path, start: datetime, rows: int = 150) -> None:
    """Put a week's rows and labels down, as a producer does: written elsewhere, then renamed."""
    chance, stamp = random.Random(start.toordinal()), start.isoformat()
    people = [(f"c{n}", stamp, chance.uniform(0, 1000), chance.randint(0, 20)) for n in range(rows)]
    left = [(c, s, int(chance.random() < (0.9 if m < 250 else 0.03))) for c, s, m, _ in people]
    name = f"{start.date()}.csv"
    _write(root / "rows" / name, ("customer", "week", "minutes", "calls"), people)
    _write(root / "labels" / name, ("customer", "week", "left"), left)


def _write(path: Path, head: tuple[str, ...], rows: list[tuple[object, ...]] | object) -> None:
    path.parent.mkdir(exist_ok=True)
    fresh = path.with_name(path.name + ".tmp")
    with fresh.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)  # type: ignore[arg-type]
    fresh.rename(path)


def sunday(weeks_ago: int) -> datetime:
    """Return a Sunday; 0 is the one that began this week."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=(today.weekday() + 1) % 7, weeks=weeks_ago)
