"""Do online and offline agree? Column by column, with a name for what sets them apart.

A cause is named where it alone explains nine of ten differing rows: an exact one (another column,
an earlier row, nothing sent) before one that has to be fitted (a zone, a unit).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Kind = Literal["number", "moment", "text"]
Cause = Literal["", "swapped", "stale", "missing", "time zone", "unit", "spelling", "unknown"]

# Two numbers are the same within this; JSON and Parquet carry float64 exactly, sums may round.
SAME = 1e-9
# A cause explains the difference when it explains so much of it.
_EXPLAINS = 0.9
# Fewer differing rows fit any factor or offset.
_FEWEST = 3
# Zones lie quarters of an hour apart and reach from -12 to +14 hours.
_QUARTER, _WIDEST = 900.0, 14 * 3600.0
_DAY = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One feature of n answers: as served, as recomputed, and as of the entity's row before.

    `number` and `moment` (seconds): floats, NaN where missing; `text`: objects, None where missing.
    """

    kind: Kind
    served: npt.NDArray[Any]
    wanted: npt.NDArray[Any]
    before: npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """How many answers of `rows` a feature differs in, and what seems to be the cause."""

    column: str
    rows: int
    differing: int
    cause: Cause = ""
    words: str = ""


def compare(columns: Mapping[str, Column]) -> tuple[Skew, ...]:
    """Return each column's differences, in the order given.

    >>> wanted = np.array([1.0, 2.0, 3.0, 5.0])
    >>> lost = np.full(4, np.nan)
    >>> (found,) = compare(
    ...     {"km": Column(kind="number", served=wanted * 1000, wanted=wanted, before=lost)}
    ... )
    >>> found.differing, found.cause, found.words
    (4, 'unit', 'served is 1000 times as large')
    """
    masks = {name: differs(c.served, c.wanted, c.kind) for name, c in columns.items()}
    return tuple(
        Skew(
            column=name,
            rows=len(column.served),
            differing=int(masks[name].sum()),
            **_named(name, columns, masks[name]),
        )
        for name, column in columns.items()
    )


def differs(one: npt.NDArray[Any], other: npt.NDArray[Any], kind: Kind) -> Mask:
    """Say where two columns are not the same, (n,); two missing values are."""
    if kind == "text":
        apart: Mask = np.array([a != b for a, b in zip(one, other, strict=True)], dtype=np.bool_)
        return apart
    missing: Mask = np.isnan(one) != np.isnan(other)
    scale = np.maximum(np.maximum(np.abs(one), np.abs(other)), 1.0)
    far: Mask = np.abs(one - other) > SAME * scale
    found: Mask = missing | (far & ~np.isnan(one) & ~np.isnan(other))
    return found


def _named(name: str, columns: Mapping[str, Column], where: Mask) -> dict[str, Any]:
    if not where.any():
        return {}
    column = columns[name]
    served, wanted, before = column.served[where], column.wanted[where], column.before[where]
    found: tuple[Cause, str] | None = _swapped(name, columns, where)
    found = found or _stale(served, before, column.kind)
    found = found or _missing(served, wanted, column.kind)
    if found is None and column.kind == "text":
        found = _spelling(served, wanted)
    elif found is None:
        found = _zone(served, wanted, column.kind) or _unit(served, wanted, column.kind)
    cause, words = found or ("unknown", "no single cause explains it")
    return {"cause": cause, "words": words}


def _enough(explained: Mask) -> bool:
    return len(explained) >= _FEWEST and float(explained.mean()) >= _EXPLAINS


def _swapped(name: str, columns: Mapping[str, Column], where: Mask) -> tuple[Cause, str] | None:
    """Find the column whose recomputed value was served here, and which got ours."""
    mine = columns[name]
    for other, theirs in columns.items():
        if other == name or (theirs.kind == "text") != (mine.kind == "text"):
            continue
        kind = mine.kind
        telling = where & differs(mine.wanted, theirs.wanted, kind)
        if telling.sum() < _EXPLAINS * where.sum():
            continue
        here = ~differs(mine.served[telling], theirs.wanted[telling], kind)
        there = ~differs(theirs.served[telling], mine.wanted[telling], kind)
        if _enough(here & there):
            return "swapped", f"served is {other}, and {other} is served as {name}"
        if _enough(here):
            return "swapped", f"served is {other}"
    return None


def _stale(
    served: npt.NDArray[Any], before: npt.NDArray[Any], kind: Kind
) -> tuple[Cause, str] | None:
    if _enough(~differs(served, before, kind) & ~_absent(before, kind)):
        return "stale", "served is the value of the entity's row before: a stale look-up"
    return None


def _missing(
    served: npt.NDArray[Any], wanted: npt.NDArray[Any], kind: Kind
) -> tuple[Cause, str] | None:
    if _enough(_absent(served, kind)):
        return "missing", "nothing is served where there is a value"
    if _enough(_absent(wanted, kind)):
        return "missing", "a value is served where there is none"
    return None


def _absent(values: npt.NDArray[Any], kind: Kind) -> Mask:
    if kind == "text":
        return np.array([v is None for v in values], dtype=np.bool_)
    found: Mask = np.isnan(values)
    return found


def _spelling(served: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> tuple[Cause, str] | None:
    both = zip(served, wanted, strict=True)
    alike = [str(a).strip().casefold() == str(b).strip().casefold() for a, b in both]
    if _enough(np.array(alike, dtype=np.bool_)):
        return "spelling", "only upper and lower case or blanks differ"
    return None


def _zone(served: Floats, wanted: Floats, kind: Kind) -> tuple[Cause, str] | None:
    """Find one offset of a zone, or the two of a year with summer time.

    A number may hold hours of a day, or seconds since 1970: the offset then shows in it.
    """
    apart = served - wanted
    if kind == "moment" or np.nanmin(np.abs(wanted), initial=np.inf) > 1e8:
        if (found := _offsets(apart)) is not None:
            return "time zone", f"moments are served {found} off"
        return None
    hours = np.round(apart) % _DAY
    whole = np.abs(apart - np.round(apart)) <= SAME
    of_a_day = (served >= 0) & (served < _DAY) & (wanted >= 0) & (wanted < _DAY)
    shifts = np.minimum(hours, _DAY - hours) * 3600
    if not _enough(whole & of_a_day) or np.ptp(apart) == 0:
        return None
    return (
        ("time zone", f"hours of the day are served {_hours(float(np.median(shifts)))} off")
        if _few(hours) and float(shifts.max()) <= _WIDEST
        else None
    )


def _offsets(apart: Floats) -> str | None:
    near = np.round(apart / _QUARTER) * _QUARTER
    right = (np.abs(apart - near) <= 1.0) & (np.abs(near) <= _WIDEST) & (near != 0)
    if not _enough(right) or not _few(near[right]):
        return None
    return " or ".join(_hours(float(v)) for v in sorted(set(near[right]))[:2])


def _few(values: Floats) -> bool:
    """Say whether one value, or two of an hour's distance, are all there is."""
    seen, counts = np.unique(values, return_counts=True)
    return int(np.sort(counts)[-2:].sum()) >= _EXPLAINS * len(values) and len(seen) <= 4


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:+g} h"


def _unit(served: Floats, wanted: Floats, kind: Kind) -> tuple[Cause, str] | None:
    """Find the factor, or factor and offset, that turns what is wanted into what is served."""
    if kind == "moment":
        return None
    there = np.isfinite(served) & np.isfinite(wanted)
    a, b = wanted[there], served[there]
    if len(a) < _FEWEST or len(a) < _EXPLAINS * len(served):
        return None
    known = a != 0
    if known.any():
        factor = float(np.median(b[known] / a[known]))
        if _enough(np.abs(b - factor * a) <= 1e-6 * np.maximum(np.abs(b), 1e-12)):
            return "unit", f"served is {factor:.6g} times as large"
    first, last = int(np.argmin(a)), int(np.argmax(a))
    if a[first] == a[last]:
        return None
    factor = float((b[last] - b[first]) / (a[last] - a[first]))
    offset = float(b[first] - factor * a[first])
    if _enough(np.abs(b - factor * a - offset) <= 1e-6 * np.maximum(np.abs(b), 1.0)):
        words = f"served is {factor:.6g} times as large, {offset:+.6g}"
        return "unit", f"served is {offset:+.6g} off" if abs(factor - 1) < 1e-9 else words
    return None
