"""Experiments are trained, judged and recorded, and never become anything."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import lab
import pytest

from tamid.cli.main import main
from tamid.cli.turning import turn
from tamid.core import events as ev
from tamid.core.errors import NotFound, Waiting
from tamid.core.state import State
from tamid.core.values import Role
from tamid.stages.byhand import Idea, Wish
from tamid.stages.experiments import experiment
from tamid.stages.reproducing import reproduce

CODE = {"features.py": "def build(rows):\n    return rows.with_columns(half=rows['calls'] / 2)\n"}
TEXT = lab.CONTRACT + "features: {code: features.py:build}\n"
BROKEN = {"features.py": "def build(rows):\n    return rows['nobody']\n"}


def wish(**more: object) -> Wish:
    """What a person says with an experiment."""
    return Wish(actor="dana", role=Role.ML_DEVELOPER, reason="half the calls", **more)  # type: ignore[arg-type]


@pytest.fixture
def app(tmp_path: Path) -> lab.Lab:
    """A workspace with a live version."""
    return lab.Lab(lab.ticked(lab.make(tmp_path / "tried")))


def tried(app: lab.Lab, idea: Idea, **more: object) -> str:
    """Make an experiment."""
    return experiment(app.rig(lab.MODEL), app.holder, wish(**more), idea)


def without(state: State) -> tuple[object, ...]:
    """Return all that an experiment must leave as it was."""
    return (state.contract, state.code, state.runs, state.versions, state.reigns, state.cases)


def test_an_experiment_is_recorded_and_changes_nothing(app: lab.Lab) -> None:
    """Its contract and code, metrics, and the gates' word; the loop goes on as if it were not."""
    before = app.state(lab.MODEL)
    assert tried(app, Idea(contract=TEXT, code=CODE)) == "exp-0001"
    after = app.state(lab.MODEL)
    run = after.experiments["exp-0001"]
    assert without(after) == without(before)
    assert run.started.experiment
    assert run.started.contract != after.contract
    assert list(run.started.code) == ["features.py"]
    assert run.finished is not None
    assert run.finished.metrics["f1"] > 0.3
    assert run.judged is not None
    turn(app, lab.MODEL)
    assert without(app.state(lab.MODEL)) == without(before)
    assert app.state(lab.MODEL).every_run.keys() == {"run-0001", "exp-0001"}


def test_an_experiment_can_be_made_again(app: lab.Lab) -> None:
    """Like any run."""
    name = tried(app, Idea(contract=TEXT, code=CODE))
    assert reproduce(app.rig(lab.MODEL), app.records(lab.MODEL), name).equal


def test_the_loop_may_hold_the_model_meanwhile(app: lab.Lab) -> None:
    """An experiment waits for no lease, and takes none from anybody."""
    lease = app.leases.acquire(lab.MODEL, "host:1", app.clock.now(), lab.WEEK)
    tried(app, Idea(contract=TEXT, code=CODE))
    held = app.leases.held(lab.MODEL)
    assert held is not None
    assert (held.holder, held.token) == ("host:1", lease.token)


def test_what_was_tried_shares_the_evidence(app: lab.Lab) -> None:
    """With every experiment on the same rows a finding must be clearer."""
    for expected in (1, 2):
        name = tried(app, Idea(contract=TEXT, code=CODE))
        judged = app.state(lab.MODEL).experiments[name].judged
        assert judged is not None
        report = json.loads(app.blobs.get(judged.report))
        assert report["attempt"] == expected


def test_code_that_fails_is_an_outcome(app: lab.Lab) -> None:
    """The run says why, and is judged by nobody."""
    name = tried(app, Idea(contract=TEXT, code=BROKEN))
    run = app.state(lab.MODEL).experiments[name]
    assert run.failed is not None
    assert "nobody" in run.failed.message
    assert run.judged is None
    assert tried(app, Idea(contract=TEXT, code=CODE)) == "exp-0002"


def test_an_unknown_case_is_refused(app: lab.Lab) -> None:
    """And nothing is written down."""
    with pytest.raises(NotFound, match="case 9"):
        tried(app, Idea(contract=TEXT, code=CODE), case=9)
    assert not app.state(lab.MODEL).experiments


def test_without_labels_an_experiment_waits(tmp_path: Path) -> None:
    """It says what is missing."""
    app = lab.Lab(lab.ticked(lab.make(tmp_path / "young", weeks=3), weeks=3), weeks=3)
    with pytest.raises(Waiting, match="of 8 periods"):
        tried(app, Idea(contract=TEXT, code=CODE))


def git(folder: Path, *words: str) -> None:
    """Run git as somebody."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_what_is_not_committed_may_be_tried_and_not_released(
    app: lab.Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The refusal names the files; the experiment records commit, branch, files and difference."""
    root = app.config.root
    git(root, "init", "-q", "-b", "trunk")
    git(root, "add", "contract.yaml")
    git(root, "commit", "-qm", "one")
    (root / "contract.yaml").write_text(TEXT)
    (root / "features.py").write_text(CODE["features.py"])
    before = app.state(lab.MODEL)
    assert main(["-C", str(root), "train"]) == 3
    said = capsys.readouterr().err
    assert "not committed: contract.yaml, features.py" in said
    assert "tamid train --experiment" in said
    assert without(app.state(lab.MODEL)) == without(before)
    name = tried(app, Idea(contract=TEXT, code=CODE))
    started = app.state(lab.MODEL).experiments[name].started
    assert (started.branch, started.dirty) == ("trunk", True)
    assert started.changed == ("contract.yaml", "features.py")
    assert len(started.git) == 40
    assert "+features: {code: features.py:build}" in app.blobs.get(started.diff).decode()


def test_the_loops_own_run_of_uncommitted_code_is_held_with_the_files(app: lab.Lab) -> None:
    """The gate says which: whoever reads the case need not look for them."""
    root = app.config.root
    git(root, "init", "-q")
    git(root, "add", "contract.yaml")
    git(root, "commit", "-qm", "one")
    (root / "contract.yaml").write_text(TEXT)
    (root / "features.py").write_text(CODE["features.py"])
    turn(app, lab.MODEL)
    run = app.state(lab.MODEL).runs["run-0002"]
    assert run.started.trigger == "code"
    assert run.judged is not None
    assert run.judged.outcome == "held"
    report = json.loads(app.blobs.get(run.judged.report))
    (verdict,) = [v for v in report["verdicts"] if v["gate"] == "clean tree"]
    assert verdict["message"] == "not committed: contract.yaml, features.py"


def test_a_dry_run_is_no_experiment(app: lab.Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """One of the two words has to go."""
    assert main(["-C", str(app.config.root), "train", "--dry-run", "--experiment"]) == 2
    assert "Leave one of them out" in capsys.readouterr().err


def test_an_event_of_an_experiment_never_reaches_the_runs(app: lab.Lab) -> None:
    """The fold keeps the two apart whatever comes after the start."""
    name = tried(app, Idea(contract=TEXT, code=CODE))
    kinds = [type(r.event) for r in app.records(lab.MODEL) if getattr(r.event, "run", "") == name]
    assert kinds == [ev.RunStarted, ev.RunFinished, ev.Judged]
    assert name not in app.state(lab.MODEL).runs
