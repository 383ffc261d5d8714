"""Every statistic says where it comes from, shows itself, and is tested by itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATS = ROOT / "src" / "tamid" / "core" / "stats"
MODULES = sorted(p.stem for p in STATS.glob("*.py") if p.stem != "__init__")
# What only prepares arrays, names metrics, or puts statistics of other files together.
NO_STATISTIC = {"arrays", "metrics", "compare", "bugcheck", "oddities"}
TESTS = [
    *(ROOT / "tests" / "unit" / "core").rglob("*.py"),
    *(ROOT / "tests" / "property").glob("*"),
]


def _imported() -> set[str]:
    found: set[str] = set()
    for path in (p for p in TESTS if p.suffix == ".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "tamid.core.stats."
            ):
                found.add(str(node.module).rpartition(".")[2])
    return found


def test_every_statistic_is_tested_by_itself() -> None:
    """A test among those of the core or the laws imports each file; the list is not empty."""
    assert len(MODULES) > 30
    assert not set(MODULES) - _imported()


@pytest.mark.parametrize("name", MODULES)
def test_every_statistic_shows_itself_and_names_its_source(name: str) -> None:
    """A doctest in each file, and in each statistic a formula and where it was published."""
    text = (STATS / f"{name}.py").read_text(encoding="utf-8")
    assert ">>>" in text
    if name not in NO_STATISTIC:
        assert "Source:" in text
