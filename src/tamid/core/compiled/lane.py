"""The shortest way from a decoded row to its score: what a row may plainly hold, said once.

A lane answers rows that plainly keep what the contract says, and gives None for every other: those
take the ordinary road, which decides about them. So a lane can only be quicker, never kinder.
"""

from __future__ import annotations

import enum
import math
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import ge, itemgetter, le
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tamid.core.learning.model import Feature

# Whole numbers beyond this are for the ordinary road, which counts exactly.
_WHOLE = 9.2e18
_Usual = Callable[[tuple[Any, ...]], tuple[float, ...] | None]


class FieldKind(enum.IntEnum):
    """What a field holds, as kernel.c names it."""

    NUMBER = 0
    INTEGER = 1
    BOOLEAN = 2
    WORD_KNOWN = 3  # only words of the table
    WORD_ANY = 4  # a word that is not in the table counts as missing


class Laid(NamedTuple):
    """How requests of one form are laid out; a tuple, as kernel.c takes it.

    `between`: the bytes around the values that stand in JSON, one more than these, or none.
    `places`: which rule each value is under, those in JSON first. `parts`: what is packed behind:
    kind (0 FP64, 1 INT64, 2 texts with their lengths), bytes, and values of each.
    """

    between: tuple[bytes, ...]
    places: tuple[int, ...]
    parts: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What the contract says of one input. `kind`: as in the contract's schema."""

    name: str
    kind: str
    nullable: bool = True
    low: float | None = None
    high: float | None = None
    allowed: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneField:
    """One value of a row: which feature it is (-1: none), and which values are plain."""

    kind: FieldKind
    feature: int
    nullable: bool
    low: float
    high: float
    codes: Mapping[str, float]

    @property
    def is_number(self) -> bool:
        """Say whether it holds any number."""
        return self.kind is FieldKind.NUMBER

    @property
    def is_word(self) -> bool:
        """Say whether it holds a word."""
        return self.kind in (FieldKind.WORD_KNOWN, FieldKind.WORD_ANY)


def lane_fields(rules: Sequence[Rule], features: Sequence[Feature]) -> tuple[LaneField, ...] | None:
    """Return the fields of a row whose values come in the order of the rules.

    None: there is no lane, as a feature is no input, or an input of a kind that needs more.

    >>> from tamid.core.learning.model import Feature
    >>> fields = lane_fields([Rule(name="a", kind="number", low=0)], [Feature(name="a")])
    >>> fields[0].low, fields[0].high
    (0.0, inf)
    """
    places = {feature.name: i for i, feature in enumerate(features)}
    if not set(places) <= {rule.name for rule in rules}:
        return None
    found = []
    for rule in rules:
        place = places.get(rule.name, -1)
        made = _field(rule, place, features[place] if place >= 0 else None)
        if made is None:
            return None
        found.append(made)
    return tuple(found)


class PlainLane:
    """A lane in Python, before any engine; :class:`tamid.ports.RowLane`."""

    def __init__(
        self, fields: Sequence[LaneField], features: int, one: Callable[[bytes], float], unset: Any
    ) -> None:
        self._count, self._one, self._unset = len(fields), one, unset
        self._each = [(f, f.feature, *_quick(f)) for f in fields]
        self._pack = struct.Struct(f"<{features}d").pack
        self._features = features
        self._usual = _usual_row(fields, features)

    def score(self, values: tuple[Any, ...]) -> float | None:
        """Return the score, or None: the ordinary road decides."""
        if type(values) is not tuple or len(values) < self._count:
            raise TypeError("a tuple with a value for each field is wanted")
        usual = None if self._usual is None else self._usual(values)
        if usual is not None:
            return self._one(self._pack(*usual))
        row = [math.nan] * (self._features + 1)
        for value, (field, place, kind, low, high, codes) in zip(values, self._each, strict=False):
            # What nearly all values are, first; a field that is no feature writes behind the row.
            given: Any = type(value)
            if given is kind:
                if codes is not None and value in codes:
                    row[place] = codes[value]
                    continue
                if codes is None and low <= value <= high:
                    row[place] = value
                    continue
            missing = value is None or value is self._unset
            number = _number(field, value) if not missing else math.nan
            if number is None or (missing and not field.nullable):
                return None
            row[place] = number
        row.pop()
        return self._one(self._pack(*row))

    def scores(self, rows: list[tuple[Any, ...]]) -> list[float | None]:
        """Return what :meth:`score` says of each."""
        return [self.score(values) for values in rows]

    def form(self, laid: Laid) -> None:
        """Read no bytes: decoders do that faster than Python."""


def _usual_row(fields: Sequence[LaneField], features: int) -> _Usual | None:
    """Return what lays a usual row out as features by a few calls over all values.

    It gives None for any other row: a value is missing, of another type, out of bounds, or no known
    word. There is nothing to gain (None) where a field is neither number nor word, or with few.
    """
    numbers = [i for i, f in enumerate(fields) if f.is_number]
    words = [i for i, f in enumerate(fields) if f.is_word]
    if len(numbers) + len(words) < len(fields) or len(numbers) < 2 or features < 2:
        return None
    bounded = [i for i in numbers if fields[i].low > -math.inf or fields[i].high < math.inf]
    types = tuple(str if f.is_word else float for f in fields)
    lows, highs = [fields[i].low for i in bounded], [fields[i].high for i in bounded]
    # Once more at the end, so that there are at least two and a tuple comes out.
    number_of, bounded_of = itemgetter(*numbers), itemgetter(*bounded, *numbers[:2])
    tables = [(i, fields[i].codes) for i in words]
    place = {fields[i].feature: at for at, i in enumerate((*numbers, *words))}
    order = itemgetter(*(place[feature] for feature in range(features)))
    count = len(fields)

    def laid(values: tuple[Any, ...]) -> tuple[float, ...] | None:
        if tuple(map(type, values[:count])) != types:
            return None
        found = number_of(values)
        total = sum(found)
        # What is missing or infinite leaves no finite sum.
        if total - total != 0:
            return None
        some = bounded_of(values)
        if not (all(map(le, lows, some)) and all(map(ge, highs, some))):
            return None
        try:
            codes = [codes[values[i]] for i, codes in tables]
        except KeyError:
            return None
        row: tuple[float, ...] = order((*found, *codes))
        return row

    return laid


def _quick(field: LaneField) -> tuple[type | None, float, float, Mapping[str, float] | None]:
    """Return the type of which a value is plain without another look, and which values are."""
    if field.is_word:
        return str, 0.0, 0.0, field.codes
    most = sys.float_info.max
    kind = float if field.is_number else None
    return kind, max(field.low, -most), min(field.high, most), None


def _field(rule: Rule, place: int, feature: Feature | None) -> LaneField | None:
    kinds = {
        "number": FieldKind.NUMBER, "integer": FieldKind.INTEGER, "boolean": FieldKind.BOOLEAN,
    }  # fmt: skip
    codes: dict[str, float] = {}
    word = rule.kind in ("category", "text")
    if feature is not None and word != (feature.kind == "category"):
        return None
    if word:
        known = () if feature is None else feature.categories
        codes = {w: float(code) for code, w in enumerate(known)}
        kind = FieldKind.WORD_ANY
        if rule.allowed is not None:
            codes = {w: codes.get(w, math.nan) for w in rule.allowed}
            kind = FieldKind.WORD_KNOWN
    elif rule.kind in kinds and rule.allowed is None:
        kind = kinds[rule.kind]
    else:
        return None
    return LaneField(
        kind=kind,
        feature=place,
        nullable=rule.nullable,
        low=-math.inf if rule.low is None else float(rule.low),
        high=math.inf if rule.high is None else float(rule.high),
        codes=codes,
    )


def _number(field: LaneField, value: Any) -> float | None:
    if field.is_word:
        other = None if field.kind is FieldKind.WORD_KNOWN else math.nan
        return field.codes.get(value, other) if type(value) is str else None
    if field.kind is FieldKind.BOOLEAN:
        return float(value) if type(value) is bool else None
    if type(value) is not (float if field.kind is FieldKind.NUMBER else int):
        return None
    if field.kind is FieldKind.INTEGER and not -_WHOLE < value < _WHOLE:
        return None
    number = float(value)
    return number if field.low <= number <= field.high and number - number == 0 else None
