"""How raw label values become numbers: 0 and 1, the index of a class, or the number itself."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tamid.core.contract.model import Contract
from tamid.core.errors import BatchRefused
from tamid.core.values import Task
from tamid.stages.quarantine import suggest
from tamid.stages.reading import Typed, typed

# Values of a label quoted in a message.
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Label values as numbers (null: not known yet), and which ones (n,) mean nothing."""

    values: pl.Series
    invalid: pl.Series


def truth(raw: pl.DataFrame, contract: Contract) -> Truth:
    """Return the label of each row of a batch.

    Binary: 1 where the value is the contract's positive one, compared as the column's type, else 0.
    Multiclass: the index in the label column's allowed values, or the whole number itself.

    Raises:
        BatchRefused: there is no such column, or a binary label has more than two values.
    """
    label = contract.data.label
    if label.column not in raw.columns:
        raise BatchRefused(
            f"label column {label.column!r} is missing{suggest(label.column, raw.columns)}",
            why="the contract's data.label names it",
        )
    column = raw.get_column(label.column)
    if contract.task is Task.BINARY:
        return _binary(column, contract)
    if contract.task is Task.MULTICLASS:
        return _classes(column, contract)
    return _bounded(_of(typed(column, "number", contract.calendar.timezone)), contract)


def _binary(column: pl.Series, contract: Contract) -> Truth:
    positive = contract.data.label.positive
    zone = contract.calendar.timezone
    if positive is None or isinstance(positive, bool):
        flags = _of(typed(column, "boolean", zone))
        wanted = positive is not False
        return Truth(values=(flags.values == wanted).cast(pl.Float64), invalid=flags.invalid)
    if isinstance(positive, (int, float)):
        numbers = _of(typed(column, "number", zone))
        _refuse_third(column, numbers.values, contract)
        return Truth(
            values=(numbers.values == float(positive)).cast(pl.Float64), invalid=numbers.invalid
        )
    texts = _allowed(_texts(column, zone), contract)
    _refuse_third(column, texts.values, contract)
    return Truth(values=(texts.values == positive).cast(pl.Float64), invalid=texts.invalid)


def _classes(column: pl.Series, contract: Contract) -> Truth:
    known = _known_values(contract)
    if not known:
        whole = _of(typed(column, "integer", contract.calendar.timezone))
        wrong = whole.invalid | (whole.values < 0).fill_null(value=False)
        return Truth(values=_unless(wrong, whole.values.cast(pl.Float64)), invalid=wrong)
    texts = _allowed(_texts(column, contract.calendar.timezone), contract)
    index = {name: float(i) for i, name in enumerate(known)}
    numbers = texts.values.replace_strict(index, default=None, return_dtype=pl.Float64)
    return Truth(values=numbers, invalid=texts.invalid)


def _bounded(numbers: Truth, contract: Contract) -> Truth:
    rule = contract.data.schema.get(contract.data.label.column)
    wrong = numbers.invalid
    if rule is not None and rule.min is not None:
        wrong = wrong | (numbers.values < rule.min).fill_null(value=False)
    if rule is not None and rule.max is not None:
        wrong = wrong | (numbers.values > rule.max).fill_null(value=False)
    return Truth(values=_unless(wrong, numbers.values), invalid=wrong)


def _texts(column: pl.Series, timezone: str) -> Truth:
    texts = _of(typed(column, "text", timezone))
    stripped = texts.values.str.strip_chars()
    return Truth(values=_unless(stripped == "", stripped), invalid=texts.invalid)


def _allowed(texts: Truth, contract: Contract) -> Truth:
    known = _known_values(contract)
    if not known:
        return texts
    strange = ~texts.values.is_in(known).fill_null(value=True)
    return Truth(values=_unless(strange, texts.values), invalid=texts.invalid | strange)


def _known_values(contract: Contract) -> tuple[str, ...]:
    rule = contract.data.schema.get(contract.data.label.column)
    return (rule.allowed if rule else None) or ()


def _refuse_third(column: pl.Series, values: pl.Series, contract: Contract) -> None:
    if _known_values(contract):
        return
    seen = values.drop_nulls().unique().sort()
    if seen.len() > 2:
        shown = ", ".join(repr(v) for v in seen.head(_SHOWN))
        raise BatchRefused(
            f"label column {column.name!r} has {seen.len()} values ({shown}), a binary label two",
            why="a value that is a slip of the pen would silently count as negative",
            fix="Repair the source, or list the values under `allowed` in the column's schema.",
        )


def _of(read: Typed) -> Truth:
    invalid = pl.repeat(False, read.values.len(), dtype=pl.Boolean, eager=True)
    for mask in read.broken.values():
        invalid = invalid | mask
    return Truth(values=read.values, invalid=invalid)


def _unless(mask: pl.Series, values: pl.Series) -> pl.Series:
    kept = pl.when(mask.fill_null(value=False)).then(None).otherwise(values)
    return pl.select(kept.alias(values.name)).to_series()
