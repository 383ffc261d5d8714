"""The tests themselves keep the habits of the house, and the locks agree."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import tamid

ROOT = Path(__file__).parents[2]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
KINDS = {"unit", "contract", "property", "acceptance", "architecture", "integration"}


def test_every_test_says_what_it_shows() -> None:
    """Each test function has a docstring of one line that states the behaviour."""
    silent = []
    for path in TESTS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                first = (ast.get_docstring(node) or "").partition("\n")[0].strip()
                silent += [] if first else [f"{path.name}:{node.lineno} {node.name}"]
    assert not silent


def test_test_files_have_their_place_and_their_own_name() -> None:
    """Tests lie in the six folders, without packages, and no two files share a name."""
    names = Counter(path.name for path in TESTS)
    assert not [name for name, count in names.items() if count > 1]
    assert "__init__.py" not in names
    inside = [path.relative_to(ROOT / "tests") for path in TESTS if path.name != "conftest.py"]
    assert not [str(path) for path in inside if path.parts[0] not in {*KINDS, "assets"}]


def test_the_package_is_complete() -> None:
    """The package under test has every file of the source tree: code, contracts, pages, data."""
    package, source = Path(tamid.__file__).parent, ROOT / "src" / "tamid"
    assert _files(package) == _files(source)


@pytest.mark.parametrize(
    ("folder", "outcome"), [(None, "1 skipped"), ("no/such/folder", "1 error"), (".", "1 passed")]
)
def test_missing_data_is_never_overlooked(tmp_path: Path, folder: str | None, outcome: str) -> None:
    """Without TAMID_TEST_DATA a test on real data is skipped; with a wrong one it fails."""
    (tmp_path / "test_it.py").write_text('def test_it(test_data):\n    """Use it."""\n')
    environment = {k: v for k, v in os.environ.items() if k != "TAMID_TEST_DATA"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), *sys.path])
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-c", "/dev/null", "test_it.py"],
        cwd=tmp_path,
        env=environment | ({"TAMID_TEST_DATA": folder} if folder else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in result.stdout, result.stdout + result.stderr


def test_public_names_resolve() -> None:
    """Each name in `tamid.__all__` can be had, and no other name is invented."""
    for name in tamid.__all__:
        assert getattr(tamid, name) is not None
    assert not hasattr(tamid, "no_such_name")
    assert set(tamid.__all__) == set(dir(tamid))


def test_the_lock_pins_all_that_is_asked_for() -> None:
    """Every direct dependency has one version in the lock, and each file of it has its hash."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(
        r"(?m)^([a-z0-9-]+)==\S+(.*\\\n(?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", text
    )
    assert len(pinned) == text.count("==") - text.count(" == ")
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["project"]["optional-dependencies"]["loop"]
    names = {re.split(r"[<>=!~\[; ]", want)[0].lower().replace(".", "-") for want in wanted}
    assert names <= {name for name, _ in pinned}


def test_the_lock_names_no_index() -> None:
    """No address gets into the lock: where packages come from is the machine's business."""
    assert "://" not in (ROOT / "requirements.lock").read_text(encoding="utf-8")


def _files(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in files if path.suffix != ".pyc"}
