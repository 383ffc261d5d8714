"""Reading YAML: places, what is refused, and that no input is slow or leaves by another error."""

from __future__ import annotations

import pytest

from tamid.adapters.yaml import MAX_BYTES, read
from tamid.core.contract.node import Entries, Items, Scalar, resolve
from tamid.core.errors import ContractError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(5)
)


def refusal(source: str | bytes) -> tuple[int, str]:
    """Return line and text of the first problem."""
    with pytest.raises(ContractError) as caught:
        read(source, "c.yaml")
    first = caught.value.problems[0]
    return first.line, str(first)


def test_texts_keep_their_place_and_whether_they_were_quoted() -> None:
    """Every scalar comes as written, with line and column, and nothing is converted."""
    root = read("a:\n  - 007\n  - 'x'\nb: {c: No}\n", "c.yaml")
    assert isinstance(root, Entries)
    items, inner = root.get("a"), root.get("b")
    assert isinstance(items, Items)
    assert isinstance(inner, Entries)
    assert items.items == (
        Scalar(text="007", plain=True, line=2, column=5),
        Scalar(text="x", plain=False, line=3, column=5),
    )
    assert inner.get("c") == Scalar(text="No", plain=True, line=4, column=8)


@pytest.mark.parametrize("text", ["yes", "No", "on", "12:30", "2026-01-04", "1_000", "0b1", "<<"])
def test_words_of_other_yaml_versions_are_words(text: str) -> None:
    """YAML 1.1 would make truths, numbers and dates of them."""
    root = read(f"a: {text}\n", "c.yaml")
    assert isinstance(root, Entries)
    value = root.get("a")
    assert isinstance(value, Scalar)
    assert resolve(value) == text


def test_a_value_left_out_stands_where_its_key_does() -> None:
    """The problem of an empty value is told in the line of its key."""
    root = read("a:\n\n\nb: 1\n", "c.yaml")
    assert isinstance(root, Entries)
    assert root.entries[0].value.line == 1


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "`a` stands twice; the first stands in line 1"),
        ("a: {b: 1, b: 2}\n", 1, "`b` stands twice"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "is not allowed"),
        ("a: !!int 3\n", 1, "is not allowed"),
        ("a: !custom {b: 1}\n", 1, "is not allowed"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("%YAML 1.1\n---\na: yes\n", 2, "directives"),
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a:\n\t- 1\n", 2, "indent with spaces"),
        ("a: b: c\n", 1, "a colon and a space"),
        ("a: @x\n", 1, "put it in quotes"),
        ("a: {b: 1\n", 2, "never closed (begun in line 1)"),
        ("a: 'b\n", 2, "never closed"),
        ("a: 1\n b: 2\n", 2, "colon"),
        ("- a\nb: c\n", 2, "indentation"),
        ("? [a]\n: b\n", 1, "a key is a list or a mapping"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", 2, "merge keys"),
        ("a: *x\n", 1, "repeats nothing above it"),
        ("a: &a [*a]\n", 1, "repeats nothing above it"),
        ("a: 1\nb: \x01\n", 2, "U+0001"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        ("a: 1".encode("utf-16"), 1, "UTF-16"),
        (b"#" * (MAX_BYTES + 1), 1, "larger than 1 MB"),
        ("#" * (MAX_BYTES + 1), 1, "larger than 1 MB"),
    ],
)
def test_what_could_mislead_is_refused_in_its_line(
    source: str | bytes, line: int, said: str
) -> None:
    """Repeated keys, tags, further documents, wrong encodings and bad syntax have clear words."""
    assert (refusal(source)[0], said in refusal(source)[1]) == (line, True)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (BOMB, "aliases counted as what they repeat"),
        ("a: &a x\nb: [" + "*a, " * 60 + "x]\n", "more than 50 aliases"),
        ("[" * 400_000, "nested deeper"),
        ("{" * 400_000, "nested deeper"),
        ("- " * 300_000, "nested deeper"),
        ("a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 20 + "*a" + "]" * 20, "nested deeper"),
        ("".join(f"k{i}: v\n" for i in range(40_000)), "more than 20000 values"),
    ],
)
def test_a_bomb_is_refused_before_it_grows(source: str, said: str) -> None:
    """Multiplying aliases, deep nesting and endless lists stop early."""
    assert said in refusal(source)[1]


def test_a_few_aliases_are_welcome() -> None:
    """An anchor may be repeated; its text is read again."""
    root = read("a: &x {type: number}\nb: *x\n", "c.yaml")
    assert isinstance(root, Entries)
    assert root.get("a") == root.get("b")


def test_all_that_is_refused_is_named_at_once() -> None:
    """Two repeated keys and a tag are three problems."""
    with pytest.raises(ContractError) as caught:
        read("a: 1\na: 2\nb: !x 1\nb: 2\n", "c.yaml")
    assert [p.line for p in caught.value.problems] == [2, 3, 4]


@pytest.mark.parametrize("source", [b"\xef\xbb\xbfa: 1\r\n", "\ufeffa: 1\n", "a: 1"])
def test_byte_order_marks_and_line_ends_of_windows_are_read(source: str | bytes) -> None:
    """A file saved by an editor on Windows is the same file."""
    root = read(source, "c.yaml")
    assert isinstance(root, Entries)
    assert root.get("a") == Scalar(text="1", line=1, column=4)
