"""How numbers and moments of a file are written: decided on all its columns together.

A column is told by the shapes of its texts: each run of digits stands for all runs of its kind, so
that a million numbers are a handful of shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tamid.core.adoption.questions import Choice, Question, few
from tamid.core.contract.csvform import Dates
from tamid.core.written import NumberForm, number_pattern, value_of

# What tables write where nothing is known; compared in lower case.
_GAPS = "na n/a #n/a nan null none nil - -- ? . (null) <na> missing unknown אין חסר"
MISSING = frozenset(_GAPS.split())
# Simplest first: of forms that read a file alike the first is taken.
FORMS: tuple[NumberForm, ...] = (
    NumberForm(),
    NumberForm(decimal=","),
    NumberForm(thousands=","),
    NumberForm(decimal=",", thousands="."),
    NumberForm(thousands="space"),
    NumberForm(decimal=",", thousands="space"),
    NumberForm(thousands="'"),
)
_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn:
    """A column of texts as counts.

    `values`: texts that are not blank. `shapes`: texts of digits by shape. `words`: other texts,
    the most frequent ones; `other`: how many there are. `iso`, `slashed`, `year_first`: moments by
    how they are written, with the largest number at the first and second place of `slashed` ones,
    and one of them.
    """

    name: str
    values: int
    shapes: Mapping[str, int]
    words: Mapping[str, int]
    other: int
    iso: int = 0
    slashed: int = 0
    year_first: int = 0
    first: int = 0
    second: int = 0
    example: str = ""

    def tokens(self) -> tuple[str, ...]:
        """Return the texts that mean a missing value, if all that are no numbers do."""
        known = [w for w in self.words if w.lower() in MISSING]
        return tuple(known) if sum(self.words[w] for w in known) == self.other else ()

    def moments(self, count: int) -> bool:
        """Say whether the column holds moments, `count` of them in one form."""
        gaps = sum(n for w, n in self.words.items() if w.lower() in MISSING)
        return count > 0 and count + gaps >= self.values


def numeric(column: TextColumn, form: NumberForm) -> bool:
    """Say whether all texts of a column are numbers in a form, or mean that one is missing.

    A number with leading zeros is a code.

    >>> column = TextColumn(name="a", values=3, shapes={"1,1": 2}, words={"NA": 1}, other=1)
    >>> numeric(column, FORMS[1])
    True
    """
    pattern = re.compile(number_pattern(form))
    if any(re.match(r"[+-]?0[01]", shape) for shape in column.shapes):
        return False
    matched = sum(n for shape, n in column.shapes.items() if pattern.match(shape))
    gaps = column.values - matched
    return matched > 0 and (not gaps or (bool(column.tokens()) and gaps == column.other))


def whole(column: TextColumn, form: NumberForm) -> bool:
    """Say whether all numbers of a column are written without a fraction."""
    return not any(form.decimal in s or "e" in s.lower() for s in column.shapes)


def number_form(
    columns: Sequence[TextColumn], decimal: str = "", thousands: str = ""
) -> tuple[NumberForm, Question | None]:
    """Return the form in which most columns are numbers, and what must be asked to know it.

    Forms that read all numbers alike are one.
    """
    known = [
        f for f in FORMS
        if (not decimal or f.decimal == decimal) and (not thousands or f.thousands == thousands)
    ] or [NumberForm(decimal=decimal or ".", thousands=thousands or "none")]  # type: ignore[arg-type]  # fmt: skip
    counts = [sum(numeric(c, form) for c in columns) for form in known]
    best = [form for form, count in zip(known, counts, strict=True) if count == max(counts)]
    meant: dict[object, NumberForm] = {}
    for form in best:
        meant.setdefault(_meaning(columns, form), form)
    first, *others = meant.values()
    if not others:
        return first, None
    text, names = _doubtful(columns, first, others[0])
    choices = tuple(
        Choice(value=f.decimal, meaning=f"{text} is {_said(text, f)}") for f in (first, *others)
    )
    what = f"in {few(names)} a mark may stand before a fraction or between thousands"
    return first, Question(option="--decimal", what=what, choices=choices)


def date_form(columns: Sequence[TextColumn], dates: str = "") -> tuple[Dates, Question | None]:
    """Return the order of day, month and year, and what must be asked to know it."""
    slashed = [c for c in columns if c.moments(c.slashed)]
    shown: dict[Dates, list[str]] = {
        "dmy": [c.name for c in slashed if c.first > _MONTHS >= c.second],
        "mdy": [c.name for c in slashed if c.second > _MONTHS >= c.first],
        "ymd": [c.name for c in columns if c.moments(c.year_first)],
    }
    if dates:
        return dates, None  # type: ignore[return-value]
    found = [order for order, names in shown.items() if names]
    if len(found) > 1:
        choices = tuple(Choice(value=order, meaning=few(shown[order])) for order in found)
        what = "one file has one order of day and month; the others would be texts:"
        return found[0], Question(option="--dates", what=what, choices=choices)
    if found or not slashed:
        return (found[0] if found else "iso"), None
    column = slashed[0]
    choices = (
        Choice(value="dmy", meaning=f"{column.example} has the day first"),
        Choice(value="mdy", meaning=f"{column.example} has the month first"),
    )
    what = f"no moment of {few([c.name for c in slashed])} tells day from month"
    return "dmy", Question(option="--dates", what=what, choices=choices)


def _meaning(columns: Sequence[TextColumn], form: NumberForm) -> object:
    return tuple(
        (c.name, tuple(value_of(s, form) for s in sorted(c.shapes) if _reads(s, form)))
        for c in columns
        if numeric(c, form)
    )


def _reads(shape: str, form: NumberForm) -> bool:
    return bool(re.match(number_pattern(form), shape))


def _doubtful(
    columns: Sequence[TextColumn], a: NumberForm, b: NumberForm
) -> tuple[str, tuple[str, ...]]:
    """Return a text that two forms read as different numbers, and the columns with such texts."""
    found = [
        (shape, c.name)
        for c in columns
        for shape in c.shapes
        if _reads(shape, a) and _reads(shape, b) and value_of(shape, a) != value_of(shape, b)
    ]
    if not found:  # each reads columns that the other does not
        found = [(s, c.name) for c in columns for s in c.shapes if _reads(s, a) != _reads(s, b)]
    return found[0][0], tuple(dict.fromkeys(name for _, name in found))


def _said(text: str, form: NumberForm) -> str:
    return f"{value_of(text, form):g}" if _reads(text, form) else "no number"
