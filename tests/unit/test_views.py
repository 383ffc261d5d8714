"""Feature views of a workspace: found through `tamid.toml`, pinned into contracts, numbered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tamid.config import find
from tamid.core.errors import ContractError, NotFound, UsageError
from tamid.core.state import State
from tamid.views import admitted, declared
from tamid.wiring import contract_text, load_contract

VIEW = """\
tamid: 1
views:
  {name}:
    owner: data-team
    version: {version}
    table: {{path: ../data/calls.csv, entity: customer, time: at}}
    features: {{{name}_n: {{count: true, window: {window}}}}}
"""
CONTRACT = """\
tamid: 1
name: churn
task: binary
data: {source: a.csv, entity: customer, time: week, label: {column: left, positive: 1}}
# views may be told in words, too
features: {views: [calls]}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a workspace with one contract and two views in two files."""
    for folder in ("views", "churn"):
        (tmp_path / folder).mkdir()
    for name in ("calls", "bills"):
        text = VIEW.format(name=name, version=1, window="28d")
        (tmp_path / "views" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "churn" / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    (tmp_path / "tamid.toml").write_text(
        '[workspace]\nmodels = ["churn/contract.yaml"]\n'
        'features = ["views/calls.yaml", "views/bills.yaml"]\n',
        encoding="utf-8",
    )
    return tmp_path


def test_a_contract_is_pinned_to_the_views_that_it_uses(root: Path) -> None:
    """Its text comes first, unchanged; paths start at its own folder; other views stay out."""
    path = root / "churn" / "contract.yaml"
    text = contract_text(path)
    assert text.startswith(CONTRACT)
    assert "bills" not in text
    contract = load_contract(path)
    assert list(contract.views) == ["calls"]
    assert contract.data.tables["calls"].path == "../data/calls.csv"
    assert list(contract.features.aggregates) == ["calls_n"]


def test_a_contract_without_views_is_its_own_text(root: Path) -> None:
    """Whatever its comments say, and in no workspace at all."""
    path = root / "churn" / "contract.yaml"
    (root / "tamid.toml").unlink()
    path.write_text(CONTRACT.replace("{views: [calls]}", "{}"), encoding="utf-8")
    assert contract_text(path) == path.read_text("utf-8")


def test_an_unknown_view_is_told_with_the_nearest(root: Path) -> None:
    """Also where no workspace declares any."""
    path = root / "churn" / "contract.yaml"
    path.write_text(CONTRACT.replace("[calls]", "[clals]"), encoding="utf-8")
    with pytest.raises(ContractError, match="did you mean `calls`"):
        load_contract(path)
    (root / "tamid.toml").unlink()
    with pytest.raises(ContractError, match=r"a file that tamid\.toml lists under `features`"):
        load_contract(path)


def test_nobody_writes_the_block_that_tamid_writes(root: Path) -> None:
    """It would hide what the workspace says."""
    path = root / "churn" / "contract.yaml"
    path.write_text(CONTRACT + "views: {}\n", encoding="utf-8")
    with pytest.raises(ContractError, match="line 7: views: is written by Tamid"):
        load_contract(path)


def test_all_files_are_told_with_all_their_problems(root: Path) -> None:
    """A view that stands twice too."""
    twice = VIEW.format(name="calls", version=1, window="1d")
    (root / "views" / "bills.yaml").write_text(twice, encoding="utf-8")
    with pytest.raises(ContractError, match=r"stands in calls\.yaml already"):
        declared(find(root))
    bad = twice.replace("owner", "ower").replace("count", "cuont")
    (root / "views" / "calls.yaml").write_text(bad, encoding="utf-8")
    with pytest.raises(ContractError) as error:
        declared(find(root))
    assert len(error.value.problems) == 2
    assert "calls.yaml: " in error.value.what


def test_a_file_that_is_not_there_is_told(root: Path) -> None:
    """With what lists it."""
    (root / "views" / "bills.yaml").unlink()
    with pytest.raises(NotFound, match=r"bills\.yaml"):
        declared(find(root))
    (root / "tamid.toml").write_text('[workspace]\nfeatures = "views"\n', encoding="utf-8")
    with pytest.raises(UsageError) as error:
        find(root)
    assert "features must be a list" in error.value.why


def test_a_definition_needs_its_own_number(root: Path) -> None:
    """The next free one is named; an older definition under its old number is taken back."""
    path, file = root / "churn" / "contract.yaml", root / "views" / "calls.yaml"
    first = load_contract(path)
    old = first.views["calls"].definition
    known = {"churn": State(), "upsell": State(definitions={"calls@1": old, "calls@4": "other"})}
    assert admitted(first, known, known.__getitem__, lambda name: first, "it changed") == (
        "it changed; feature view calls is version 1 now"
    )
    file.write_text(VIEW.format(name="calls", version=1, window="7d"), encoding="utf-8")
    with pytest.raises(ContractError, match="write version: 5"):
        admitted(load_contract(path), known, known.__getitem__, lambda name: first, "")
    file.write_text(VIEW.format(name="calls", version=5, window="7d"), encoding="utf-8")
    adopted = {**known, "upsell": State(contract="c", definitions={"calls@1": old})}
    assert admitted(load_contract(path), adopted, adopted.__getitem__, lambda name: first, "") == (
        "feature view calls is version 5 now; it is used by upsell"
    )
