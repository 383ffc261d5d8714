"""What the documentation says is what the code does."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tamid.cli.main import load
from tamid.cli.table import commands
from tamid.core.errors import TamidError
from tamid.core.events import Event
from tamid.stages import gates, guards

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")])


@pytest.fixture(scope="module")
def reference() -> Iterator[ModuleType]:
    """The script that writes the generated pages, with the parts beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield _reference()


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = (
    *(f"reference/{name}.md" for name in ("cli", "contract", "decisions", "events", "lifecycle")),
    *("reference/contract.schema.json", "reference/ports.md", "reference/stages.md", "errors.md"),
)


@pytest.mark.parametrize("page", GENERATED)
def test_a_generated_page_is_current(reference: ModuleType, page: str) -> None:
    """`make docs` would change nothing."""
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the pages are laid out by the argparse and ast of Python 3.11")
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


def test_no_generated_page_is_forgotten(reference: ModuleType) -> None:
    """Every page that `make docs` writes is looked at here."""
    assert set(reference.PAGES) == set(GENERATED)


def test_the_architecture_fits_on_two_pages() -> None:
    """Who is new reads it in one sitting: about 600 words a page."""
    assert len((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split()) <= 1200


def test_every_stage_stands_in_its_page() -> None:
    """The road of a model is told whole."""
    page = (ROOT / "docs" / "reference" / "stages.md").read_text(encoding="utf-8")
    files = sorted(p.stem for p in (ROOT / "src" / "tamid" / "stages").glob("[a-z]*.py"))
    assert len(files) > 40
    assert not [name for name in files if f"| `{name}` |" not in page]


def test_every_word_of_the_code_stands_in_its_page(reference: ModuleType) -> None:
    """Each event, port, action and key of the contract has its place in the reference."""
    contract, words = (importlib.import_module(f"reference_{n}") for n in ("contract", "words"))
    decisions = importlib.import_module("reference_decisions")
    expected = {
        "contract": [f"| `{path}`" for path, _ in contract.contract_keys()],
        "events": [f"## {kind.__name__}\n" for kind in words.event_classes()],
        "ports": [f"## {port.__name__}\n" for port in words.port_classes()],
        "decisions": [f"| `{kind.__name__}` |" for kind in decisions.action_classes()],
    }
    for page, marks in expected.items():
        text = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
        assert len(marks) > 10
        assert not [mark for mark in marks if mark not in text], page
    names = {kind.__name__ for kind in words.event_classes()}
    assert names == {kind.__name__ for kind in Event.__subclasses__()}


def test_every_gate_that_judges_is_listed(reference: ModuleType) -> None:
    """What the gates may be called in verdicts is what the page of decisions says."""
    listed = {name for name, _ in importlib.import_module("reference_decisions").gate_names()}
    for module in (gates, guards):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        given = re.findall(r"gate=f?\"([^\"]+)\"", source)
        assert {text.partition("{")[0] for text in given} <= {n.partition("<")[0] for n in listed}
    assert {"parity", "golden rows", "calibration", "minimum <name>"} <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_is_there(page: Path) -> None:
    """Each link to a file, and each `tamid` command in a page, leads somewhere."""
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if not link.startswith(("http:", "https:"))]
    assert not [link for link in local if not (page.parent / link).exists()]
    known = set(commands()) | {name.partition(" ")[0] for name in commands()}
    said = re.findall(r"(?:^|`)(?:\$ )?tamid ([a-z][a-z-]*(?: [a-z]+)?)", text, re.MULTILINE)
    assert not [s for s in said if s not in known and s.partition(" ")[0] not in known]


def test_every_decision_record_is_whole() -> None:
    """No number is given twice, and each record has the headings of the template."""
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    # A gap is a record that is still being written elsewhere.
    assert len({record.name[:4] for record in records}) == len(records)
    for record in records:
        text = record.read_text(encoding="utf-8")
        for heading in ("## Question", "## Decision", "## Why", "## Price"):
            assert heading in text, record.name
