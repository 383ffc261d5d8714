"""Replays of a history in which a campaign saved most of those it called come to the truth."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from acted_world import CONTRACT, MONDAY, WEEK, folder, history, planned

from tamid.app import Quiet
from tamid.backtest import backtest
from tamid.cli.main import main
from tamid.core.policies.account import compare
from tamid.core.policies.policy import calendar, never
from tamid.rehearsal import Reality
from tamid.stages.in_fact import Acted
from tamid.stages.past import Replay
from tamid.whatif import Asked, performance
from tamid.wiring import load_contract

UNTOLD = CONTRACT.replace("  actions: {path: acts.csv, time: at, offer: offer}\n", "")
ASKED = Asked(until=MONDAY + 24 * WEEK, windows=("all",), lag=0, first=9, step=4)


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    """Return the history."""
    return history()


def walked(root: Path, real: Reality) -> tuple[float, Acted]:
    """Return the quality of training weekly by the tensor, and what it says of acts."""
    path = root / "contract.yaml"
    made = performance(load_contract(path), path, ASKED, Quiet(), None, real)
    return compare(made.tensor, [never(), calendar("weekly", 4)])["weekly"].overall, made.acted


def test_policies_are_compared_on_rows_that_were_left_alone(
    tmp_path: Path, found: pl.DataFrame
) -> None:
    """Calls hide most of who would have left; with inbox and draw the truth is found again."""
    truth, none = walked(folder(tmp_path / "a", found, "free", UNTOLD), Reality())
    assert none.words == ()
    blind, _ = walked(folder(tmp_path / "b", found, "left", UNTOLD), Reality())
    assert blind < truth - 0.3
    root = folder(tmp_path / "c", found, "left")
    fair, told = walked(root, Reality(planned=planned(found)))
    assert abs(fair - truth) < 0.05
    called, held = int(found["called"].sum()), int((found["chosen"] & ~found["called"]).sum())
    assert (told.rows, told.blind, told.weighted) == (called, 0, held)
    assert told.judged == found.height - called
    inbox, unsure = walked(root, Reality())
    assert blind < inbox < fair, "those that stand for the called do not count more"
    assert (unsure.rows, unsure.blind, unsure.weighted) == (called, called, 0)
    assert any("no chance is known" in line for line in unsure.words)


def test_the_command_says_what_became_of_acts(
    tmp_path: Path, found: pl.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """In words, in the page, and in --json."""
    root = folder(tmp_path / "w", found, "left")
    assert main(["-C", str(root), "contract", "adopt"]) == 0
    page = tmp_path / "page.html"
    words = ["replay", "--compare", "never,weekly", "--every", "2w", "--plot", str(page)]
    capsys.readouterr()
    assert main(["-C", str(root), *words]) == 0
    said = capsys.readouterr().out
    assert "rows had been acted on and are neither learnt from nor judged" in said
    assert "rows had been acted on" in page.read_text("utf-8")
    assert main(["-C", str(root), *words, "--json"]) == 0
    acted = json.loads(capsys.readouterr().out)["acted"]
    assert (acted["left_out"], acted["rows"]) == (True, int(found["called"].sum()))


@pytest.mark.integration
def test_the_loop_itself_comes_to_the_truth(tmp_path: Path, found: pl.DataFrame) -> None:
    """What it served, and its rival, are judged as if nobody had been called."""

    def played(name: str, label: str, text: str, real: Reality) -> Replay:
        path = folder(tmp_path / name, found, label, text) / "contract.yaml"
        begin, end = MONDAY + 9 * WEEK, MONDAY + 15 * WEEK
        return backtest(load_contract(path), path, begin, end, ("frozen",), Quiet(), real)

    truth = played("a", "free", UNTOLD, Reality())
    blind = played("b", "left", UNTOLD, Reality())
    fair = played("c", "left", CONTRACT, Reality(planned=planned(found)))
    assert truth.acted.words == ()
    for who in ("served", "frozen"):
        assert blind.means[who] < truth.means[who] - 0.3
        assert abs(fair.means[who] - truth.means[who]) < 0.05
    assert fair.acted.unread == ""
    assert sum(w.acted.rows for w in fair.weeks) == fair.acted.rows > 400
    assert all(w.rows == w.acted.judged for w in fair.weeks)
