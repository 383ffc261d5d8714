"""`tamid --help` answers at once: it loads little, and nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "cryptography", "dataframely", "deltalake", "lightgbm", "mlflow", "numpy", "obstore",
    "onnxruntime", "optuna", "pandas", "polars", "rich", "ruamel", "scipy", "sklearn", "skops",
    "sqlalchemy",
}  # fmt: skip
# Modules that Python itself loads for argparse, pathlib and dataclasses, plus a handful of ours.
MAX_MODULES = 120


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["no-such-command"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    """Help, version and a mistyped name stay within the budget of modules."""
    loaded = _modules_after(words)
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert len(loaded) <= MAX_MODULES, sorted(loaded)


def test_importing_the_package_loads_no_library() -> None:
    """`import tamid` alone costs nothing."""
    loaded = _modules_in("import tamid")
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


def _modules_after(words: list[str]) -> set[str]:
    return _modules_in(f"from tamid.cli.main import main; main({words!r})")


def _modules_in(code: str) -> set[str]:
    code += "; import sys; sys.stderr.write('\\n' + ' '.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stderr.splitlines()[-1].split())
