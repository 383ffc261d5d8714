"""Which rows of a batch keep the contract, which broke what rule, and whether any may be used.

Two passes: every column is read strictly into its type (`reading`), then the rows that could be
read are held against the contract's rules by dataframely. Rules are named "column: rule".
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from tamid.core.contract.model import Column
from tamid.core.errors import BatchRefused
from tamid.core.values import ENTITY, RULE, TIME
from tamid.stages.oddities import examples, oddities
from tamid.stages.reading import MOMENT, NOT_FINITE, name_of, typed
from tamid.stages.rulebook import ROW, batch_schema

# Clocks of two machines differ; a row further ahead than this is a wrong stamp.
AHEAD = timedelta(minutes=5)
# Systems write their first moment (the years 1, 1601, 1753) where there is none.
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)

MISSING = "missing value"
ABSENT = "missing column"
TOO_LOW = "below min"
TOO_HIGH = "above max"
# Of a moment that cannot be.
UNTIMELY = (AHEAD_OF_TIME, TOO_OLD) = ("in the future", "before 1900")
SAME_KEY = "duplicate key"
SAME_ROW = "repeated row"

# Its name for "no two rows of one key".
_KEY = "primary_key"
_RULES = {"nullability": MISSING, "min": TOO_LOW, "max": TOO_HIGH, "inf": NOT_FINITE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the rows of one source must look like.

    `schema` empty: every column is taken as it comes. `aside`: columns that are used elsewhere
    (label, known-at) and neither stored here nor noted. `unique`: one row per entity and time.
    `hidden`: columns of which no value may be quoted. `known_at`: the column of moments that says
    when a row became known. `spared`: columns that a second model does without.
    """

    schema: Mapping[str, Column]
    entity: str | None
    time: str | None
    timezone: str
    forbidden: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    unique: bool = True
    hidden: tuple[str, ...] = ()
    known_at: str | None = None
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A batch after the check.

    `frame`: every row with `_entity`, `_time`, the columns of the schema and `_rule` (null: good).
    `broken`: rows per rule; a row counts under each rule it broke. `bad`: rows that broke any,
    `lost` of them in more than the columns that are spared: `_rule` names one of these last.
    `examples`: per rule some of its values, or the numbers of its rows. `notes`: what is odd but
    breaks nothing.
    """

    frame: pl.DataFrame
    broken: Mapping[str, int]
    bad: int
    lost: int
    notes: tuple[str, ...]
    examples: Mapping[str, str] = field(default_factory=dict)


def check(raw: pl.DataFrame, shape: Shape, now: datetime) -> Checked:
    """Read a batch into its types and hold each row against the rules.

    Raises:
        BatchRefused: columns are missing or moments cannot be ordered; nothing of it can be used.
    """
    raw = _normal_names(raw).drop(shape.forbidden, strict=False)
    absent = _refuse_missing(raw, shape)
    raw = raw.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
    notes = _unexpected(raw, shape)
    frame, rules = _read(raw, shape)
    readable = frame.filter(_unbroken([r for r in rules if not _spares(shape, r[0])], frame.height))
    rules += _judged(readable, shape, frame.height, now) if readable.height else []
    gone = tuple(f"{name}: " for name in absent)
    rules = [rule for rule in rules if not rule[0].startswith(gone)]
    rules += [(f"{c}: {ABSENT}", pl.repeat(True, raw.height, eager=True)) for c in absent]
    rules.sort(key=lambda rule: _spares(shape, rule[0]))
    told = [name for name in shape.schema if name != shape.time]
    notes += tuple(oddities(raw, told, rules, shape.hidden))
    first = _first_rule(rules, frame.height)
    bad, rule = first.is_not_null(), pl.col(RULE)
    lost = first.to_frame().select((rule.is_not_null() & ~of_column(rule, shape.spared)).sum())
    return Checked(
        frame=frame.drop(ROW).with_columns(first),
        broken={rule: int(mask.sum()) for rule, mask in rules},
        bad=int(bad.sum()),
        lost=int(lost.item()),
        notes=notes,
        examples=examples(raw, rules, shape.hidden),
    )


def moments(raw: pl.DataFrame, column: str, timezone: str) -> pl.Series:
    """Return a column of moments in UTC; what cannot be read is null. Raises BatchRefused."""
    return typed(raw.get_column(column), "datetime", timezone).values


def suggest(name: str, names: list[str]) -> str:
    """Return ", did you mean X?" if a name is close to one of the others, else nothing.

    >>> suggest("tenure", ["tenures", "plan"])
    ', did you mean tenures?'
    """
    close = difflib.get_close_matches(name, names, 1, 0.75)
    return f", did you mean {close[0]}?" if close else ""


Rules = list[tuple[str, pl.Series]]


def _normal_names(raw: pl.DataFrame) -> pl.DataFrame:
    """Write names in one Unicode form, so that two ways to type one word are one column."""
    normal = {n: unicodedata.normalize("NFC", n) for n in raw.columns}
    return raw if len(set(normal.values())) < len(normal) else raw.rename(normal)


def of_column(rule: pl.Expr, columns: Sequence[str]) -> pl.Expr:
    """Say whether a rule that a row broke is one of these columns'; of a good row it is none."""
    found = pl.any_horizontal(pl.lit(False), *(rule.str.starts_with(f"{c}: ") for c in columns))
    return found.fill_null(value=False)


def _spares(shape: Shape, rule: str) -> bool:
    return rule.startswith(tuple(f"{name}: " for name in shape.spared))


def _refuse_missing(raw: pl.DataFrame, shape: Shape) -> list[str]:
    """Refuse a batch without all columns; return those whose absence is spared."""
    needed = [c for c in (shape.entity, shape.time) if c] + list(shape.schema)
    missing = [c for c in dict.fromkeys(needed) if c not in raw.columns]
    absent = [c for c in missing if c in shape.spared]
    missing = [c for c in missing if c not in absent]
    if missing:
        spare = [c for c in raw.columns if c not in needed]
        named = "; ".join(f"column {c!r} is missing{suggest(c, spare)}" for c in missing)
        raise BatchRefused(named, why="the contract's schema names these columns")
    return absent


def _unexpected(raw: pl.DataFrame, shape: Shape) -> tuple[str, ...]:
    known = {shape.entity, shape.time, *shape.schema, *shape.aside}
    extra = [c for c in raw.columns if c not in known] if shape.schema else []
    return tuple(f"column {c!r} is not in the contract and was left out" for c in extra)


def _read(raw: pl.DataFrame, shape: Shape) -> tuple[pl.DataFrame, Rules]:
    rules: Rules = []
    columns = [pl.Series(ROW, range(raw.height), dtype=pl.Int64)]
    if shape.entity:
        entity = name_of(raw.get_column(shape.entity))
        columns.append(entity.values.alias(ENTITY))
        rules += [(f"{shape.entity}: {rule}", mask) for rule, mask in entity.broken.items()]
    if shape.time:
        time = typed(raw.get_column(shape.time), "datetime", shape.timezone)
        columns.append(time.values.alias(TIME))
        rules += [(f"{shape.time}: {rule}", mask) for rule, mask in time.broken.items()]
    else:
        columns.append(pl.repeat(None, raw.height, dtype=MOMENT, eager=True).alias(TIME))
    for name, column in shape.schema.items():
        if name == shape.entity:
            continue
        read = typed(raw.get_column(name), column.type, shape.timezone)
        columns.append(read.values)
        rules += [(f"{name}: {r}", mask) for r, mask in read.broken.items() if name != shape.time]
    stamp = shape.known_at
    if stamp and stamp in raw.columns and stamp not in shape.schema:
        known = typed(raw.get_column(stamp), "datetime", shape.timezone)
        rules += [(f"{stamp}: {rule}", mask) for rule, mask in known.broken.items()]
    if not shape.schema:
        used = {shape.entity, shape.time, *shape.aside}
        columns += [raw.get_column(c) for c in raw.columns if c not in used]
    return pl.DataFrame(columns), rules


def _judged(frame: pl.DataFrame, shape: Shape, height: int, now: datetime) -> Rules:
    """Hold readable rows against the contract's rules; masks are over all rows of the batch."""
    rules: Rules = []
    if shape.unique and shape.entity:
        again = ~frame.drop(ROW).is_unique() & ~_first_of_its_kind(frame)
        if again.any():
            rules.append((SAME_ROW, _mask(frame.filter(again).get_column(ROW), height)))
            frame = frame.filter(~again)
    # Under plain names, whatever the columns are called: rules and methods have names too.
    plain = {name: f"column_{number}" for number, name in enumerate(frame.columns)}
    own = {short: name for name, short in plain.items()}
    rules += [(rule, _mask(rows, height)) for rule, rows in _untimely(frame, shape, now)]
    columns = tuple(c for c in shape.schema.items() if c[0] not in (shape.entity, shape.time))
    timed = shape.time is not None
    schema = batch_schema(columns, tuple(plain.items()), shape.entity, timed, shape.unique)
    _, failure = schema.filter(frame.rename(plain))
    details = failure.details()
    for rule in sorted(failure.counts()):
        rows = details.filter(pl.col(rule) == "invalid").get_column(plain[ROW])
        if rule == _KEY and shape.entity:  # rows of nobody are not two of one entity
            named = frame.filter(pl.col(ENTITY).is_not_null()).get_column(ROW)
            rows = rows.filter(rows.is_in(named.implode()))
            if rows.is_empty():
                continue
        rules.append((_rule_name(rule, own, shape), _mask(rows, height)))
    return rules


def _first_of_its_kind(frame: pl.DataFrame) -> pl.Series:
    firsts = frame.unique([c for c in frame.columns if c != ROW], keep="first").get_column(ROW)
    return frame.get_column(ROW).is_in(firsts.implode())


def _mask(rows: pl.Series, height: int) -> pl.Series:
    mask = np.zeros(height, dtype=np.bool_)
    mask[rows.to_numpy()] = True
    return pl.Series(mask)


def _untimely(frame: pl.DataFrame, shape: Shape, now: datetime) -> Iterator[tuple[str, pl.Series]]:
    """Yield the rules that moments break which cannot be, each with the numbers of its rows."""
    if shape.time is None:
        return
    moment = pl.col(TIME)
    for rule, wrong in ((AHEAD_OF_TIME, moment > now + AHEAD), (TOO_OLD, moment < _FIRST)):
        rows = frame.filter(wrong).get_column(ROW)
        if not rows.is_empty():
            yield f"{shape.time}: {rule}", rows


def _rule_name(rule: str, own: Mapping[str, str], shape: Shape) -> str:
    """Return a rule of dataframely in the contract's words."""
    if rule == _KEY:
        return SAME_KEY
    short, _, broken = rule.partition("|")
    column = {ENTITY: shape.entity, TIME: shape.time}.get(own[short], own[short])
    return f"{column}: {_RULES.get(broken, broken.removeprefix('check__'))}"


def _first_rule(rules: Rules, height: int) -> pl.Series:
    """Return, per row, the first rule that it broke."""
    first = np.zeros(height, dtype=np.int64)
    for number, (_, mask) in reversed(list(enumerate(rules, start=1))):
        first[mask.to_numpy()] = number
    names = pl.Series(RULE, [None, *(rule for rule, _ in rules)], dtype=pl.String)
    return names.gather(first)


def _unbroken(rules: Rules, height: int) -> pl.Series:
    good = np.ones(height, dtype=np.bool_)
    for _, mask in rules:
        good &= ~mask.to_numpy()
    return pl.Series(good)
