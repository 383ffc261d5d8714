"""Which rung answers for which row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamid.core.contract.model import Rung
from tamid.core.ladder import fill, ladder, nobody, usable
from tamid.core.values import Task

FULL = (
    Rung(kind="previous"),
    Rung(kind="last_score"),
    Rung(kind="rule", code="rules.py:score"),
    Rung(kind="default", value=0.27),
)


@pytest.mark.parametrize(
    ("first", "order"),
    [
        ("champion", ["champion", "previous", "last_score", "rule", "default"]),
        ("rule", ["rule", "champion", "previous", "last_score", "default"]),
        ("unknown", ["champion", "previous", "last_score", "rule", "default"]),
    ],
)
def test_the_rung_in_force_comes_first_and_the_rest_keep_their_order(
    first: str, order: list[str]
) -> None:
    """Moving one rung to the front changes nothing else; an unknown one changes nothing at all."""
    assert [step.rung for step in ladder(FULL, first)] == order


@given(
    answers=st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=4, max_size=4),
        max_size=5,
    )
)
def test_each_row_takes_the_first_usable_answer(answers: list[list[float]]) -> None:
    """Whatever the rungs say, a row holds the first possible chance, or stays open."""
    found = nobody(4)
    for place, given_scores in enumerate(answers):
        open_ = found.open
        found = fill(found, place, open_, np.array(given_scores)[open_], Task.BINARY)
    for row in range(4):
        column = [a[row] for a in answers]
        wanted = next((p for p, v in enumerate(column) if 0 <= v <= 1), -1)
        near = next((p for p, v in enumerate(column) if -1e-9 <= v <= 1 + 1e-9), -1)
        assert found.place[row] in (wanted, near)
        if near < 0:
            assert np.isnan(found.score[row])
        else:
            assert 0 <= found.score[row] <= 1


def test_what_is_usable_depends_on_the_task() -> None:
    """A chance lies in 0..1, a class is a whole number, a number is finite."""
    values = np.array([0.5, 1.5, 2.0, -1.0, np.nan, np.inf])
    assert usable(values, Task.BINARY).tolist() == [True, False, False, False, False, False]
    assert usable(values, Task.MULTICLASS).tolist() == [False, False, True, False, False, False]
    assert usable(values, Task.REGRESSION).tolist() == [True, True, True, True, False, False]


def test_an_answered_row_is_never_overwritten() -> None:
    """A later rung that is asked about too many rows changes only the open ones."""
    one = fill(nobody(2), 0, np.array([True, False]), np.array([0.3]), Task.BINARY)
    two = fill(one, 1, np.array([True, True]), np.array([0.9, 0.8]), Task.BINARY)
    assert two.score.tolist() == [0.3, 0.8]
    assert two.place.tolist() == [0, 1]
