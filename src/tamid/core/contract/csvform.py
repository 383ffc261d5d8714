"""The contract's block `csv`: how the values of a CSV file are written."""

# ruff: noqa: RUF009 - key() makes a field

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tamid.core.contract.fields import key

Encoding = Literal[
    "utf-8", "utf-16", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256"
]
Separator = Literal["auto", ",", ";", "tab", "|"]
Decimal = Literal[".", ","]
Thousands = Literal["none", ".", ",", "space", "'"]
Dates = Literal["iso", "dmy", "mdy", "ymd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvForm:
    """How names, numbers and moments are written in CSV files; a blank is a missing value."""

    encoding: Encoding = key("bytes to letters", "utf-8")
    separator: Separator = key(
        "what stands between fields (auto: the one of , ; tab | that the header has)", "auto"
    )
    decimal: Decimal = key("what stands before the fraction of a number", ".")
    thousands: Thousands = key("what stands between groups of three digits", "none")
    dates: Dates = key(
        "order of day, month and year (31/12/2026 is dmy); ISO 8601 is always read", "iso"
    )
    missing: tuple[str, ...] = key(
        "texts that mean a missing value, such as NA, in all columns but categories and texts", ()
    )
