"""Numbers and days of a file: decided where its texts decide, asked for where they do not."""

from __future__ import annotations

import polars as pl
import pytest

from tamid.core.adoption.forms import TextColumn, date_form, number_form, numeric, whole
from tamid.core.written import NumberForm
from tamid.stages.counting import texts


def columns(**values: list[str | None]) -> tuple[TextColumn, ...]:
    """Return texts as they are counted."""
    return texts(pl.DataFrame(dict(values)))


@pytest.mark.parametrize(
    ("values", "decimal", "thousands"),
    [
        (["1.5", "20"], ".", "none"),
        (["1,5", "20"], ",", "none"),
        (["1,234.5", "20"], ".", ","),
        (["1.234,5", "20"], ",", "."),
        (["1\u00a0234,5", "1 000"], ",", "space"),
        (["1'234.5"], ".", "'"),
        (["0.344", "0.811"], ".", "none"),
        (["12345.678"], ".", "none"),
        (["7", "-8"], ".", "none"),
        (["1e-3", "2E5"], ".", "none"),
    ],
)
def test_one_telling_number_decides(values: list[str | None], decimal: str, thousands: str) -> None:
    """A form that reads every number is taken without a question."""
    found, asked = number_form(columns(a=values))
    assert asked is None
    assert (found.decimal, found.thousands) == (decimal, thousands)
    assert numeric(columns(a=values)[0], found)


@pytest.mark.parametrize("text", ["1,234", "1.234", "-12.345"])
def test_three_digits_behind_a_mark_are_asked_for(text: str) -> None:
    """It may be a fraction or thousands, and a factor of a thousand is not guessed."""
    _, asked = number_form(columns(price=[text, "7"]))
    assert asked is not None
    assert asked.option == "--decimal"
    assert "price" in asked.what
    assert {c.value for c in asked.choices} == {".", ","}


def test_an_answer_settles_the_question() -> None:
    """What was asked for is taken as it was answered."""
    doubtful = columns(a=["1,234", "7"])
    assert number_form(doubtful, decimal=",") == (NumberForm(decimal=","), None)
    assert number_form(doubtful, decimal=".")[0].thousands == ","


def test_one_column_settles_it_for_the_file() -> None:
    """A file is written by one program, in one form."""
    found, asked = number_form(columns(a=["1,234", "5,678"], b=["2,5", "1"]))
    assert (found, asked) == (NumberForm(decimal=","), None)


def test_gaps_are_told_from_words() -> None:
    """NA among numbers means that one is missing; among words a column is of words."""
    column, mixed = columns(a=["1,5", "NA", "-"], b=["1,5", "NA", "large"])
    assert numeric(column, NumberForm(decimal=","))
    assert set(column.tokens()) == {"NA", "-"}
    assert not numeric(mixed, NumberForm(decimal=","))


def test_leading_zeros_are_codes() -> None:
    """007 is the name of somebody, 0.7 and 0 are numbers."""
    codes, numbers = columns(a=["007", "12"], b=["0.7", "0"])
    assert not numeric(codes, NumberForm())
    assert numeric(numbers, NumberForm())
    assert not whole(numbers, NumberForm())


@pytest.mark.parametrize(
    ("values", "order"),
    [
        (["31/12/2025", "1/2/2026"], "dmy"),
        (["12/31/2025", "1/2/2026"], "mdy"),
        (["2025/12/31"], "ymd"),
        (["2025-12-31", "2025-12-31 10:00"], "iso"),
        (["31.12.25 8:05", ""], "dmy"),
    ],
)
def test_one_day_above_twelve_decides(values: list[str | None], order: str) -> None:
    """The only reading in which all are days is taken."""
    assert date_form(columns(at=values)) == (order, None)


def test_days_that_may_be_months_are_asked_for() -> None:
    """3/4 is March or April; another column of the file settles it."""
    _, asked = date_form(columns(at=["3/4/2026", "1/2/2026"]))
    assert asked is not None
    assert [c.value for c in asked.choices] == ["dmy", "mdy"]
    assert date_form(columns(at=["3/4/2026"], seen=["1/31/2026"])) == ("mdy", None)
    assert date_form(columns(at=["3/4/2026"]), "dmy") == ("dmy", None)


def test_two_orders_in_one_file_are_asked_for() -> None:
    """A file has one order; which columns stay words is the user's choice."""
    _, asked = date_form(columns(a=["31/1/2026"], b=["1/31/2026"]))
    assert asked is not None
    assert {c.value: c.meaning for c in asked.choices} == {"dmy": "a", "mdy": "b"}
