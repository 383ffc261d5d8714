"""How numbers and moments are written as texts: one pattern for each form.

The patterns use only what Python's and Polars' regular expressions have in common.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tamid.core.contract.csvform import Dates, Decimal, Thousands
from tamid.core.contract.inputs import CleanStep

SPACES = "[ \u00a0\u202f]"
_GROUPS: Mapping[Thousands, str] = MappingProxyType(
    {".": r"\.", ",": ",", "space": SPACES, "'": "['\u2019]"}
)
_SECOND = r"(?::([0-9]{2})(?:\.([0-9]{1,6})[0-9]*)?)?"
_CLOCK = rf"(?:[ T,]+([0-9]{{1,2}}):([0-9]{{2}}){_SECOND}(?: ?([AaPp])[Mm])?)?"
_MARK = r"[/.\-]"
_TWO, _YEAR, _FULL = "([0-9]{1,2})", "([0-9]{4}|[0-9]{2})", "([0-9]{4})"

# Two digits of a year below this belong to this century, as POSIX has it.
CENTURY_FROM = 69
# As the reader of contracts takes it: the day, perhaps a time, perhaps a zone.
ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?"
    r" ?(?:Z|[+-][0-9]{2}:?[0-9]{2})?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberForm:
    """What stands before a fraction, and between groups of three digits."""

    decimal: Decimal = "."
    thousands: Thousands = "none"


def group_pattern(form: NumberForm) -> str:
    """Return what matches the mark between groups, "" if the form has none."""
    return _GROUPS.get(form.thousands, "")


def number_pattern(form: NumberForm) -> str:
    """Return the pattern of a number without spaces around it.

    >>> [bool(re.match(number_pattern(NumberForm(decimal=",")), t)) for t in ("1,5", "1.5", "-3")]
    [True, False, True]
    """
    point, group = re.escape(form.decimal), group_pattern(form)
    plain = rf"(?:[0-9]+(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
    grouped = rf"|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+(?:{point}[0-9]+)?" if group else ""
    return rf"^[+-]?(?:{plain}{grouped})$"


def value_of(text: str, form: NumberForm) -> float:
    """Return the number that a text stands for in a form. Raises ValueError.

    >>> value_of("1.234,5", NumberForm(decimal=",", thousands="."))
    1234.5
    """
    if not re.match(number_pattern(form), text):
        raise ValueError(text)
    group = group_pattern(form)
    return float((re.sub(group, "", text) if group else text).replace(form.decimal, "."))


def form_of(step: CleanStep) -> NumberForm:
    """Return how the texts are written that a cleaning step `number` reads."""
    return NumberForm(decimal=step.decimal, thousands=step.thousands)


def read_number(text: str, form: NumberForm) -> float | None:
    """Return the number that a text stands for, None for any other text or one without bounds.

    >>> form = NumberForm(decimal=",", thousands=".")
    >>> read_number(" 1.234,5 ", form), read_number("n/a", form), read_number("1e999", form)
    (1234.5, None, None)
    """
    try:
        found = value_of(text.strip(), form)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def moment_pattern(dates: Dates) -> str:
    """Return the pattern of a moment; its groups are three numbers in their order and the clock.

    >>> re.match(moment_pattern("dmy"), "31/12/2026 8:05").groups()[:5]
    ('31', '12', '2026', '8', '05')
    """
    if dates == "iso":
        return ISO
    parts = (_FULL, _TWO, _TWO) if dates == "ymd" else (_TWO, _TWO, _YEAR)
    return "^" + _MARK.join(parts) + _CLOCK + "$"
