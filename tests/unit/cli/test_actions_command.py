"""`tamid actions` where a campaign was declared, and where none was."""

from __future__ import annotations

import json
from pathlib import Path

import lab
import pytest

from tamid.cli.main import main

DECLARED = lab.CONTRACT.replace(
    "delivery: {every: 7d,",
    "delivery: {every: 7d, control_group: 20%, actions: {path: acts/*.csv, offers: {call: 1.0}},",
)
# Long ago, whatever day it is today.
GOOD = "customer,offer,at\nc1,call,2020-01-05T10:00:00Z\nc2,call,2020-01-05T10:00:00Z\n"
BAD = "customer,offer,at\nc1,cal,2020-01-05T10:00:00Z\n,call,soon\n"


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose contract declares actions, and nothing was trained in."""
    root = lab.make(tmp_path_factory.mktemp("lab") / "acts", DECLARED, weeks=1)
    app = lab.Lab(root, 1)
    try:
        app.adopt(lab.MODEL)
    finally:
        app.close()
    return root


def test_a_file_is_added_once_and_listed(
    declared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Taken in, taken in before, and then in the list; acts on strangers are told."""
    file = tmp_path / "monday.csv"
    file.write_text(GOOD)
    words = ["-C", str(declared), "actions", "add", str(file)]
    assert main(words) == 0
    assert "2 new acts (call 2)" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["again"] is True
    assert main(["-C", str(declared), "actions", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(f["batch"], f["new"]) for f in told["files"]] == [("monday.csv", 2)]
    assert told["lifts"] == []
    assert main(["-C", str(declared), "actions"]) == 0
    assert "no outcome of a delivered period is in yet" in capsys.readouterr().out


def test_a_bad_file_is_refused_with_its_lines_and_leaves_no_trace(
    declared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, every line with every fault, nothing recorded."""
    file = tmp_path / "bad.csv"
    file.write_text(BAD)
    app = lab.Lab(declared, 1)
    before = app.state(lab.MODEL).seq
    assert main(["-C", str(declared), "actions", "add", str(file)]) == 1
    said = capsys.readouterr().err
    assert "line 2: 'cal' is no offer of the contract" in said
    assert "line 3: customer is missing, at is no moment" in said
    assert app.state(lab.MODEL).seq == before
    app.close()


@pytest.mark.parametrize(
    ("content", "why"),
    [(GOOD.rstrip(), "ends in the middle of a line"), (GOOD.splitlines()[0], "middle of a line"),
     (GOOD.splitlines()[0] + "\n", "one line only")],
)  # fmt: skip
def test_a_file_that_is_not_ready_is_not_called_known(
    declared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, why: str
) -> None:
    """Nothing of it is taken in, and it is not said to have been."""
    file = tmp_path / "half.csv"
    file.write_text(content)
    assert main(["-C", str(declared), "actions", "add", str(file)]) == 1
    said = capsys.readouterr()
    assert "is not taken in yet" in said.err
    assert why in said.err
    assert not said.out


def test_without_a_declaration_the_block_to_add_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and the contract's lines to copy; a file that is not there is named first."""
    root = lab.make(tmp_path / "plain", weeks=1)
    app = lab.Lab(root, 1)
    app.adopt(lab.MODEL)
    app.close()
    assert main(["-C", str(root), "actions"]) == 2
    assert "delivery: {actions:" in capsys.readouterr().err
    assert main(["-C", str(root), "actions", "add", str(tmp_path / "none.csv")]) == 2
    assert "there is no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("control_group: 20%, ", ""), "without a control group"),
        (("call: 1.0", "call: 0.3"), "the shares add up to 30%"),
    ],
)
def test_a_declaration_that_cannot_be_measured_is_no_contract(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    """Shares that leave somebody without an offer, and no control group, are problems."""
    root = lab.make(tmp_path / "wrong", DECLARED.replace(*change), weeks=1)
    assert main(["-C", str(root), "contract", "check"]) == 1
    assert said in capsys.readouterr().err
