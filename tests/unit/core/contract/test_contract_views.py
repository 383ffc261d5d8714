"""Files of feature views, and contracts that use them: read, judged, put together."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.diff import diff
from tamid.core.contract.model import Contract, View
from tamid.core.contract.node import Entries, Items, Node, resolve
from tamid.core.contract.parse import parse, parse_views, restore
from tamid.core.contract.schema import views_schema_text
from tamid.core.contract.stored import from_json, to_json
from tamid.core.errors import ContractError
from tamid.core.values import canonical_json

FILE = """\
tamid: 1
views:
  complaints:
    owner: data-team
    version: 1
    table:
      path: complaints.csv
      entity: customer
      time: at
      delay: 1d
      schema: {severity: integer, kind: {type: category}, at: datetime}
    features:
      complaints_28d: {count: true, window: 28d}
      worst: {max: severity, window: 4w}
      kinds: {distinct: kind}
"""
CONTRACT = """\
tamid: 1
name: churn
task: binary
data: {source: a.csv, entity: customer, time: week, label: {column: left, positive: 1},
       schema: {usage: number}}
features: {views: [complaints]}
gates: {slices: {by: [worst]}}
"""


def views(text: str = FILE) -> dict[str, View]:
    """Return the views of a file."""
    return dict(parse_views(read(text, "f.yaml"), name="f.yaml", zones=frozenset({"UTC"})))


def whole(contract: str = CONTRACT, text: str = FILE) -> str:
    """Return a contract's text as it is adopted."""
    return f"{contract}views: {canonical_json(views(text))}\n"


def used(contract: str = CONTRACT, text: str = FILE) -> Contract:
    """Return the contract with its views."""
    return parse(read(whole(contract, text), "c"), name="contract.yaml")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("owner: data-team", "ower: data-team", 4, "did you mean `owner`?"),
        ("version: 1\n    table", "version: 0\n    table", 5, "at least 1"),
        ("max: severity", "max: severty", 14, "did you mean `severity`?"),
        ("max: severity", "mean: kind", 14, "a mean of type category does not exist"),
        ("{max: severity", "{function: max", 14, "max needs a column"),
        ("count: true", "cuont: true", 13, "`count`"),
        ("window: 28d", "window: 20h", 13, "longer than the table's delay"),
        ("time: at\n", "time: customer\n", 9, "the same column as entity"),
        ("complaints.csv", "complaints.xlsx", 7, ".xlsx files are not read"),
        ("at: datetime", "at: number", 11, "holds moments, not type number"),
        ("    table:", "    forbidden: [severity]\n    table:", 15, "used here and forbidden"),
        ("    table:", "    pii: [kind]\n    table:", 16, "never stored (pii)"),
        ("    table:", "    timezone: UTTC\n    table:", 6, "did you mean `UTC`?"),
        ("{distinct: kind}", "{distinct: true}", 15, "`distinct` has no column"),
    ],
)
def test_one_mistake_in_a_view_is_told_in_its_line(
    old: str, new: str, line: int, said: str
) -> None:
    """With a hint where there is one."""
    assert old in FILE
    with pytest.raises(ContractError) as error:
        views(FILE.replace(old, new, 1))
    (problem,) = error.value.problems
    assert problem.line == line
    assert said in f"{problem.message} {problem.hint}"


def test_all_problems_come_at_once() -> None:
    """One bad key hides nothing that can be judged without it."""
    bad = FILE.replace("owner:", "ower:").replace("max: severity", "max: severty")
    with pytest.raises(ContractError) as error:
        views(bad.replace("28d", "1d"))
    assert [p.line for p in error.value.problems] == [4, 13, 14]


def test_a_contract_has_what_its_views_give() -> None:
    """Their tables and features are among its own, and every stored form says the same."""
    contract = used()
    assert list(contract.data.tables) == ["complaints"]
    assert set(contract.features.aggregates) == {"complaints_28d", "worst", "kinds"}
    assert contract.features.aggregates["worst"].table == "complaints"
    assert from_json(to_json(contract)) == contract == restore(read(whole(), "c"))
    some = used(CONTRACT.replace("[complaints]", "[{view: complaints, features: [worst]}]"))
    assert list(some.features.aggregates) == ["worst"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[complaints]", "[complants]", "did you mean `complaints`?"),
        ("[complaints]", "[complaints, complaints]", "used twice"),
        ("[complaints]", "[{view: complaints, features: [wurst]}]", "did you mean `worst`?"),
        ("usage: number", "worst: number", "the rows have `worst` already"),
        ("customer, time: week, ", "customer, ", "name data.time"),
        (
            "features: {",
            "features: {aggregates: {kinds: {count: true, table: complaints}}, ",
            "features.aggregates has `kinds` already",
        ),
    ],
)
def test_a_contract_that_misuses_a_view_is_told(old: str, new: str, said: str) -> None:
    """In the line in which it names the view."""
    assert old in CONTRACT
    with pytest.raises(ContractError) as error:
        used(CONTRACT.replace(old, new, 1))
    found = [p for p in error.value.problems if said in f"{p.message} {p.hint}"]
    assert found, error.value.problems
    assert found[0].line == 6


def test_the_definition_is_what_the_features_are() -> None:
    """Owner, words, place and number change nothing; a window or a delay does."""
    view = views()["complaints"]
    same = FILE.replace("data-team", "others").replace("complaints.csv", "c/*.parquet")
    same = same.replace("version: 1\n    table", "version: 2\n    about: words\n    table")
    assert views(same)["complaints"].definition == view.definition
    for old, new in (("28d", "27d"), ("delay: 1d", "delay: 2d"), ("max: sev", "min: sev")):
        assert views(FILE.replace(old, new))["complaints"].definition != view.definition


def test_a_changed_view_means_to_train_anew() -> None:
    """Two contracts that differ by the version of a view are compared feature by feature."""
    found = diff(used(), used(text=FILE.replace("28d", "27d")))
    assert found.effect == "retrain"
    assert "features.aggregates.complaints_28d.window" in [c.path for c in found.changes]


def as_json(node: Node) -> Any:
    """Return what an editor with YAML 1.2 shows to the schema."""
    if isinstance(node, Entries):
        return {e.key.text: as_json(e.value) for e in node.entries}
    return [as_json(i) for i in node.items] if isinstance(node, Items) else resolve(node)


def test_the_schema_knows_the_file() -> None:
    """It takes the example, and refuses an unknown key and a view without an owner."""
    validator = jsonschema.Draft202012Validator(json.loads(views_schema_text()))
    assert not list(validator.iter_errors(as_json(read(FILE, "f"))))
    for bad in (FILE.replace("owner:", "ower:"), FILE.replace("    owner: data-team\n", "")):
        assert list(validator.iter_errors(as_json(read(bad, "f"))))


def test_a_window_that_ends_before_anything_is_known_is_refused() -> None:
    """In a contract's own table as in a view."""
    table = "tables: {calls: {path: c.csv, entity: id, time: at, delay: 2d}}, "
    text = CONTRACT.replace("label:", table + "label:").replace(
        "{views: [complaints]}", "{aggregates: {n: {table: calls, count: true, window: 1d}}}"
    )
    text = text.replace("gates: {slices: {by: [worst]}}\n", "")
    with pytest.raises(ContractError) as error:
        parse(read(text, "c"), name="contract.yaml")
    (problem,) = error.value.problems
    assert (problem.line, "no event is known" in problem.message) == (6, True)
