"""Real processes on a workspace: what is put down, commands run in it, and how they end."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from in_process import InProcess, whole

from tamid.adapters.memory_clock import SimulatedClock
from tamid.app import App
from tamid.config import find
from tamid.core.state import State

# How long a process may take for what it does, in seconds; the machine may be busy.
PATIENCE_S = 300.0
# What a workspace of weekly CSV files promises; tests change single lines of it.
WEEKLY = """\
tamid: 1
name: churn
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows/*.csv, owner: mlops_engineer}
  entity: customer
  time: week
  label:
    {column: left, positive: 1, horizon: 7d, reporting_lag: 2d, source: {path: labels/*.csv}}
  schema:
    minutes: {type: number, min: 0, max: 10080}
    calls: {type: number, min: 0}
training: {model: logistic}
gates: {minimum: {f1: 0.3}, calibration: {max_ece: 0.3}}
service:
  {p99_ms: 60000, memory_mb: 4000, fallback: [previous, last_score: 30d, default: 0.3],
   start_s: 600}
monitoring: {every: 7d, quality: {metric: f1, at_least: 0.3}}
delivery: {every: 7d, to: [{csv: "out/{period}.csv"}]}
"""
# What a workspace promises into which a finished model is brought, with a table of customers; the
# schema follows, and more.
BROUGHT = """\
tamid: 1
name: churn
task: binary
training: {model: logistic, threads: 1}
service: {p99_ms: 60000, start_s: 600, memory_mb: 4000, fallback: [default: 0.3]}
release: {path: [live]}
gates: {minimum: {f1: 0.3}, baselines: [majority]}
data:
  source: {path: incoming/*.parquet, owner: mlops_engineer}
  entity: customer
"""


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
    """Wait until a process ends and say whether it did; a zombie has ended."""
    for _ in range(int(PATIENCE_S / 0.1)):
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
    """Put a week's rows and labels down, as a producer does: written elsewhere, then renamed.

    The values hang on how many weeks ago it was and not on the date: a test is the same every day.
    """
    chance, stamp = random.Random((sunday(0) - start).days // 7), start.isoformat()
    people = [(f"c{n}", stamp, chance.uniform(0, 1000), chance.randint(0, 20)) for n in range(rows)]
    left = [(c, s, int(chance.random() < (0.9 if m < 250 else 0.03))) for c, s, m, _ in people]
    name = f"{start.date()}.csv"
    _write(root / "rows" / name, ("customer", "week", "minutes", "calls"), people)
    _write(root / "labels" / name, ("customer", "week", "left"), left)


def make_shop(root: Path, text: str, weeks: Iterable[int], entities: str = "plain") -> Path:
    """Make a workspace with the rows and labels of some weeks."""
    root.mkdir()
    (root / "contract.yaml").write_text(text, encoding="utf-8")
    (root / "tamid.toml").write_text(
        f'[workspace]\nmodels = ["contract.yaml"]\nentities = "{entities}"\n'
    )
    for week in weeks:
        put_week(root, sunday(week))
    return root


def serve_weeks(root: Path, first: int, *later: int) -> None:
    """Turn the loop once on a Sunday some weeks ago, then each later week with its new files."""
    clock = SimulatedClock(sunday(first))
    app = InProcess(root, clock, whole)
    try:
        app.tick("churn")
        for week in later:
            put_week(root, sunday(week))
            clock.set(sunday(week))
            app.tick("churn")
    finally:
        app.close()


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
