"""The layers of ARCHITECTURE.md hold, and the rules that watch them can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import tamid

PACKAGE = Path(tamid.__file__).parent
ROOT = Path(__file__).parents[2]
# One planted line each, in a file of its ring, and the contract that has to notice it.
VIOLATIONS = {
    "Rings": ("ports.py", "import tamid.cli.table"),
    "Flow": ("stages/data.py", "import tamid.stages.replay"),
    "Core: decide": ("core/values.py", "import tamid.core.chain"),
    "Core is pure": ("core/errors.py", "import time"),
    "Stages act": ("stages/labels.py", "import sqlite3"),
    "Adapters do not": ("adapters/blobs.py", "import tamid.adapters.keys"),
    "Only the wiring": ("cli/table.py", "import tamid.adapters.keys"),
}


def test_layers_hold() -> None:
    """Every contract of import-linter is kept by the package under test."""
    result = _lint(PACKAGE.parent)
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_contract_notices_a_violation(tmp_path: Path) -> None:
    """A rule that cannot fail is no rule: planted imports break each contract."""
    copy = tmp_path / "tamid"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("stages/__init__.py", "stages/replay.py"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).touch()
    for name, line in VIOLATIONS.values():
        with (copy / name).open("a") as file:
            file.write(f"\n{line}\n")
    result = _lint(tmp_path)
    assert result.returncode != 0
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    unnoticed = [name for name in VIOLATIONS if not any(line.startswith(name) for line in broken)]
    assert not unnoticed, result.stdout + result.stderr


def test_every_adapter_is_listed_as_independent() -> None:
    """The list of adapters that must not know each other is the folder's."""
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    listed = next(c["modules"] for c in rules["contracts"] if c["type"] == "independence")
    places = (PACKAGE / "adapters").iterdir()
    there = {p.stem for p in places if p.suffix == ".py" or (p / "__init__.py").exists()}
    public = {name for name in there if not name.startswith("_")}
    assert {name.removeprefix("tamid.adapters.") for name in listed} == public


def test_an_unplaced_module_is_noticed(tmp_path: Path) -> None:
    """A new module at the top must be given its place in the rings."""
    copy = tmp_path / "tamid"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "helpers.py").touch()
    result = _lint(tmp_path)
    assert result.returncode != 0
    assert "helpers" in result.stdout + result.stderr


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = "import sys; from importlinter.cli import lint_imports_command; "
    command += "sys.exit(lint_imports_command())"
    return subprocess.run(
        [sys.executable, "-c", command, "--config", str(ROOT / "pyproject.toml"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
