"""The shared words: digests, canonical JSON, durations, money, references, reserved columns."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

# Columns that Tamid adds to frames. Names with a leading underscore are refused in contracts.
ENTITY = "_entity"
TIME = "_time"
PERIOD = "_period"
LABEL = "_label"
WEIGHT = "_weight"
FIT_WEIGHT = "_fit_weight"
KNOWN_AT = "_known_at"
ARRIVED = "_arrived"
BATCH = "_batch"
RULE = "_rule"

STATIC_PERIOD = "static"


class Role(enum.StrEnum):
    """The two roles between whom the contract stands, and the controller itself."""

    ML_DEVELOPER = "ml_developer"
    MLOPS_ENGINEER = "mlops_engineer"
    CONTROLLER = "controller"


class Task(enum.StrEnum):
    """What the model answers."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


def jsonable(value: Any) -> Any:
    """Turn frozen values into plain JSON types; refuse what JSON cannot carry exactly."""
    if value is None or type(value) in (str, int, bool):  # by far the most frequent, hence first
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [jsonable(v) for v in value]
        return sorted(items) if isinstance(value, (set, frozenset)) else items
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, UTF-8, non-finite numbers as null.

    >>> canonical_json({"b": 1, "a": (1.5, None)})
    '{"a":[1.5,null],"b":1}'
    """
    return json.dumps(
        jsonable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest_bytes(content: bytes) -> str:
    """Return ``sha256:<hex>`` of the bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def digest_of(value: Any) -> str:
    """Return the digest of a value's canonical JSON.

    >>> digest_of({"a": 1}) == digest_of({"a": 1})
    True
    """
    return digest_bytes(canonical_json(value).encode())


def instant(moment: datetime) -> str:
    """Write an aware moment as UTC text that sorts like time.

    >>> instant(datetime(2026, 1, 4, tzinfo=UTC))
    '2026-01-04T00:00:00.000000Z'
    >>> instant(datetime(1, 1, 1, tzinfo=UTC))
    '0001-01-01T00:00:00.000000Z'
    """
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be ordered")
    # `strftime` writes the year 1 with one digit.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_instant(text: str) -> datetime:
    """Read what :func:`instant` wrote.

    >>> parse_instant("2026-01-04T00:00:00.000000Z").day
    4
    """
    if len(text) != 27 or text[-1] != "Z":  # fromisoformat alone would take other forms, too
        raise ValueError(f"{text!r} is not a moment such as 2026-01-04T00:00:00.000000Z")
    return datetime.fromisoformat(text)


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w|y)\Z")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 365 * 86400}


def parse_duration(text: str) -> timedelta:
    """Read the one grammar of durations: a number and one of ms, s, m, h, d, w, y.

    >>> parse_duration("13w").days
    91
    """
    match = _DURATION.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 30s, 12h, 7d or 13w")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


def format_duration(span: timedelta) -> str:
    """Write a duration in its largest exact unit.

    >>> format_duration(timedelta(days=91)), format_duration(timedelta(hours=36))
    ('13w', '36h')
    """
    seconds = span.total_seconds()
    for unit in ("w", "d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    # Not :g, which would round long spans and write an exponent that parse_duration refuses.
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in a currency, as written in the contract ("400 ILS")."""

    amount: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A point with its bounds; `level` is the two-sided coverage aimed at."""

    point: float
    low: float
    high: float
    level: float = 0.95

    def scaled(self, factor: float) -> Interval:
        """Return it in another unit, of which one of this one is `factor` (above 0).

        >>> Interval(point=0.5, low=0.25, high=0.75).scaled(100).high
        75.0
        """
        return Interval(
            point=factor * self.point,
            low=factor * self.low,
            high=factor * self.high,
            level=self.level,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePin:
    """One version of one stored table, with the digest of its canonical content."""

    table: str
    version: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRef:
    """A version of a model: the bundle and the policy overlay that rides beside it."""

    number: int
    bundle: str
    overlay: str
