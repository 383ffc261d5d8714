"""What the documentation says is what the code does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tamid.cli.main import load
from tamid.cli.table import commands
from tamid.core.errors import TamidError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The script that writes the generated pages."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["reference/cli.md", "errors.md"])
def test_a_generated_page_is_current(reference: ModuleType, page: str) -> None:
    """`make docs` would change nothing."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the pages are laid out by the argparse of Python 3.11")
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == reference.PAGES[page]()


def test_every_error_is_explained(reference: ModuleType) -> None:
    """Each class of the tree has its own code, a meaning and a fix, all on the page of errors."""
    kinds = reference.error_classes()
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert kind.__doc__
        assert kind is TamidError or kind.fix != TamidError.fix
        assert f"## {kind.code} {kind.__name__}" in page
        assert kind.fix in page


def test_every_command_exists_and_is_documented() -> None:
    """Each row of the table can be loaded and stands in the reference."""
    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for command in commands().values():
        run, _ = load(command)
        assert callable(run)
        assert f"### tamid {command.name}\n" in page


def test_every_decision_record_is_whole() -> None:
    """Each record is numbered without a gap and has the headings of the template."""
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(len(records)))
    for record in records:
        text = record.read_text(encoding="utf-8")
        for heading in ("## Question", "## Decision", "## Why", "## Price"):
            assert heading in text, record.name
