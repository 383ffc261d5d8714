"""What a notebook hands over is drafted, fitted and asked with words for whatever goes wrong."""

from __future__ import annotations

import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tamid.adapters import yaml
from tamid.core.contract.parse import parse
from tamid.core.errors import UsageError, UserCodeError
from tamid.notebook import Told, asked, columns_read, draft, fitted, is_fitted

ROWS = pl.DataFrame({"who": ["a", "b", "c", "d"], "x": [1.0, 2.0, 3.0, 4.0]})
Y = pl.Series("label", ["no", "no", "yes", "yes"])
TOLD = Told(label="left", entity="who", time="", name="מחברת")


def test_a_draft_keeps_the_contract_whatever_its_names_are() -> None:
    """A folder in Hebrew gives a name in Latin letters; a label stands in quotes."""
    told = Told(label="left: [really]", entity="who", time="", name="מחברת")
    contract = parse(yaml.read(draft(ROWS, Y, told).encode(), "c"), name="c")
    assert contract.name == "my-model"
    assert contract.data.label.column == "left: [really]"
    assert contract.data.entity == "who"


@pytest.mark.parametrize(
    ("told", "y", "what"),
    [
        (Told(label="left", entity="whom", time="", name="m"), Y, "X has no column 'whom'"),
        (Told(label="left", entity="", time="at", name="m"), Y, "X has no column 'at'"),
        (TOLD, pl.Series(["no"] * 4), "y has one value only"),
        (TOLD, pl.Series([None] * 4), "y has no value"),
    ],
)
def test_what_no_contract_can_be_drafted_for_is_said(told: Told, y: pl.Series, what: str) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError, match=what):
        draft(ROWS, y, told)


def test_a_pipeline_is_fitted_once() -> None:
    """One that is fitted is taken as it is; a fresh one is fitted, and the given one left alone."""
    fresh = make_pipeline(StandardScaler(), LogisticRegression())
    assert not is_fitted(fresh)
    ready = fitted(fresh, ROWS, Y, ["x"])
    assert columns_read(ready) == ("x",)
    assert not is_fitted(fresh)
    assert fitted(ready, ROWS, Y, ["x"]) is ready


def test_what_the_pipeline_raises_is_its_own_fault() -> None:
    """Words among numbers, a method that is not there, and what is no estimator at all."""
    fresh = make_pipeline(StandardScaler(), LogisticRegression())
    with pytest.raises(UserCodeError, match="failed to fit: ValueError"):
        fitted(fresh, ROWS, Y, ["who", "x"])
    with pytest.raises(UserCodeError, match="failed to foresee: AttributeError"):
        asked(fresh, "foresee")
    with pytest.raises(UserCodeError, match="is a str, no estimator"):
        is_fitted("model")
