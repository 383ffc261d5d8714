"""The user's own tests, run by pytest in a process of its own with a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic

# What pytest's exit status means; 5 is "no test was collected".
_PASSED, _NONE = 0, 5
_TAIL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTests:
    """How the user's tests ended: its last line, and a line for each that failed."""

    passed: bool
    summary: str
    failures: tuple[str, ...]
    seconds: float


def own_tests(folder: Path, timeout_s: float) -> OwnTests | None:
    """Run the tests of a folder; None where it has none.

    They see the folder's modules, and none of the controller's secrets in its environment.
    """
    found = files_of(folder)
    if not found:
        return None
    if find_spec("pytest") is None:
        what = f"{len(found)} test files are here, and pytest is not installed: pip install pytest"
        return OwnTests(passed=False, summary=what, failures=(), seconds=0.0)
    started = monotonic()
    words = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=short", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [*words, *map(str, found)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        what = f"killed: they took longer than {timeout_s:g} s"
        return OwnTests(passed=False, summary=what, failures=(), seconds=timeout_s)
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    if process.returncode == _NONE:
        return None
    return OwnTests(
        passed=process.returncode == _PASSED,
        summary=lines[-1].strip("= ") if lines else f"exit status {process.returncode}",
        failures=tuple(line for line in lines if line.startswith(("FAILED ", "ERROR ")))[:_TAIL],
        seconds=monotonic() - started,
    )


def files_of(folder: Path) -> Sequence[Path]:
    """Return the files of a folder that pytest would take for tests, beside it and below tests/."""
    names = ("test_*.py", "*_test.py")
    places = (folder, folder / "tests")
    beside = {p for name in names for p in folder.glob(name)}
    below = {p for name in names for p in places[1].rglob(name)} if places[1].is_dir() else set()
    return sorted(beside | below)


def _environment(folder: Path) -> dict[str, str]:
    passed = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "OMP_NUM_THREADS")
    kept = {name: os.environ[name] for name in passed if name in os.environ}
    paths = [str(folder.resolve()), *filter(None, os.environ.get("PYTHONPATH", "").split(":"))]
    return {**kept, "PYTHONPATH": ":".join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
