"""The JSON Schema: it is current, valid, and agrees with the parser on whole contracts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tamid.adapters.yaml import read
from tamid.core.contract.node import Entries, Items, Node, resolve
from tamid.core.contract.parse import parse
from tamid.core.contract.schema import schema_text
from tamid.core.contract.stored import to_json

ROOT = Path(__file__).parents[4]
PUBLISHED = ROOT / "docs" / "reference" / "contract.schema.json"
CONTRACTS = sorted(
    [
        *(ROOT / "tests" / "assets" / "contracts").glob("*.yaml"),
        *(ROOT / "src" / "tamid" / "examples").rglob("contract*.yaml"),
    ]
)
HEAD = "tamid: 1\nname: m\ntask: binary\n"
DATA = "data: {source: a.csv, entity: id, time: t, label: {column: y, positive: 1}}\n"


def as_json(node: Node) -> Any:
    """Return what an editor with YAML 1.2 shows to the schema."""
    if isinstance(node, Entries):
        return {e.key.text: as_json(e.value) for e in node.entries}
    return [as_json(i) for i in node.items] if isinstance(node, Items) else resolve(node)


def faults(text: str) -> list[str]:
    """Return what the schema says against a contract."""
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    return [error.message for error in validator.iter_errors(as_json(read(text, "c")))]


def test_the_published_schema_is_current() -> None:
    """The file in docs is what `tamid contract schema` prints; `make docs` writes it."""
    assert PUBLISHED.read_text("utf-8") == schema_text()


def test_the_schema_is_itself_valid() -> None:
    """It keeps the rules of draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda p: p.name)
def test_every_contract_of_the_house_pleases_schema_and_parser(path: Path) -> None:
    """Examples and assets are accepted by both, as written and as stored."""
    text = path.read_text("utf-8")
    assert faults(text) == []
    assert faults(to_json(parse(read(text, path.name)))) == []


@pytest.mark.parametrize(
    "block",
    [
        "clean: [drop_duplicates, {fill: 0}, {strip: [a]}, {clip: {columns: [a], low: 1}}]",
        "service: {fallback: [{last_score: 3d}, last_score, {kind: previous}]}",
        "service: {fallback: [{default: 27%}]}",
        "service: {fallback: [previous, abstain]}",
        "service: {fallback: [{abstain: [0.4, 60%]}]}",
        "training: {threshold: 0.4}",
        "training: {threshold: 40%}",
        "training: {threshold: value}",
        "retraining: {on: [quality, new_data: 500]}",
        "retraining: {on: [new_data], new_data_rows: 500}",
        "retraining: {costs: {run: 400 ILS, error: 5 ILS, over: 13w}}",
        "delivery: {to: [{sql: env:DB, table: scores}, {kind: csv, target: a.csv}]}",
        "gates: {minimum: {f1: 75%, accuracy: 0.8}}",
    ],
)
def test_short_forms_please_the_schema(block: str) -> None:
    """An editor does not underline what the parser takes."""
    assert faults(HEAD + DATA + block + "\n") == []


@pytest.mark.parametrize(
    "block",
    [
        "trainig: {}",
        "training: {seed: seven}",
        "training: {timeout: 90}",
        "training: {calibrate: plat}",
        "service: {availability: 99.9}",
        "service: {fallback: [{lastscore: 3d}]}",
        "delivery: {to: [{csv: a.csv, secret: abc}]}",
        "delivery: {by: Sun 6am}",
        "release: {path: [canary 5, live]}",
        "goal: {value_per_saved: 400}",
        "retraining: {on: [new_data: {rows: 5}]}",
        "features: {aggregates: {a: {count: true}}}",
    ],
)
def test_what_the_parser_refuses_by_type_the_schema_refuses(block: str) -> None:
    """Unknown keys, wrong types, choices and bounds are underlined while one writes."""
    assert faults(HEAD + DATA + block + "\n")


def test_every_key_says_what_it_means() -> None:
    """Editors show a description at each key."""
    schema = json.loads(schema_text())
    blocks = [schema, *schema["$defs"].values()]
    full = [b if "properties" in b else b["anyOf"][0] for b in blocks]
    silent = [k for b in full for k, v in b["properties"].items() if not v.get("description")]
    assert silent == []
