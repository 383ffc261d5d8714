"""Answers that servers gave, in one line."""

from __future__ import annotations

import pytest

from tamid.core.events import AnswersTaken
from tamid.core.view.intake_words import answers_words


@pytest.mark.parametrize(
    ("answered", "rows", "said"),
    [
        (
            {"3/champion": 16, "3/default": 2},
            9,
            "18 answers given online, 9 kept, 2 by a lower rung",
        ),
        ({"3/champion": 3}, 7, "7 answers given online, 7 kept"),
        ({}, 1, "1 answer given online, 1 kept"),
    ],
)
def test_no_more_are_kept_than_were_given(answered: dict[str, int], rows: int, said: str) -> None:
    """A server that was killed takes its last counts along, and leaves the answers themselves."""
    event = AnswersTaken(key="k", claim="c", segments=1, rows=rows, answered=answered)
    assert answers_words(event) == said
