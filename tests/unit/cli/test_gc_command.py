"""`tamid gc` and `[keep]`: what grows old, what never does, and what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import lab
import pytest

from tamid.cli.main import main

TABLE = "  tables: {calls_made: {path: calls/*.parquet, entity: customer, time: at}}\n"
EVENTS = lab.CONTRACT.replace("training:", TABLE + "training:")
TIMELESS = """\
tamid: 1
name: churn
task: binary
data:
  source: {path: rows/*.parquet, owner: mlops_engineer}
  entity: customer
  label: {column: left, positive: 1}
  schema: {minutes: {type: number}}
training: {model: logistic}
"""


def adopted(root: Path, contract: str, keep: str) -> Path:
    """Make a workspace whose contract is in force and whose `[keep]` says something."""
    lab.make(root, contract, weeks=1)
    with (root / "tamid.toml").open("a", encoding="utf-8") as file:
        file.write(f"[keep]\n{keep}\n")
    app = lab.Lab(root, 1)
    try:
        app.adopt(lab.MODEL)
        if contract == EVENTS:
            (app.config.store / "tables" / "churn.calls_made" / "_delta_log").mkdir(parents=True)
    finally:
        app.close()
    return root


@pytest.mark.parametrize(
    ("name", "why"),
    [("churn.calls_made", "computed again"), ("calls_made", "computed again"),
     ("served", "service.log.keep"), ("timings", "service.log.keep")],
)  # fmt: skip
def test_a_table_whose_rows_all_stay_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, why: str
) -> None:
    """It is there, so it is no slip of the pen: what would go another way is named."""
    root = adopted(tmp_path / "w", EVENTS, f'"{name}" = "1y"')
    assert main(["-C", str(root), "gc", "--dry-run"]) == 2
    said = capsys.readouterr().err
    assert f"[keep] names '{name}', whose rows all stay" in said
    assert why in said
    assert "out of [keep]" in said


def test_rows_without_a_time_never_grow_old_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing goes by a moment that nobody has told."""
    root = adopted(tmp_path / "w", TIMELESS, 'rows = "1d"')
    assert main(["-C", str(root), "gc", "--dry-run"]) == 0
    assert "names no column of it (data.time)" in capsys.readouterr().out
