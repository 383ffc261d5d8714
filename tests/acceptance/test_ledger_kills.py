"""The SQLite ledger under real SIGKILL and under several real processes at once."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from processes import killed_while_writing

from tamid.adapters.sqlite import SqliteLedger
from tamid.core.chain import verify_chain

_WRITER = """
import sys
from pathlib import Path
from tamid.adapters.sqlite import SqliteLedger
from tamid.core.errors import Conflict
from tamid.testing.ledger_suite import drafts
ledger, name = SqliteLedger(Path(sys.argv[1])), sys.argv[2]
done, goal = len(ledger.read("churn")), int(sys.argv[3])
mine = 0
while mine < goal:
    try:
        ledger.append("churn", drafts(2, done + 1), done, 0)
    except Conflict:
        done = len(ledger.read("churn"))
        continue
    done += 2
    mine += 1
    print(done, flush=True)
"""


def start(path: Path, name: str, goal: int) -> subprocess.Popen[str]:
    """Start a process that appends pairs of events and prints each acknowledged number."""
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), name, str(goal)],
        stdout=subprocess.PIPE,
        text=True,
    )


def kill_rounds(path: Path, rounds: int) -> int:
    """Kill a writer at a random moment, `rounds` times; check the ledger after each."""
    chance, acknowledged = random.Random(7), 0
    for _ in range(rounds):
        words = (str(path), "victim", str(10**9))
        acknowledged = killed_while_writing(_WRITER, *words, chance=chance, within=0.05)
        ledger = SqliteLedger(path)
        records = ledger.read("churn")
        ledger.close()
        verify_chain(records)
        assert len(records) in (acknowledged, acknowledged + 2)
    return acknowledged


def test_a_killed_writer_loses_no_acknowledged_event(tmp_path: Path) -> None:
    """After SIGKILL the ledger holds all that was acknowledged, at most one append more, whole."""
    assert kill_rounds(tmp_path / "ledger.db", 6) > 0


@pytest.mark.integration
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """The same over a hundred kills; this takes minutes."""
    assert kill_rounds(tmp_path / "ledger.db", 100) > 0


def test_four_writers_at_once_leave_one_gapless_chain(tmp_path: Path) -> None:
    """Processes that write at once retry on conflict; every append is there exactly once."""
    path = tmp_path / "ledger.db"
    SqliteLedger(path).close()
    writers = [start(path, f"w{n}", 10) for n in range(4)]
    seen: list[str] = []
    for writer in writers:
        seen += writer.communicate()[0].split()
        assert writer.returncode == 0
    ledger = SqliteLedger(path)
    records = ledger.read("churn")
    ledger.close()
    assert [r.seq for r in records] == list(range(1, 81))
    assert sorted(map(int, seen)) == list(range(2, 81, 2))
    verify_chain(records)
