"""`tamid plan`, on small folders with time and without."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tamid.cli.main import main

SUNDAY = datetime(2025, 1, 5, tzinfo=UTC)
WEEKLY = """
tamid: 1
name: small
task: binary
calendar: {week_starts: sunday}
data:
  source: {path: rows.parquet, owner: mlops_engineer}
  entity: id
  time: at
  label: {column: y, positive: 1, horizon: 7d, reporting_lag: 2d, absence: unknown}
  schema: {a: {type: number}}
monitoring: {quality: {metric: f1, at_least: 0.8}}
"""
TIMELESS = """
tamid: 1
name: once
task: binary
data:
  source: {path: rows.parquet, owner: mlops_engineer}
  entity: id
  label: {column: y, positive: 1}
  schema: {a: {type: number}}
gates: {minimum: {f1: 0.5}}
"""


def folder(root: Path, contract: str, weeks: int, positives: int) -> Path:
    """Write weeks of 200 rows, each with so many positives."""
    y = np.tile(np.arange(200) < positives, weeks).astype(int)
    frame = pl.DataFrame(
        {
            "id": np.tile(np.arange(200), weeks) if "time" in contract else np.arange(len(y)),
            "at": [SUNDAY + timedelta(weeks=int(w)) for w in np.repeat(np.arange(weeks), 200)],
            "a": np.zeros(len(y)),
            "y": y,
        }
    )
    (frame if "time:" in contract else frame.drop("at")).write_parquet(root / "rows.parquet")
    (root / "contract.yaml").write_text(contract, "utf-8")
    (root / "tamid.toml").write_text("[workspace]\n", "utf-8")
    return root


def told(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> dict[str, object]:
    """Run `tamid plan --json`."""
    assert main(["plan", "-C", str(root), "--json", "-q", *words]) == 0
    body = json.loads(capsys.readouterr().out)
    assert isinstance(body, dict)
    return body


def test_a_rich_history_can_be_decided_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twenty weeks of forty positives: a first run now, a fall of 0.1 nine days and more later."""
    seen = told(capsys, folder(tmp_path, WEEKLY, 20, 40))["foresight"]
    assert isinstance(seen, dict)
    assert seen["missing"] == 0
    assert seen["error"] == pytest.approx(0.049, abs=0.001)
    assert seen["mass"] == 40 * len(seen["judged"])
    # Weeks of 40 positives show a fall of 0.1 only on two of them: a week and nine days.
    assert (seen["periods"], seen["confirm"]) == (2, "16d")


def test_what_four_weeks_show_is_told_of_any_period(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two periods of a fortnight; the fall of an error is one in its own unit, and a rise."""
    numbers = (
        WEEKLY.replace("binary", "regression").replace(", positive: 1", "")
        .replace("{metric: f1, at_least: 0.8}", "{metric: mae, at_most: 0.3}")
    )  # fmt: skip
    root = folder(tmp_path, f"{numbers}delivery: {{every: 14d}}\n", 20, 40)
    body = told(capsys, root)
    seen, said = body["foresight"], body["said"]
    assert isinstance(seen, dict)
    assert isinstance(said, dict)
    assert (seen["month"], seen["fall"]) == (2, pytest.approx(0.03))
    assert "found within 4 weeks (2 periods)" in said["visible"]
    assert "a rise of 0.03 is confirmed" in said["repair"]
    unasked = told(capsys, folder(tmp_path, numbers.replace(", at_most: 0.3", ""), 20, 40))
    seen = unasked["foresight"]
    assert isinstance(seen, dict)
    assert seen["fall"] == seen["visible"]
    assert seen["periods"] == 4


def test_a_poor_history_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five weeks of five positives: the number of further periods, in words too."""
    root = folder(tmp_path, WEEKLY, 5, 5)
    seen = told(capsys, root)["foresight"]
    assert isinstance(seen, dict)
    assert seen["missing"] > 8
    assert main(["plan", "-C", str(root), "-q"]) == 0
    text = capsys.readouterr().out
    assert f"about {seen['missing']} more periods" in text
    assert "25 positives (2.5% of those known)" in text


def test_a_table_without_time_is_planned_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that are there at once are judged at once; nothing is promised about falls."""
    body = told(capsys, folder(tmp_path, TIMELESS, 3, 60), "--level", "0.7")
    said, seen = body["said"], body["foresight"]
    assert isinstance(said, dict)
    assert isinstance(seen, dict)
    assert said["history"].startswith("600 good rows; 180 positives (30.0% of those known)")
    assert "judged at once" in said["gate"]
    assert seen["level"] == 0.7
    assert seen["confirm"] is None


def test_no_rows_is_a_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file there is nothing to plan with: exit code 1 and three lines."""
    root = folder(tmp_path, WEEKLY, 2, 2)
    (root / "rows.parquet").unlink()
    assert main(["plan", "-C", str(root), "-q"]) == 1
    told_lines = capsys.readouterr().err.splitlines()
    assert "a source has no data" in told_lines[0]
    assert [line.split(":")[0].strip() for line in told_lines[1:]] == ["why", "do"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--level", "2"), "f1 lies between 0 and 1"),
        (("--fall", "3"), "no f1 falls by 3"),
    ],
)
def test_what_the_metric_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    """A level or fall beyond the metric's ends gets no figures."""
    assert main(["plan", "-C", str(folder(tmp_path, WEEKLY, 20, 40)), *words]) == 2
    assert said in capsys.readouterr().err
