"""Columns on their way to a model, and encoders of categories as steps on their codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tamid.core.compiled.program import Op
from tamid.core.errors import Uncompilable

Step = tuple[Op, float]
Word = str | None
# Codes of an encoder that reads numbers: beyond, it reads measurements and no codes.
_MOST_CODES = 4096


class Tables:
    """The tables of a program, each kept once."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []

    def step(self, table: list[float]) -> Step:
        """Return the step that reads a table: missing, any other number, then 0, 1, 2..."""
        key = [repr(v) for v in table]
        known = [[repr(v) for v in row] for row in self.rows]
        if key not in known:
            self.rows.append(table)
            known.append(key)
        return Op.MAP, float(known.index(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column on its way to the model: numbers after `steps`, or a word for each code.

    `words`: of a column of texts, what each code of the vocabulary stands for, the missing last.
    """

    source: int
    steps: tuple[Step, ...] = ()
    words: tuple[Word, ...] | None = None
    may_miss: bool = True

    def then(self, *steps: Step, may_miss: bool | None = None) -> Column:
        """Return the column after further steps. Raises Uncompilable if it holds texts."""
        self.numeric()
        missing = self.may_miss if may_miss is None else may_miss
        return replace(self, steps=(*self.steps, *steps), may_miss=missing)

    def numeric(self) -> None:
        """Raise Uncompilable if the column holds texts."""
        if self.words is not None:
            raise Uncompilable("a step takes numbers, and gets texts")

    def ready(self, *, single: bool) -> list[Step]:
        """Return the steps up to the model; `single`: it reads 32 bits."""
        self.numeric()
        return [*self.steps, *([(Op.SINGLE, 0.0)] if single else [])]


def one_hot(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    """Return a column for each category that is not dropped."""
    if step.min_frequency is not None or step.max_categories is not None:
        raise Uncompilable("a OneHotEncoder gathers rare categories")
    dropped = step.drop_idx_ if step.drop_idx_ is not None else [None] * len(columns)
    made = []
    for column, known, drop in zip(columns, step.categories_, dropped, strict=True):
        _refuse_raising(step, column, known)
        for i, category in enumerate(known):
            if drop is None or i != drop:
                made.append(_equals(column, category, tables))
    return made


def ordinal(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    """Return each column as the places of its categories."""
    if step.min_frequency is not None or step.max_categories is not None:
        raise Uncompilable("an OrdinalEncoder gathers rare categories")
    made = []
    for column, known in zip(columns, step.categories_, strict=True):
        _refuse_raising(step, column, known)
        unknown = math.nan if step.unknown_value is None else float(step.unknown_value)
        # A missing number is given the encoder's own value; None is a category like any other.
        gap = float(step.encoded_missing_value)
        codes = {
            None if is_nan(c) else c: gap if is_nan(c) else float(i) for i, c in enumerate(known)
        }
        made.append(_coded(column, codes, unknown, tables))
    return made


def target(step: Any, columns: list[Column], tables: Tables) -> list[Column]:
    """Return each column as what its categories were worth."""
    if step.target_type_ == "multiclass":
        raise Uncompilable("a TargetEncoder of several classes makes several columns of each")
    made = []
    for column, known, means in zip(columns, step.categories_, step.encodings_, strict=True):
        codes = {None if is_nan(c) else c: float(m) for c, m in zip(known, means, strict=True)}
        made.append(_coded(column, codes, float(step.target_mean_), tables))
    return made


def is_nan(value: object) -> bool:
    """Say whether a value is a number that is none."""
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _equals(column: Column, category: object, tables: Tables) -> Column:
    if column.words is None:
        gap = category is None or is_nan(category)
        step = (Op.ISNAN, 0.0) if gap else (Op.EQUALS, float(str(category)))
        return column.then(step, may_miss=False)
    wanted = None if is_nan(category) else category
    same = [1.0 if w == wanted else 0.0 for w in column.words]
    if same[-1] == 0.0 and sum(same) == 1.0:
        only: Step = (Op.EQUALS, float(same.index(1.0)))
        return replace(column, words=None, steps=(only,), may_miss=False)
    table = tables.step([same[-1], 0.0, *same[:-1]])
    return replace(column, words=None, steps=(table,), may_miss=False)


def _coded(column: Column, codes: Mapping[Any, float], unknown: float, tables: Tables) -> Column:
    """Return a column whose categories become their codes."""
    if column.words is not None:
        found = [codes.get(w, unknown) for w in column.words]
        table = [found[-1], unknown, *found[:-1]]
    else:
        numbers = [c for c in codes if c is not None]
        if any(c != int(c) or not 0 <= c < _MOST_CODES for c in numbers):
            raise Uncompilable("an encoder reads numbers that are no codes")
        most = int(max(numbers, default=-1)) + 1
        table = [
            codes.get(None, unknown),
            unknown,
            *(codes.get(float(i), unknown) for i in range(most)),
        ]
    step = tables.step(table)
    missing = any(math.isnan(v) for v in table)
    return replace(column, words=None, steps=(*column.steps, step), may_miss=missing)


def _refuse_raising(step: Any, column: Column, known: Sequence[object]) -> None:
    """Refuse an encoder that fails on words it has not seen, if there can be any."""
    if getattr(step, "handle_unknown", "ignore") != "error":
        return
    seen = {None if is_nan(c) else c for c in known}
    if column.words is None or not set(column.words) <= seen:
        raise Uncompilable(
            f"the {type(step).__name__} fails on what it has not seen, a missing value included",
            fix='Give it a `handle_unknown` that answers, such as "ignore".',
        )
