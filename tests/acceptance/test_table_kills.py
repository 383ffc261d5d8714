"""Delta tables under real SIGKILL."""

from __future__ import annotations

import random
from pathlib import Path

from processes import killed_while_writing

from tamid.adapters.delta import DeltaTables

_WRITER = """
import sys
from pathlib import Path
from tamid.adapters.delta import DeltaTables
from tamid.testing.tables_suite import frame
tables = DeltaTables(Path(sys.argv[1]))
pin = tables.latest("churn.rows")
done = 0 if pin is None else tables.read(pin).height
while True:
    part = frame(f"2026-01-{done % 28 + 1:02}", x=[done])
    tables.write("churn.rows", part, key=f"k{done}", token=0, mode="append")
    done += 1
    print(done, flush=True)
"""


def test_a_killed_writer_loses_no_acknowledged_rows(tmp_path: Path) -> None:
    """After SIGKILL the table holds all that was acknowledged, at most one write more, whole."""
    chance = random.Random(7)
    for _ in range(3):
        words = (str(tmp_path),)
        acknowledged = killed_while_writing(_WRITER, *words, chance=chance, within=0.1)
        tables = DeltaTables(tmp_path)
        pin = tables.latest("churn.rows")
        assert pin is not None
        tables.verify(pin)
        held = sorted(tables.read(pin).get_column("x"))
        assert held == list(range(len(held)))
        assert len(held) in (acknowledged, acknowledged + 1)
