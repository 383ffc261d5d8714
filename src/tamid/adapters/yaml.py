"""YAML 1.2 through ruamel.yaml's event stream: texts with their places, and nothing is constructed.

What could harm or mislead is refused with its line: tags, directives, further documents, repeated
keys, keys that are no texts, deep nesting, aliases that multiply, more than a megabyte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from tamid.core.contract.node import Entries, Entry, Items, Node, Scalar
from tamid.core.contract.problems import Report, contract_error, quoted
from tamid.core.errors import ContractError

# A contract with a thousand columns has some 100 KB and 6000 values, nested 7 deep.
MAX_BYTES: Final = 1_000_000
_MAX_NODES: Final = 20_000
_MAX_DEPTH: Final = 30
_MAX_ALIASES: Final = 50

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_HINTS: Final = (
    ("'\\t' that cannot start", "a tab stands where YAML wants spaces", "indent with spaces"),
    ("mapping values are not allowed", "a colon and a space inside a plain text",
     "put the text in quotes, or check the indentation"),
    ("that cannot start any token", "a sign that cannot begin a plain text", "put it in quotes"),
    ("could not find expected ':'", "a key without its colon", "write key: value"),
    ("expected <block end>", "this line does not fit the indentation above it",
     "align it with its neighbours"),
    ("but got '<stream end>'", "a bracket or brace is never closed", "close it"),
    ("unexpected end of stream", "a quote is never closed", "close it"),
)  # fmt: skip


def read(source: str | bytes, name: str) -> Node:
    """Return the tree of one YAML document; `name` is the file's name for messages.

    Raises:
        ContractError: it is not UTF-8, not YAML, or holds what is refused (all named, with lines).
    """
    reader = _Reader(name=name)
    return reader.read(_decoded(source, name))


@dataclass(slots=True)
class _Known:
    """A node that an alias may repeat, and what repeating it costs."""

    node: Node
    nodes: int
    height: int


@dataclass(slots=True)
class _Reader:
    """One passage over the events of one document."""

    name: str
    report: Report = field(default_factory=Report)
    anchors: dict[str, _Known] = field(default_factory=dict)
    nodes: int = 0
    aliases: int = 0

    def read(self, text: str) -> Node:
        try:
            root = self._document(YAML(typ="safe", pure=True).parse(text))
        except MarkedYAMLError as error:
            self._syntax(error)
            root = None
        except (YAMLError, ValueError, RecursionError) as error:
            raise _refusal(self.name, 1, f"is not YAML: {str(error).splitlines()[0]}") from None
        problems = self.report.problems()
        if problems:
            raise contract_error(self.name, problems)
        return root if root is not None else Scalar(text="")

    def _document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._problem(event, "a second document begins", "remove the line `---`")
                    return root
                if event.tags or event.version not in (None, (1, 2), "1.2"):
                    self._problem(event, "directives (%YAML, %TAG) are not allowed", "remove them")
            elif isinstance(event, NodeEvent):
                root = self._node(event, events, 1).node
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> _Known:
        self._spend(event, 1, depth)
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        if event.tag is not None:
            what = f"the tag {quoted(str(event.tag))} is not allowed"
            self._problem(event, what, "write the plain value")
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, ScalarEvent):
            plain = event.style is None
            scalar = Scalar(text=event.value, plain=plain, line=line, column=column)
            known = _Known(scalar, 1, 1)
        elif isinstance(event, SequenceStartEvent):
            known = self._items(events, depth, line, column)
        else:
            assert isinstance(event, MappingStartEvent)
            known = self._entries(events, depth, line, column)
        if event.anchor is not None:
            self.anchors[str(event.anchor)] = known
        return known

    def _items(self, events: Iterator[Any], depth: int, line: int, column: int) -> _Known:
        inner: list[_Known] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            inner.append(self._node(event, events, depth + 1))
        items = Items(items=tuple(k.node for k in inner), line=line, column=column)
        return _sized(items, inner)

    def _entries(self, events: Iterator[Any], depth: int, line: int, column: int) -> _Known:
        entries: list[Entry] = []
        inner: list[_Known] = []
        first: dict[str, int] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._node(event, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            inner += [key, value]
            if isinstance(key.node, Scalar) and self._fresh(key.node, first):
                entries.append(Entry(key=key.node, value=_placed(value.node, key.node)))
            elif not isinstance(key.node, Scalar):
                self._problem(event, "a key is a list or a mapping", "a key is one text")
        return _sized(Entries(entries=tuple(entries), line=line, column=column), inner)

    def _fresh(self, key: Scalar, first: dict[str, int]) -> bool:
        if key.text == "<<" and key.plain:
            self.report.add(key.line, "", "merge keys (<<) are not part of YAML 1.2",
                            "write the keys out")  # fmt: skip
            return False
        if key.text in first:
            where = f"the first stands in line {first[key.text]}"
            self.report.add(key.line, "", f"the key {quoted(key.text)} stands twice", where)
            return False
        first[key.text] = key.line
        return True

    def _alias(self, event: AliasEvent, depth: int) -> _Known:
        self.aliases += 1
        if self.aliases > _MAX_ALIASES:
            raise _refusal(self.name, _line(event), f"more than {_MAX_ALIASES} aliases")
        known = self.anchors.get(str(event.anchor))
        if known is None:
            what = f"the alias {quoted('*' + str(event.anchor))} repeats nothing above it"
            self._problem(event, what, "write the value out")
            return _Known(Scalar(text="", line=_line(event)), 1, 1)
        self._spend(event, known.nodes, depth + known.height - 1)
        return known

    def _spend(self, event: NodeEvent, nodes: int, depth: int) -> None:
        """Stop at once when the tree grows too large; going on is what an attack wants."""
        self.nodes += nodes
        if self.nodes > _MAX_NODES:
            what = f"more than {_MAX_NODES} values (aliases counted as what they repeat)"
            raise _refusal(self.name, _line(event), what)
        if depth > _MAX_DEPTH:
            raise _refusal(self.name, _line(event), f"nested deeper than {_MAX_DEPTH} levels")

    def _problem(self, event: Any, message: str, hint: str) -> None:
        self.report.add(_line(event), "", message, hint)

    def _syntax(self, error: MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.problem, error.context) if part)
        line = mark.line + 1 if mark is not None else 1
        for sign, message, hint in _HINTS:
            if sign in said.replace("\t", "\\t"):
                begun = error.context_mark
                since = (
                    f" (begun in line {begun.line + 1})" if begun and "closed" in message else ""
                )
                self.report.add(line, "", message + since, hint)
                return
        self.report.add(line, "", f"is not YAML: {said[:200]}")


def _decoded(source: str | bytes, name: str) -> str:
    text = source if isinstance(source, str) else _from_bytes(source, name)
    text = text.removeprefix("\ufeff")
    if len(text) > MAX_BYTES:
        raise _refusal(name, 1, f"larger than {MAX_BYTES // 1_000_000} MB")
    if control := _CONTROL.search(text):
        line = text[: control.start()].count("\n") + 1
        what = f"holds the control character U+{ord(control[0]):04X}"
        raise _refusal(name, line, what, "remove it")
    return text


def _from_bytes(source: bytes, name: str) -> str:
    if len(source) > MAX_BYTES:
        raise _refusal(name, 1, f"larger than {MAX_BYTES // 1_000_000} MB")
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refusal(name, 1, "is UTF-16", "save the file as UTF-8")
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise _refusal(name, line, "is not UTF-8", "save the file as UTF-8") from None


def _placed(value: Node, key: Scalar) -> Node:
    """Return the value; one that was left out stands where its key does, not on the next line."""
    if isinstance(value, Scalar) and value.plain and not value.text:
        return Scalar(text="", line=key.line, column=key.column)
    return value


def _sized(node: Node, inner: list[_Known]) -> _Known:
    nodes = 1 + sum(k.nodes for k in inner)
    return _Known(node, nodes, 1 + max((k.height for k in inner), default=0))


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _refusal(name: str, line: int, message: str, hint: str = "") -> ContractError:
    report = Report()
    report.add(line, "", message, hint)
    return contract_error(name, report.problems())
