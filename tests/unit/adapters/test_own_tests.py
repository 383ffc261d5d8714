"""The user's own tests: run by pytest beside the folder's modules, with a deadline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.adapters.own_tests import files_of, own_tests

WITHIN_S = 120.0


def put(folder: Path, name: str, text: str) -> None:
    """Write a file."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_passing_tests_pass(tmp_path: Path) -> None:
    """They see the modules of the folder, wherever they lie themselves."""
    put(tmp_path, "features.py", "def twice(x):\n    return 2 * x\n")
    text = "from features import twice\ndef test_twice():\n    assert twice(2) == 4\n"
    put(tmp_path, "tests/deep/test_features.py", text)
    found = own_tests(tmp_path, WITHIN_S)
    assert found is not None
    assert found.passed
    assert "1 passed" in found.summary
    assert found.failures == ()


def test_failing_and_broken_tests_are_named(tmp_path: Path) -> None:
    """One line each."""
    put(tmp_path, "test_one.py", "def test_bad():\n    assert 1 == 2\n")
    put(tmp_path, "two_test.py", "import nobody_has_this\n")
    found = own_tests(tmp_path, WITHIN_S)
    assert found is not None
    assert not found.passed
    assert any("test_one.py::test_bad" in line or "two_test.py" in line for line in found.failures)


def test_secrets_of_the_controller_are_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment holds what Python needs, and no more."""
    monkeypatch.setenv("WAREHOUSE_PASSWORD", "hunter2")
    text = "import os\ndef test_env():\n    assert 'WAREHOUSE_PASSWORD' not in os.environ\n"
    put(tmp_path, "test_env.py", text)
    found = own_tests(tmp_path, WITHIN_S)
    assert found is not None
    assert found.passed


def test_a_test_that_hangs_is_killed(tmp_path: Path) -> None:
    """And told as such."""
    put(tmp_path, "test_slow.py", "import time\ndef test_slow():\n    time.sleep(600)\n")
    found = own_tests(tmp_path, 3.0)
    assert found is not None
    assert not found.passed
    assert "longer than 3 s" in found.summary


def test_a_folder_without_tests_has_no_result(tmp_path: Path) -> None:
    """Nor does one whose files hold none."""
    put(tmp_path, "features.py", "x = 1\n")
    assert files_of(tmp_path) == []
    assert own_tests(tmp_path, WITHIN_S) is None
    put(tmp_path, "test_nothing.py", "x = 1\n")
    assert own_tests(tmp_path, WITHIN_S) is None
