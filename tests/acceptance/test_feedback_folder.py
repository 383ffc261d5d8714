"""What a developer gets back from production: rows with their truth, errors, drift, a notebook."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
import toy_folder

from tamid.app import App
from tamid.cli.main import main
from tamid.config import find
from tamid.core.events import FeedbackGiven
from tamid.core.view.words import sentence
from tamid.stages.naming import named_pins

AS = ("-q", "--as", "ml_developer", "-C")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that has scored some weeks, of which the labels are in."""
    root = tmp_path_factory.mktemp("toy")
    for moment in toy.life()[:5]:
        toy_folder.prepare(root, moment)
        toy_folder.live(root, moment)
    return root


def test_feedback_holds_what_a_notebook_needs_to_begin(workspace: Path, tmp_path: Path) -> None:
    """Pinned rows with labels, errors in order, and a notebook that runs from top to bottom."""
    folder = tmp_path / "fb"
    taken = ["feedback", str(folder), "--worst", "30", "--reason", "case 7"]
    assert main(["-C", str(workspace), "-q", "--as", "ml_developer", *taken]) == 0
    rows, worst = (
        pl.read_parquet(folder / "rows.parquet"),
        pl.read_parquet(folder / "worst.parquet"),
    )
    assert rows.height > toy.ROWS / 2
    assert rows.get_column("_label").null_count() == 0
    assert worst.height == 30
    assert worst.get_column("_error").to_list() == sorted(rows["_error"].to_list())[:-31:-1]
    sure = rows.filter(pl.col("_label") == 1).sort("score")
    assert sure["_error"].is_sorted(descending=True)
    about = json.loads((folder / "pin.json").read_text("utf-8"))
    assert {"usage", "calls"} <= set(about["inputs"])
    assert "toy.predictions" in {pin["table"] for pin in about["tables"]}
    book = json.loads((folder / "feedback.ipynb").read_text("utf-8"))
    code = ["".join(c["source"]) for c in book["cells"] if c["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "of the errors" in done.stdout


def test_who_took_rows_is_recorded(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a role nothing is written; with one the ledger says who, why and of which tables."""
    folder = tmp_path / "fb"
    before = len(App(find(workspace)).records("toy"))
    assert main(["-C", str(workspace), "-q", "feedback", str(folder)]) == 2
    assert "--as ml_developer" in capsys.readouterr().err
    assert not folder.exists()
    said = ["feedback", str(folder), "--reason", "case 7"]
    assert main(["-C", str(workspace), "-q", "--as", "mlops_engineer", *said]) == 0
    (record,) = App(find(workspace)).records("toy")[before:]
    event = record.event
    assert isinstance(event, FeedbackGiven)
    assert (record.role.value, record.reason) == ("mlops_engineer", "case 7")
    assert event.rows == pl.read_parquet(folder / "rows.parquet").height
    assert "toy.predictions" in {pin.table for pin in event.pins}
    assert set(event.pins) <= set(named_pins(event)), "verify and backup reach them"
    assert "were taken out as feedback" in sentence(event)


def test_the_notebook_is_valid(workspace: Path, tmp_path: Path) -> None:
    """It keeps the format's own schema."""
    nbformat = pytest.importorskip("nbformat")
    folder = tmp_path / "fb"
    main(["-C", str(workspace), "-q", "--as", "ml_developer", "feedback", str(folder)])
    nbformat.validate(nbformat.read(folder / "feedback.ipynb", as_version=4))


def test_the_same_ledger_gives_the_same_rows(workspace: Path, tmp_path: Path) -> None:
    """The rows are those of pinned tables."""
    for name in ("one", "two"):
        main(
            [
                "-C",
                str(workspace),
                "-q",
                "--as",
                "ml_developer",
                "feedback",
                str(tmp_path / name),
                "--periods",
                "1",
            ]
        )
    one, two = (pl.read_parquet(tmp_path / n / "rows.parquet") for n in ("one", "two"))
    assert one.equals(two)
    assert one.get_column("_period").n_unique() == 1


def test_nothing_of_the_developer_is_overwritten(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that holds something is refused."""
    (tmp_path / "mine.txt").write_text("mine")
    assert main([*AS, str(workspace), "feedback", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
