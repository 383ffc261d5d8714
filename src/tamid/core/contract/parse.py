"""From a tree of texts to a :class:`Contract`, driven by the types of its classes.

Nothing here knows a single key: the classes of :mod:`tamid.core.contract.model` say what may
stand where, `short` turns short forms into full ones before, `check` judges the whole after.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import types
import unicodedata
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from tamid.core.contract import scalars
from tamid.core.contract.case import Case, Told
from tamid.core.contract.check import check, settle
from tamid.core.contract.fields import Limits, default_of, limits_of
from tamid.core.contract.keys import unknown_key_hint
from tamid.core.contract.kinds import GRAMMARS
from tamid.core.contract.model import Contract, View, ViewFile
from tamid.core.contract.node import Entries, Entry, Items, Node, Scalar, is_null
from tamid.core.contract.problems import Report, contract_error, nearest, quoted
from tamid.core.contract.rules_views import judge_view
from tamid.core.contract.short import CHOICE_KEY, choices, expand
from tamid.core.contract.viewed import viewed
from tamid.core.values import Money

_BAD: Final = object()
_Root = TypeVar("_Root")


def parse(
    node: Node, *, name: str = "the contract", zones: AbstractSet[str] | None = None
) -> Contract:
    """Turn a tree into a contract; `zones` are the known IANA time zones (None: not checked).

    Raises:
        ContractError: all problems at once, with lines and hints; they are also its `problems`.
    """
    reader = _Reader()
    contract = reader.contract(node)
    case = Case(contract=contract, nodes=reader.nodes, report=reader.report, zones=zones)
    if isinstance(node, Entries):
        contract = check(case)
    problems = reader.report.problems()
    if problems:
        raise contract_error(name, problems)
    return contract


def restore(node: Node, *, name: str = "the stored contract") -> Contract:
    """Turn the tree of a contract that was accepted before into the contract, without judging it.

    Raises:
        ContractError: a key or value is not understood.
    """
    reader = _Reader()
    contract = reader.contract(node)
    contract = settle(Case(contract=contract, nodes=reader.nodes, report=reader.report))
    contract = viewed(contract)
    problems = reader.report.problems()
    if problems:
        raise contract_error(name, problems)
    return contract


def parse_views(
    node: Node, *, name: str = "the feature views", zones: AbstractSet[str] | None = None
) -> Mapping[str, View]:
    """Turn the tree of a file of feature views into the views by name.

    Raises:
        ContractError: all problems at once, with lines and hints; they are also its `problems`.
    """
    reader = _Reader()
    views = reader.root(ViewFile, node).views
    told = Told(nodes=reader.nodes, report=reader.report, zones=zones)
    for view, found in views.items():
        judge_view(told, f"views.{view}", found)
    if problems := reader.report.problems():
        raise contract_error(name, problems)
    return views


class _Reader:
    """One passage over a tree; a bad value is reported and replaced, so that the rest is read."""

    def __init__(self) -> None:
        self.report = Report()
        self.nodes: dict[str, Node] = {}

    def contract(self, node: Node) -> Contract:
        return self.root(Contract, node)

    def root(self, cls: type[_Root], node: Node) -> _Root:
        self.nodes[""] = node
        if is_null(node):
            self.report.add(node.line, "", "the contract is empty", "begin with `tamid: 1`")
            node = Entries(line=node.line)
        value = self._block(cls, node, "")
        assert isinstance(value, cls)
        return value

    def _block(self, cls: type, node: Node, path: str) -> Any:
        node = expand(cls, node, path, self.report)
        if not isinstance(node, Entries):
            known = ", ".join(list(_hints(cls))[:4])
            self.report.add(node.line, path, "expected keys and values here", f"such as {known}")
            return _placeholder_block(cls)
        given = self._known_entries(cls, node, path)
        values: dict[str, Any] = {}
        for field in dataclasses.fields(cls):
            hint, where = _hints(cls)[field.name], _join(path, field.name)
            value: Any = _BAD
            if entry := given.get(field.name):
                self.nodes[where] = _anchor(entry)
                value = self._value(hint, entry.value, where, limits_of(field))
            elif default_of(field) is dataclasses.MISSING and self.report.trusts_exactly(where):
                self.report.add(node.line, where, "is missing", _doc_hint(field.metadata["doc"]))
            values[field.name] = value if value is not _BAD else _fallback(field, hint)
        return cls(**values)

    def _known_entries(self, cls: type, node: Entries, path: str) -> dict[str, Entry]:
        """Return the entries by key; unknown and repeated keys are reported."""
        known: dict[str, Entry] = {}
        for entry in node.entries:
            key = unicodedata.normalize("NFC", entry.key.text)
            if key in known:
                first = known[key].key.line
                where = _join(path, key)
                self.report.add(entry.key.line, where, f"is given twice (first in line {first})")
            elif key in _hints(cls):
                known[key] = entry
            else:
                self._unknown(cls, entry, path)
        return known

    def _unknown(self, cls: type, entry: Entry, path: str) -> None:
        key = entry.key.text
        words = (*_hints(cls), *choices(cls))
        hint = "" if self.report.is_long() else unknown_key_hint(key, words)
        self.report.add(entry.key.line, path, f"unknown key {quoted(key)}", hint, taint=False)
        meant = "" if self.report.is_long() else nearest(key, words)
        if meant in _hints(cls):
            self.report.taint(_join(path, meant))
        elif cls in CHOICE_KEY:  # a short form that is misspelt: nothing else is missing
            for name in _hints(cls):
                self.report.taint(_join(path, name))

    def _value(self, hint: Any, node: Node, path: str, limits: Limits) -> Any:
        options = get_args(hint) if get_origin(hint) in (types.UnionType, Union) else (hint,)
        if is_null(node):
            if type(None) in options:
                return None
            self.report.add(node.line, path, "is empty", "give it a value or remove the key")
            return _BAD
        options = tuple(o for o in options if o is not type(None))
        hint = options[0] if len(options) == 1 else _AnyScalar
        if dataclasses.is_dataclass(hint) and isinstance(hint, type) and hint is not Money:
            return self._block(hint, node, path)
        origin = get_origin(hint)
        if origin is tuple:
            return self._list(get_args(hint)[0], node, path, limits)
        if origin is Mapping:
            return self._mapping(get_args(hint)[1], node, path, limits)
        return self._scalar(hint, node, path, limits)

    def _list(self, hint: Any, node: Node, path: str, limits: Limits) -> Any:
        if not isinstance(node, Items):
            example = quoted(node.text).replace("`", "") if isinstance(node, Scalar) else "..."
            self.report.add(node.line, path, "expected a list", f"write [{example}] or - items")
            return _BAD
        values: list[Any] = []
        seen: set[str] = set()
        for index, item in enumerate(node.items):
            where = f"{path}[{index}]"
            self.nodes[where] = item
            value = self._value(hint, item, where, limits)
            if value is _BAD:
                continue
            if isinstance(value, str) and value in seen:
                self.report.add(item.line, where, f"{quoted(value)} stands twice in the list")
                continue
            if isinstance(value, str):
                seen.add(value)
            values.append(value)
        return tuple(values)

    def _mapping(self, hint: Any, node: Node, path: str, limits: Limits) -> Any:
        if not isinstance(node, Entries):
            self.report.add(node.line, path, "expected names with values", "write name: value")
            return _BAD
        values: dict[str, Any] = {}
        for entry in node.entries:
            key = unicodedata.normalize("NFC", entry.key.text)
            where = _join(path, key)
            if fault := GRAMMARS[limits.keys].fault(key):
                self.report.add(entry.key.line, path, f"the name {quoted(key)} {fault}")
            elif key in values:
                self.report.add(entry.key.line, where, "is given twice")
            else:
                self.nodes[where] = _anchor(entry)
                value = self._value(hint, entry.value, where, limits)
                if value is not _BAD:
                    values[key] = value
        return values

    def _scalar(self, hint: Any, node: Node, path: str, limits: Limits) -> Any:
        if hint is Money and isinstance(node, Entries):
            return self._money(node, path)
        if not isinstance(node, Scalar):
            kind = "a list" if isinstance(node, Items) else "keys and values"
            self.report.add(node.line, path, f"expected one value here, not {kind}")
            return _BAD
        try:
            return _read_scalar(hint, node, limits)
        except scalars.Misfit as misfit:
            self.report.add(node.line, path, misfit.message, misfit.hint)
            return _BAD

    def _money(self, node: Entries, path: str) -> Any:
        """Read the form in which an amount is stored: {amount: 400, currency: ILS}."""
        parts = {e.key.text: e.value for e in node.entries}
        amount, currency = parts.get("amount"), parts.get("currency")
        whole = len(parts) == len(node.entries) == 2
        if whole and isinstance(amount, Scalar) and isinstance(currency, Scalar):
            written = Scalar(text=f"{amount.text} {currency.text}", line=node.line)
            return self._scalar(Money, written, path, Limits())
        self.report.add(node.line, path, "is not an amount of money", 'write such as "400 ILS"')
        return _BAD


class _AnyScalar:
    """Stands for a union of scalar types: the text says which."""


def _read_scalar(hint: Any, node: Scalar, limits: Limits) -> Any:
    if get_origin(hint) is Literal:
        return scalars.one_of(node, get_args(hint))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(scalars.one_of(node, tuple(str(m.value) for m in hint)))
    readers: Mapping[Any, Any] = {
        str: lambda: scalars.text(node, limits),
        bool: lambda: scalars.truth(node),
        int: lambda: scalars.whole(node, limits),
        float: lambda: scalars.number(node, limits),
        timedelta: lambda: scalars.duration(node, limits),
        Money: lambda: scalars.money(node),
        _AnyScalar: lambda: scalars.plain(node),
    }
    return readers[hint]()


@functools.cache
def _hints(cls: type) -> Mapping[str, Any]:
    return MappingProxyType(get_type_hints(cls))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _anchor(entry: Entry) -> Node:
    """Return the node whose line people look at: the value if it is one text, else its key."""
    return entry.value if isinstance(entry.value, Scalar) else entry.key


def _doc_hint(doc: str) -> str:
    return f"it says: {doc}"


def _fallback(field: dataclasses.Field[Any], hint: Any) -> Any:
    default = default_of(field)
    return _placeholder(hint) if default is dataclasses.MISSING else default


def _placeholder_block(cls: type) -> Any:
    """Return a block that stands in for one that could not be read; it never leaves the parser."""
    return cls(**{f.name: _fallback(f, _hints(cls)[f.name]) for f in dataclasses.fields(cls)})


def _placeholder(hint: Any) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _placeholder_block(hint)
    if get_origin(hint) is Literal:
        return get_args(hint)[0]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    return ""
