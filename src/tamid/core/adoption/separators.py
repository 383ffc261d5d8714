"""What stands between the fields of a CSV file: the mark that cuts all its lines alike."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from tamid.core.contract.csvform import Separator

# So many lines tell; a slip further down is found when the file is read.
LINES = 500
_MARKS: tuple[Separator, ...] = (",", ";", "tab", "|")


def separators(lines: Sequence[str]) -> tuple[tuple[Separator, int], ...]:
    """Return the marks that cut all lines into as many fields as the header, and how many.

    Empty: the file has one column, or no mark cuts all its lines alike.

    >>> separators(["a;b", "1,5;2,5"]), separators(["a,b;c", "1,5;2"])
    (((';', 2),), ((',', 2), (';', 2)))
    """
    found: list[tuple[Separator, int]] = []
    for mark in _MARKS:
        sign = "\t" if mark == "tab" else mark
        rows = csv.reader(lines[:LINES], delimiter=sign)
        try:
            sizes = {len(row) for row in rows if row}
        except csv.Error:
            continue
        if len(sizes) == 1 and max(sizes) > 1:
            found.append((mark, max(sizes)))
    return tuple(found)
