"""The tree that a YAML reader hands to the parser: texts with their places, not interpreted yet.

A reader yields every scalar as the text that stood in the file and says whether it was quoted;
:func:`resolve` gives an unquoted text its meaning by the core schema of YAML 1.2, in which `No` is
a word and `12:30` is no number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Plain = str | int | float | bool | None

# Python refuses to make an int of a much longer text, to guard against quadratic time.
_MAX_DIGITS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One text; `plain` when it was not quoted: it may mean a number, a truth or nothing."""

    text: str
    plain: bool = True
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A sequence."""

    items: tuple[Node, ...] = ()
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key and its value."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Entries:
    """A mapping, in the order of the file."""

    entries: tuple[Entry, ...] = ()
    line: int = 1
    column: int = 1

    def get(self, key: str) -> Node | None:
        """Return the value of the first such key, or None."""
        return next((e.value for e in self.entries if e.key.text == key), None)


Node = Scalar | Items | Entries

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)\Z")


def resolve(node: Scalar) -> Plain:
    """Return what a scalar means by the core schema of YAML 1.2.

    >>> [resolve(Scalar(text=t)) for t in ("No", "true", "007", "1e3", "~", "12:30")]
    ['No', True, 7, 1000.0, None, '12:30']
    >>> resolve(Scalar(text="true", plain=False))
    'true'
    """
    text = node.text
    if not node.plain or len(text) > _MAX_DIGITS:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INT.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    if infinite := _INFINITE.match(text):
        return float(infinite[1] + "inf")
    return float("nan") if text in (".nan", ".NaN", ".NAN") else text


def is_null(node: Node) -> bool:
    """Say whether the value was left out or written as null."""
    return isinstance(node, Scalar) and resolve(node) is None
