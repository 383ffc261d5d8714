"""The installed command as a process: streams, statuses and a reader that leaves early."""

from __future__ import annotations

import subprocess
import sys

import tamid

TAMID = [sys.executable, "-m", "tamid"]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TAMID, *words], capture_output=True, text=True, check=False)


def test_version_is_that_of_the_package() -> None:
    """`tamid --version` prints name and version."""
    result = _run("--version")
    assert (result.returncode, result.stdout) == (0, f"tamid {tamid.__version__}\n")


def test_a_mistake_goes_to_stderr_with_status_2() -> None:
    """A mistyped command says nothing on stdout and gives no traceback."""
    result = _run("no-such-command")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error T100: ")
    assert "Traceback" not in result.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    """`tamid --help | head -1` ends quietly."""
    command = f"{sys.executable} -m tamid --help | head -n 1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "usage: tamid [options] COMMAND ...\n"
