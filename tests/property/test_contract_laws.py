"""Laws of contracts over arbitrary trees and texts: one kind of error, and exact storage."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tamid.adapters.yaml import read
from tamid.core.contract.diff import diff
from tamid.core.contract.keys import homes
from tamid.core.contract.model import Contract
from tamid.core.contract.node import Entries, Entry, Items, Node, Scalar
from tamid.core.contract.parse import parse
from tamid.core.contract.stored import from_json, to_json
from tamid.core.errors import ContractError
from tamid.core.values import format_duration, parse_duration

ASSETS = Path(__file__).parents[1] / "assets" / "contracts"
FULL = read((ASSETS / "everything.yaml").read_bytes(), "everything.yaml")
SMALL = read((ASSETS / "smallest.yaml").read_bytes(), "smallest.yaml")
WORDS = (
    *sorted(homes()), "previous", "default", "csv", "fill", "count", "new_data", "lightgbm", "true",
    "null", "7d", "15%", "0.5", "-1", "1e400", ".nan", "400 ILS", "env:X", "f.py:g", "live", "f1",
    "canary 5%", "Sunday 06:00", "binary", "regression", "category", "plan", "age", "pay", "", "~",
    "99999999999999y", "9" * 400, "{period}", "s3://a:b@c", "\u200f", "_x", "٣d", "²",
)  # fmt: skip

texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=12))
scalars = st.builds(
    Scalar, text=texts, plain=st.booleans(), line=st.integers(1, 99), column=st.just(1)
)
keys = st.builds(Scalar, text=texts, line=st.integers(1, 99))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(Items, items=st.lists(inner, max_size=4).map(tuple)),
        st.builds(
            Entries,
            entries=st.lists(st.builds(Entry, key=keys, value=inner), max_size=5).map(tuple),
        ),
    ),
    max_leaves=12,
)


def places(node: Node) -> int:
    """Count the nodes of a tree."""
    if isinstance(node, Items):
        return 1 + sum(places(i) for i in node.items)
    return 1 + (sum(places(e.value) for e in node.entries) if isinstance(node, Entries) else 0)


def changed(node: Node, at: int, by: Node) -> Node:
    """Return the tree with its `at`-th node (in reading order) replaced."""
    if at == 0:
        return by
    at -= 1
    inner = node.items if isinstance(node, Items) else ()
    if isinstance(node, Entries):
        inner = tuple(e.value for e in node.entries)
    new: list[Node] = []
    for child in inner:
        size = places(child)
        new.append(changed(child, at, by) if 0 <= at < size else child)
        at -= size
    if isinstance(node, Items):
        return dataclasses.replace(node, items=tuple(new))
    assert isinstance(node, Entries)
    pairs = zip(node.entries, new, strict=True)
    return dataclasses.replace(
        node, entries=tuple(dataclasses.replace(e, value=v) for e, v in pairs)
    )


def accepted(node: Node) -> Contract | None:
    """Return the contract, or None if it has problems; any other error is the test's failure."""
    try:
        return parse(node, zones=frozenset({"UTC", "Asia/Jerusalem"}))
    except ContractError as error:
        refused = error
    assert refused.problems
    assert all(p.line >= 1 and p.message for p in refused.problems)
    assert all(c.isprintable() or c == "\n" for c in refused.what)
    return None


def is_tree_or_refused(source: str | bytes) -> None:
    """Read a text; any error but a contract error with problems is the test's failure."""
    try:
        read(source, "c.yaml")
    except ContractError as error:
        refused = error
    else:
        return
    assert refused.problems


@given(trees)
def test_any_tree_is_a_contract_or_has_problems(node: Node) -> None:
    """Nothing but a contract error ever leaves the parser."""
    accepted(node)


@settings(max_examples=60)  # each one reads a whole contract several times
@given(st.sampled_from([FULL, SMALL]), st.integers(0, 10_000), st.one_of(scalars, trees))
def test_a_contract_with_one_part_replaced_is_accepted_or_has_problems(
    base: Node, at: int, by: Node
) -> None:
    """Deep in a good contract, too; and what is accepted is stored and compared exactly."""
    contract, before = accepted(changed(base, at % places(base), by)), accepted(base)
    if contract is None:
        return
    assert before is not None
    assert from_json(to_json(contract)) == contract
    assert diff(contract, contract).changes == ()
    there, back = diff(before, contract), diff(contract, before)
    assert {c.path for c in there.changes} == {c.path for c in back.changes}
    assert bool(there.changes) == (to_json(before) != to_json(contract))


@settings(max_examples=60)  # each one reads a whole contract several times
@given(st.sampled_from([FULL, SMALL]), st.data())
def test_a_contract_with_a_key_removed_or_added_is_accepted_or_has_problems(
    base: Node, data: st.DataObject
) -> None:
    """Keys may be missing, repeated or new in any block."""
    assert isinstance(base, Entries)
    kept = data.draw(st.lists(st.sampled_from(base.entries), max_size=20))
    new = data.draw(st.lists(st.builds(Entry, key=keys, value=trees), max_size=2))
    accepted(dataclasses.replace(base, entries=(*kept, *new)))


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_text_is_a_tree_or_has_problems(source: bytes | str) -> None:
    """Nothing but a contract error ever leaves the reader."""
    is_tree_or_refused(source)


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#~<\n\t .0", max_size=60))
def test_any_tangle_of_yaml_signs_is_a_tree_or_has_problems(source: str) -> None:
    """The signs that mean something to YAML, in any order."""
    is_tree_or_refused(source)


@given(st.integers(0, 10**11))
def test_durations_are_written_as_they_are_read(milliseconds: int) -> None:
    """`parse_duration(format_duration(x)) == x`, to the millisecond."""
    span = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(span)) == span
