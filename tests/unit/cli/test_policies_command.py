"""`tamid replay --compare` and `tamid tune-policy`, on a small folder."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tamid.cli.main import main
from tamid.cli.policies import proposal
from tamid.cli.policies_page import smoothed
from tamid.core.policies.policy import AGE, NEW_DATA, QUALITY, drafted

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
CONTRACT = """
tamid: 1
name: small
task: binary
goal: {value_per_saved: 100 EUR, offer_cost: 10 EUR}
data:
  source: {path: rows.parquet, owner: mlops_engineer}
  entity: id
  time: at
  label: {column: y, positive: 1, horizon: 1d, absence: unknown}
  schema: {a: {type: number}, b: {type: number}}
training: {model: logistic, threads: 1}
gates: {baselines: []}
retraining: {on: [quality, age], max_age: 8w, cooldown: 1w}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year of weeks in which what matters moves from one column to the other."""
    root = tmp_path_factory.mktemp("small")
    rng = np.random.default_rng(5)
    weeks, a_week = 45, 70
    week = np.repeat(np.arange(weeks), a_week)
    a, b = rng.normal(size=(2, weeks * a_week))
    turn = week / weeks
    y = (rng.uniform(size=len(week)) < 1 / (1 + np.exp(-3 * (a * (1 - turn) + b * turn)))).astype(
        int
    )
    at = [MONDAY + timedelta(hours=int(w) * 168 + 2.4 * (i % a_week)) for i, w in enumerate(week)]
    ids = np.arange(len(week))
    pl.DataFrame({"id": ids, "at": at, "a": a, "b": b, "y": y}).write_parquet(root / "rows.parquet")
    (root / "contract.yaml").write_text(CONTRACT, "utf-8")
    (root / "new.yaml").write_text("retraining: {max_age: 4w, window: short}\n", "utf-8")
    (root / "tamid.toml").write_text(
        '[workspace]\n[prices]\ncurrency = "EUR"\ncpu_hour = 1\nreview = 20\n', "utf-8"
    )
    return root


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command; its exit code and what it printed."""
    code = main(list(words))
    found = capsys.readouterr()
    return code, found.out, found.err


def test_policies_are_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each policy with its cost in the goal's money, in JSON every week; and a page."""
    words = ["replay", "--compare", "never,weekly,default,today,new.yaml", "-C", str(folder),
             "--every", "2w", "--plot", str(folder / "p.html"), "-q"]  # fmt: skip
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    rows = [line.split()[0] for line in out.splitlines()[2:7]]
    assert rows == ["never", "weekly", "default", "today", "new"]
    assert "errors, EUR" in out
    assert "no policy could train more often" in out
    assert "at your prices" in out
    told = json.loads(run(capsys, *words, "--json")[1])
    by_name = {p["policy"]: p for p in told["policies"]}
    assert by_name["never"]["regret"] == 1.0
    assert by_name["weekly"]["quality"] > by_name["never"]["quality"]
    assert by_name["weekly"]["cost"]["runs"] > by_name["weekly"]["runs"] * 20
    assert len(by_name["weekly"]["by_week"]) == len(by_name["never"]["by_week"])
    assert told["computing"]["fits"] == 0  # the second asking found all in the workspace
    page = (folder / "p.html").read_text("utf-8")
    assert page.count("<polyline") > 5
    assert "How a model ages" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_policy_is_tuned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The proposal is a block that the contract takes, told on weeks that had no say in it."""
    code, out, _ = run(capsys, "tune-policy", "-C", str(folder), "--every", "2w", "-q", "--plot",
                       str(folder / "t.html"), "--json")  # fmt: skip
    told = json.loads(out)
    assert code == 0
    assert told["proposal"].startswith("retraining: {on: [")
    assert told["told_on"]["policies"][0]["policy"] == "tuned"
    assert told["told_on"]["policies"][0]["first_week"] > 20
    text = CONTRACT.replace(CONTRACT.splitlines()[-1], told["proposal"])
    (folder / "tuned.yaml").write_text(text, "utf-8")
    assert main(["contract", "check", str(folder / "tuned.yaml")]) == 0


@pytest.mark.parametrize("triggers", [{QUALITY}, {AGE}, {NEW_DATA, QUALITY}])
def test_a_proposal_names_no_setting_without_its_trigger(
    triggers: set[str], tmp_path: Path
) -> None:
    """Whichever triggers are chosen, the contract takes the block that says so."""
    block = proposal(replace(drafted(), on=frozenset(triggers)))
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.replace(CONTRACT.splitlines()[-1], block), "utf-8")
    assert main(["contract", "check", str(path)]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--compare", "never,monthly"], "there is no policy at"),
        (["--compare", ","], "which policies?"),
        (["--compare", "never", "--from", "2025-02-03"], "over the whole history"),
        (["--compare", "never", "--to", "2025-03-03"], "too few"),
        (["--compare", "never", "--every", "0w"], "at least a week apart"),
    ],
)
def test_a_senseless_comparison_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """The user is told what is wrong and what to do, without a traceback."""
    code, _, err = run(capsys, "replay", "-C", str(folder), "-q", *words)
    assert code != 0
    assert said in err
    assert "Traceback" not in err


def test_without_prices_no_cost_of_nothing_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The goal's money alone prices errors; what a run costs is asked for, and not told as 0."""
    settings = folder / "tamid.toml"
    priced = settings.read_bytes()
    settings.write_text("[workspace]\n", "utf-8")
    try:
        code, out, _ = run(capsys, "replay", "--compare", "never", "-C", str(folder),
                           "--every", "2w", "--plot", str(folder / "p.html"), "-q")  # fmt: skip
    finally:
        settings.write_bytes(priced)
    assert code == 0
    assert "name [prices] in tamid.toml to see it in EUR" in out
    assert "EUR a run" not in out


def test_lines_are_smoothed_over_gaps() -> None:
    """A week without truth takes the mean of those before; where there are none it stays open."""
    nan = float("nan")
    assert smoothed([1.0, nan, 3.0, 5.0, 7.0]) == [1.0, 1.0, 2.0, 3.0, 5.0]
    assert np.isnan(smoothed([nan, 1.0])[0])
