"""Where a run's code comes from: what git knows of the contract's folder."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tamid.wiring import origin_of


def git(folder: Path, *words: str) -> None:
    """Run git as somebody."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_committed_code_has_a_commit_and_changed_code_is_dirty(tmp_path: Path) -> None:
    """A change of the contract or of Python beside it makes the tree dirty; data does not."""
    contract = tmp_path / "contract.yaml"
    contract.write_text("tamid: 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "contract.yaml")
    git(tmp_path, "commit", "-qm", "one")
    (tmp_path / "rows.csv").write_text("a\n")
    clean = origin_of(contract)
    assert len(clean.git) == 40
    assert not clean.dirty
    (tmp_path / "features.py").write_text("x = 1\n")
    assert origin_of(contract).dirty


def test_contract_outside_a_repository_is_never_dirty(tmp_path: Path) -> None:
    """Who uses no version control for a contract is not kept from releasing."""
    contract = tmp_path / "contract.yaml"
    contract.write_text("tamid: 1\n")
    found = origin_of(contract)
    assert (found.git, found.dirty) == ("", False)
    assert found.environment.startswith("sha256:")
