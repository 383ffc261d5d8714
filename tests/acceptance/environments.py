"""Environments of their own for libraries that Tamid is compared with, kept in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_BESIDE = str(Path(sys.executable).parent)


def python_with(name: str, *more: str) -> Path:
    """Return the Python of an environment with a library, `name==version`, and what it needs.

    Made once; where it cannot be installed, the test is skipped with the reason.
    """
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    place = Path(base) / "tamid-tests" / name.replace("==", "-")
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        uv = shutil.which("uv", path=os.pathsep.join([os.environ["PATH"], _BESIDE]))
        tool = [str(python), "-m", "pip", "install"]
        if uv is not None:  # many times as fast
            tool = [uv, "pip", "install", "--python", str(python)]
        made = subprocess.run(
            [*tool, "-q", name, *more], capture_output=True, text=True, check=False
        )
        if made.returncode:
            last = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"{name} cannot be installed, probably without network: {last}")
        (place / "ready").touch()
    return python
