"""Holidays of countries by the library `holidays`: which day each falls on in a year."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from tamid.adapters._optional import need
from tamid.core.errors import NotFound

# "Independence Day (observed)" is the same holiday as "Independence Day".
_NOTE = re.compile(r"\s*\((?:observed|estimated|observed, estimated)\)\Z")


@functools.lru_cache(maxsize=128)
def holidays_of(country: str, year: int) -> Mapping[date, tuple[str, ...]]:
    """Return the holidays of a country ("IL": public ones, "IL_all": observances, too) in a year.

    Raises:
        MissingExtra: the library is not installed; NotFound: it does not know the country.
    """
    library = need("holidays", "loop")
    code, _, everything = country.partition("_")
    try:
        known = library.country_holidays(code)
        kinds = known.supported_categories if everything else (known.default_category or "public",)
        # One language everywhere: a holiday is recognised by its name.
        language = "en_US" if "en_US" in known.supported_languages else None
        found = library.country_holidays(code, years=year, categories=kinds, language=language)
    except NotImplementedError as error:
        raise NotFound(
            f"there is no calendar of holidays for {code!r}",
            why="the library of holidays does not know this country",
            fix="Write the days yourself, such as: holiday = 2026-04-02..2026-04-08",
        ) from error
    days = {
        day: tuple(sorted({_NOTE.sub("", n) for n in found.get_list(day)})) for day in sorted(found)
    }
    return MappingProxyType(days)
