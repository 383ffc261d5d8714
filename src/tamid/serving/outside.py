"""What is said of rows that do not keep the contract: places, types and known names, never a value.

The name of an unknown key is what a caller wrote, so it may be anything, also a card number that
came in the wrong place: it is told only where it is nearly the name of a column.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from tamid.core.errors import DataError

_BEGINS, _NO_COLUMN = "Object contains unknown field", "there is a key that no column has"
_UNKNOWN = re.compile(_BEGINS + r" `(?P<key>.*?)`(?P<where> - at `[^`]*`)?$", re.DOTALL)
# Keys in which clients of other servers wrap what they send.
_WRAPPERS = frozenset({"row", "rows", "inputs", "instances", "data", "records", "features"})
_LONGEST = 300


class OutsideContract(DataError):
    """The rows do not keep the contract."""

    fix = "See /openapi.json for the columns, their types and limits."

    def __init__(self, what: str, *, why: str = "", problems: Sequence[str] = ()) -> None:
        super().__init__(what, why=why)
        self.problems = tuple(problems)


def told_of(error: Exception, keys: Collection[str]) -> str:
    """Return a parser's words, those of an unknown key in our own.

    >>> told_of(ValueError("Object contains unknown field `call`"), ["calls", "plan"])
    "there is a key that no column has: did you mean 'calls'?"
    >>> told_of(ValueError("Object contains unknown field `4580-1111` - at `$[3]`"), ["calls"])
    'there is a key that no column has - at `$[3]`'
    """
    told = str(error)
    if len(told) > _LONGEST:
        # A key of megabytes is no slip of the pen; to look for its like would keep all waiting.
        return _NO_COLUMN if told.startswith(_BEGINS) else told[:_LONGEST]
    found = _UNKNOWN.match(told)
    if found is None:
        return told
    said = f"{_NO_COLUMN}{found['where'] or ''}"
    if found["key"] in _WRAPPERS:
        return f"{said}: send the row itself, or an array of rows"
    near = difflib.get_close_matches(found["key"], keys, n=1)
    return f"{said}: did you mean {near[0]!r}?" if near else said
