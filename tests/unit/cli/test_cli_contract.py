"""`tamid contract check|show|diff|schema`, through the functions that the command line calls."""

from __future__ import annotations

import argparse
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tamid.cli import contract
from tamid.cli.main import main
from tamid.cli.output import Output
from tamid.core.errors import ContractError, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

ASSETS = Path(__file__).parents[2] / "assets" / "contracts"
Answer = tuple[int, str, str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace with one good contract."""
    shutil.copy(ASSETS / "everything.yaml", tmp_path / "contract.yaml")
    return tmp_path


def run(folder: Path, command: str, *words: str, as_json: bool = False) -> Answer:
    """Run a command in a workspace; return its status, stdout and stderr."""
    parser = argparse.ArgumentParser()
    declare: Callable[[argparse.ArgumentParser], None] = getattr(contract, f"add_{command}")
    declare(parser)
    args = parser.parse_args(words)
    args.workspace = folder
    stdout, stderr = io.StringIO(), io.StringIO()
    status = getattr(contract, command)(args, Output(as_json=as_json, stdout=stdout, stderr=stderr))
    return status, stdout.getvalue(), stderr.getvalue()


def parsed(answer: Answer) -> Any:
    """Return the one JSON object of an answer."""
    return json.loads(answer[1])


def broken(folder: Path, old: str, new: str) -> None:
    """Spoil the workspace's contract."""
    path = folder / "contract.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def test_check_accepts_a_good_contract_and_misses_its_code(folder: Path) -> None:
    """A contract without problems is status 0; functions that are not there are warnings."""
    (folder / "features.py").write_text("def build(frame):\n    return frame\n", "utf-8")
    (folder / "model.py").write_text("def other():\n    pass\n", "utf-8")
    status, said, warned = run(folder, "check")
    assert status == 0
    assert "no problems" in said
    assert "model.py has no function build" in warned
    assert "rules.py, which is not in" in warned
    assert "features.py" not in warned


def test_check_names_all_problems_and_fails(folder: Path) -> None:
    """Every problem stands with its line; the status is 1."""
    broken(folder, "f1: 0.75", "f1: 75")
    broken(folder, "seed: 7", "sed: 7")
    status, _, said = run(folder, "check")
    assert status == 1
    assert "contract.yaml has 2 problems" in said
    assert "line 20: training: unknown key `sed`; did you mean `seed`?" in said


def test_check_as_json_lists_problems_as_data(folder: Path) -> None:
    """Scripts get line, path, message and hint of each problem."""
    broken(folder, "f1: 0.75", "f1: 75")
    answer = run(folder, "check", as_json=True)
    (result,) = parsed(answer)["contracts"]
    assert (answer[0], parsed(answer)["ok"], result["ok"]) == (1, False, False)
    (problem,) = result["problems"]
    assert (problem["path"], problem["hint"]) == ("gates.minimum.f1", "did you mean 75%?")


def test_check_reads_several_files(folder: Path) -> None:
    """Each named file is judged; one bad file fails the whole."""
    (folder / "bad.yaml").write_text("tamid: 1\n", "utf-8")
    answer = run(folder, "check", "contract.yaml", "bad.yaml", as_json=True)
    assert [c["ok"] for c in parsed(answer)["contracts"]] == [True, False]
    assert answer[0] == 1


def test_show_says_who_owns_each_block_and_what_was_written(folder: Path) -> None:
    """Owners with their teams, then the keys; defaults only on request."""
    _, said, _ = run(folder, "show")
    assert "ml_developer + mlops_engineer  ml-team + ops-team" in said
    assert "service.size_mb" not in said
    assert "service.size_mb" in run(folder, "show", "--all")[1]


def test_show_can_be_cut_to_one_block(folder: Path) -> None:
    """Only that block's keys; an unknown block is a usage error with a hint."""
    answer = run(folder, "show", "--block", "gates", as_json=True)
    assert {k["path"].partition(".")[0] for k in parsed(answer)["keys"]} == {"gates"}
    with pytest.raises(UsageError) as caught:
        run(folder, "show", "--block", "gate")
    assert "gates" in caught.value.remedy


def test_diff_says_effect_and_signatures(folder: Path) -> None:
    """A change of the horizon breaks, and both roles must sign it."""
    shutil.copy(folder / "contract.yaml", folder / "new.yaml")
    path = folder / "new.yaml"
    path.write_text(path.read_text("utf-8").replace("horizon: 7d", "horizon: 14d"), "utf-8")
    status, said, _ = run(folder, "diff", "contract.yaml", "new.yaml")
    assert status == 0
    assert said.startswith("break: 1 change(s), to be signed by ml_developer and mlops_engineer")
    answer = run(folder, "diff", "contract.yaml", "new.yaml", "--fail-on", "retrain", as_json=True)
    assert (answer[0], parsed(answer)["effect"]) == (1, "break")


def test_a_changed_policy_is_offered_a_dry_run_before_it_is_signed(folder: Path) -> None:
    """Only where the policy of retraining changes, and with the command as it must be typed."""
    path = folder / "new.yaml"
    text = (folder / "contract.yaml").read_text("utf-8")
    path.write_text(text.replace("cooldown: 2d", "cooldown: 3d"), "utf-8")
    _, said, _ = run(folder, "diff", "contract.yaml", "new.yaml")
    assert "`tamid replay --compare today,new.yaml`" in said
    path.write_text(text.replace("horizon: 7d", "horizon: 14d"), "utf-8")
    assert "replay" not in run(folder, "diff", "contract.yaml", "new.yaml")[1]


def test_diff_of_the_same_contract_is_compatible(folder: Path) -> None:
    """No change is no failure, whatever is asked for."""
    answer = run(folder, "diff", "contract.yaml", "contract.yaml", "--fail-on", "retrain")
    assert answer[:2] == (0, "compatible: the contracts say the same\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_schema_prints_json_schema(folder: Path, as_json: bool) -> None:
    """The schema is JSON with and without --json."""
    assert "$schema" in parsed(run(folder, "schema", as_json=as_json))


def test_a_contract_that_is_not_there_is_told(folder: Path) -> None:
    """A missing file is not found; a folder in its place cannot be read."""
    with pytest.raises(NotFound):
        run(folder, "show", "none.yaml")
    with pytest.raises(ContractError) as caught:
        run(folder, "show", ".")
    assert "cannot be read" in caught.value.what


def test_of_several_contracts_each_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of one name in two folders are told apart by their folders."""
    for name in ("churn", "upsell"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "contract.yaml").write_text("tamid: 1\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["contract", "check", "churn/contract.yaml", "upsell/contract.yaml"]) == 1
    said = capsys.readouterr().err
    assert "error T200: churn/contract.yaml has" in said
    assert "error T200: upsell/contract.yaml has" in said
