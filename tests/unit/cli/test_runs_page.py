"""The page of runs: whole, from nothing outside, and honest about what it lacks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lab
import pytest
from balanced import Balanced

from tamid.cli.main import main
from tamid.cli.runs import sheet_lines
from tamid.cli.runs_charts import Dot, scatter
from tamid.cli.runs_page import whole_page
from tamid.core.view.runs import RunSheet
from tamid.core.view.snapshot import RunCard

TRIALS = [
    {"number": n, "params": {"depth": 3 + n, "rate": 0.1 / (n + 1)}, "loss": loss}
    for n, loss in enumerate((0.5, 0.3, 0.4))
]
FEATURES = [
    {"feature": "<minutes>", "source": "column", "share": 0.9, "nulls": 0.25, "ms": 0.0,
     "benefit": {"point": 0.3, "low": 0.2, "high": 0.4}, "lead": 2,
     "ageing": [{"periods": 2, "kept": 0.7}]},
    {"feature": "calls", "source": "code", "share": 0.1, "nulls": 0.0, "ms": 1.5,
     "benefit": {"point": 0.0, "low": -0.1, "high": None}, "lead": None, "ageing": []},
    {"feature": "plan", "source": "code", "share": 0.0, "nulls": 0.0, "ms": 1.5,
     "benefit": None, "lead": None, "ageing": []},
]  # fmt: skip


def sheet(run: str, report: dict[str, Any] | None = None, **more: Any) -> RunSheet:
    """Return a run as the page gets it."""
    card = RunCard(
        run=run, at=datetime(2026, 3, 1, tzinfo=UTC), trigger="person", reason="a <reason>",
        outcome=more.pop("outcome", "held"), why="worse", window="all", attempts=1,
        metrics=more.pop("metrics", {"f1": 0.7}), seconds=2.0, version=0, case=0, **more,
    )  # fmt: skip
    return RunSheet(
        card=card, contract="sha256:aa", code={}, pins=(), periods=(), judged_on=(), seed=7, git="",
        branch="", changed=(), environment="", bundle="", overlay="", rows=1, peak_mb=1.0,
        verdicts=("minimum f1: fail",), report=report or {},
    )  # fmt: skip


def test_trials_features_and_gates_are_drawn() -> None:
    """A dot for each trial in each picture, a bar for each measured feature, all escaped."""
    report = {"metric": "f1", "window": "all", "threshold": 0.4, "params": {"depth": 4},
              "trials": TRIALS, "features": FEATURES}  # fmt: skip
    text = whole_page("churn", "f1", [sheet("run-0001", report)])
    Balanced().feed(text)
    assert len(re.findall(r'<circle class="tried"', text)) == 2 * 3
    assert len(re.findall(r'<circle class="won"', text)) == 3
    assert len(re.findall(r'<rect class="sure"', text)) == 1
    assert len(re.findall(r'<rect class="unsure"', text)) == 1
    assert "&lt;minutes&gt;" in text
    assert "a <reason>" not in text
    assert "2 periods earlier (keeps 70 %)" in text
    assert "not measured" in text
    assert "minimum f1: fail" in text


def test_windows_that_were_not_offered_are_said_with_the_reason() -> None:
    """On the page and in the terminal: what cannot be weighed has no row among those tried."""
    why = "KNeighborsClassifier takes no sample_weight"
    one = sheet("run-0001", {"window": "all", "windows_left_out": {"decay:13": why}})
    assert f"Not offered: decay:13, for {why}." in whole_page("churn", "f1", [one])
    assert f"    no    decay:13      {why}" in list(sheet_lines(one))


def test_nothing_is_asked_of_another_place() -> None:
    """No script, no link, no image, no font."""
    text = whole_page("churn", "f1", [sheet("run-0001", {"trials": TRIALS, "features": FEATURES})])
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|src=", text)
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("runs", [0, 1, 40])
def test_any_number_of_runs_makes_a_page(runs: int) -> None:
    """None, one, and more than are told whole; a run without a metric has a line and no dot."""
    sheets = [sheet(f"run-{n:04d}", {"window": "all"}, experiment=n % 2 == 0) for n in range(runs)]
    sheets.append(sheet("run-9999", metrics={}, outcome="failed"))
    text = whole_page("churn", "f1", sheets)
    Balanced().feed(text)
    assert text.count("<circle") == runs
    assert text.count("<details") == min(runs, 12)
    assert "run-9999" in text


def test_the_command_writes_the_page(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a workspace that trained; a place that cannot be written is told."""
    root = lab.ticked(lab.make(tmp_path_factory.mktemp("lab") / "page"))
    place = tmp_path / "runs.html"
    assert main(["-C", str(root), "runs", "page", "--out", str(place)]) == 0
    assert "1 run in" in capsys.readouterr().out
    text = place.read_text("utf-8")
    Balanced().feed(text)
    assert "What each feature is worth" in text
    assert main(["-C", str(root), "runs", "page", "--out", str(tmp_path / "no" / "x.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_counts_of_rows_stand_whole_below_a_picture() -> None:
    """No reader of rows thinks in powers of ten."""
    dots = [Dot(x=x, y=0.8, kind="tried", told="") for x in (15_000.0, 240_000.0)]
    drawn = scatter(dots, x="rows", y="f1")
    assert "e+0" not in drawn
    assert re.search(r">\d{2,3} \d{3}</text>", drawn)
