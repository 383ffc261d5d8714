"""Rows are coded as the road of the loop would: words to codes, declared cleaning, gaps."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest

from tamid.core.compiled.rows import RowCoder, cleaning
from tamid.core.contract.inputs import CleanStep, Column
from tamid.core.errors import DataError, Uncompilable
from tamid.core.learning.model import Feature
from tamid.stages import features
from tamid.stages.answering import encode

FEATURES = (
    Feature(name="age"), Feature(name="calls"), Feature(name="open"),
    Feature(name="plan", kind="category", categories=("basic", "fibre", "חבילה")),
)  # fmt: skip
SCHEMA = {
    "age": Column(type="number"), "calls": Column(type="integer"), "open": Column(type="boolean"),
    "plan": Column(type="category"),
}  # fmt: skip
STEPS = (
    CleanStep(step="strip"), CleanStep(step="lower"), CleanStep(step="fill", value="basic"),
    CleanStep(step="fill", value=3, columns=("calls",)), CleanStep(step="fill", value=True),
    CleanStep(step="clip", low=0.0, high=90.0, columns=("age",)),
    CleanStep(step="drop_duplicates", columns=("age", "calls", "open", "plan")),
)  # fmt: skip
BLANKS = (
    CleanStep(step="blank", values=(7, 200, "unheard of", False)),
    CleanStep(step="blank", low=0.0, high=100.0),
    CleanStep(step="fill", value=5.0, columns=("age",)),
    CleanStep(step="blank", columns=("plan",), values=(" FIBRE ",)),
)
ROWS: list[dict[str, Any]] = [
    {"age": -4.0, "calls": 7, "open": False, "plan": " FIBRE "},
    {"age": 200.0, "calls": None, "open": None, "plan": None},
    {"age": None, "calls": 0, "open": True, "plan": "חבילה"},
    {"age": 1.5, "calls": 2, "open": True, "plan": "unheard of"},
]
TYPES = {"age": pl.Float64, "calls": pl.Int64, "open": pl.Boolean, "plan": pl.String}


@pytest.mark.parametrize("steps", [(), STEPS, BLANKS, (CleanStep(step="clip", low=1.0, high=5.0),)])
def test_a_row_is_coded_as_a_batch_would_be(steps: tuple[CleanStep, ...]) -> None:
    """Cleaning and codes are those of the stages, value by value."""
    frame = features.clean(pl.DataFrame(ROWS, schema=TYPES), steps).frame
    wanted = encode(frame, FEATURES).values.tolist()
    coder = RowCoder(FEATURES, cleaning(steps, SCHEMA, FEATURES))
    found = [list(coder.unpacked(coder.packed(row))) for row in ROWS]
    assert repr(found) == repr(wanted)
    assert coder.many(ROWS) == b"".join(coder.packed(row) for row in ROWS)


def test_texts_are_read_as_numbers_in_both() -> None:
    """A column of texts that a step turns into numbers may be bounded by the steps after it."""
    rows: list[dict[str, Any]] = [
        {"fee": text, "plan": "basic"}
        for text in (" 1.234,5 ", "12", "12.5", "-3,25", "n/a", None, "1e999", "", "1.234\n")
    ]
    known = (Feature(name="fee"), Feature(name="plan", kind="category", categories=("basic",)))
    steps = (
        CleanStep(step="number", columns=("fee",), decimal=",", thousands="."),
        CleanStep(step="blank", values=(12,)),
        CleanStep(step="clip", columns=("fee",), low=0.0),
        CleanStep(step="lower"),
    )
    frame = pl.DataFrame(rows, schema={"fee": pl.String, "plan": pl.String})
    made = features.clean(frame, steps)
    assert made.frame["fee"].to_list() == [1234.5, None, None, 0.0, *[None] * 4, 1234.0]
    assert (made.counts[0].changed, made.counts[1].changed) == (8, 1)
    for schema in ({"fee": Column(type="category"), "plan": Column(type="category")}, {}):
        coder = RowCoder(known, cleaning(steps, schema, known))
        found = [list(coder.unpacked(coder.packed(row))) for row in rows]
        assert repr(found) == repr(encode(made.frame, known).values.tolist())


def test_a_lone_feature_is_coded_too() -> None:
    """A model of one feature takes rows like any other."""
    coder = RowCoder(FEATURES[:1], {})
    assert coder.unpacked(coder.packed({"age": 2})) == (2.0,)
    assert math.isnan(coder.unpacked(coder.packed({"age": None}))[0])


def test_what_cannot_be_a_number_is_said_by_name() -> None:
    """The input is named; its value is not, for it may be anybody's."""
    coder = RowCoder(FEATURES, {})
    wrong: Any
    for wrong in ("12.5", 10**400, [1]):
        with pytest.raises(DataError, match="age") as caught:
            coder.packed({**ROWS[0], "age": wrong})
        assert "12" not in str(caught.value)


def test_a_fraction_for_whole_numbers_is_refused() -> None:
    """A step that a column of whole numbers could not keep is left to the worker."""
    steps = (CleanStep(step="fill", value=0.5, columns=("calls",)),)
    with pytest.raises(Uncompilable, match="whole numbers"):
        cleaning(steps, SCHEMA, FEATURES)
