"""What a batch is told by: values that broke a rule, and what is odd but breaks none.

No value of a column that is kept from storage (`hidden`) is ever quoted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from tamid.stages.reading import NOT_FINITE, WRONG_TYPE

# Below this many rows a column that never changes says nothing.
_ENOUGH_TO_VARY = 20
# Values quoted of a rule, so that a message stays one line; a value is cut after so many letters.
_EXAMPLES = 3
_LONGEST = 40
_LOOKED_AT = 1000
# Rules of a value, which is quoted; of others the numbers of the rows are told.
_OF_VALUES = (
    WRONG_TYPE,
    NOT_FINITE,
    "below min",
    "above max",
    "not allowed",
    "in the future",
    "before 1900",
    "not understood",
)

NO_VALUE = "has no value at all"
ONE_VALUE = "has one value only"
NOTHING_VARIES = (NO_VALUE, ONE_VALUE)

Rules = Sequence[tuple[str, pl.Series]]


def examples(raw: pl.DataFrame, rules: Rules, hidden: Collection[str]) -> dict[str, str]:
    """Return, per rule, up to three of the values that broke it, or of their rows' numbers.

    `rules`: name and mask (n,) over the rows of the raw batch. Rows are numbered from 1.
    """
    found = {}
    for rule, mask in rules:
        column, _, broken = rule.rpartition(": ")
        if broken in _OF_VALUES and column in raw.columns:
            if column not in hidden:
                found[rule] = _quoted(raw.get_column(column).filter(mask))
            continue
        rows = mask.arg_true().head(_EXAMPLES)
        word = "row" if rows.len() == 1 else "rows"
        found[rule] = f"{word} {', '.join(str(n + 1) for n in rows)}"
    return found


def oddities(
    raw: pl.DataFrame, names: Collection[str], rules: Rules, hidden: Collection[str]
) -> Iterator[str]:
    """Say of the columns `names` what breaks no rule but is worth a look."""
    for name in names:
        if name not in raw.columns:
            continue
        values = raw.get_column(name)
        if values.null_count() == values.len():
            yield f"column {name!r} {NO_VALUE}"
        elif values.len() >= _ENOUGH_TO_VARY and values.n_unique() == 1:
            yield f"column {name!r} {ONE_VALUE}"
    for rule, mask in rules:
        name, _, broken = rule.rpartition(": ")
        if broken == "not allowed" and name not in hidden:
            yield f"{rule}: {_quoted(raw.get_column(name).filter(mask))}"


def _quoted(values: pl.Series) -> str:
    seen = {str(v)[:_LONGEST] for v in values.drop_nulls().head(_LOOKED_AT).to_list()}
    return ", ".join(repr(v) for v in sorted(seen)[:_EXAMPLES])
