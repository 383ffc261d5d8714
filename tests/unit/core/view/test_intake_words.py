"""What came in is told so that the numbers add up."""

from __future__ import annotations

from dataclasses import replace

from tamid.core import events as ev
from tamid.core.view.intake_words import accepted_words, answers_words
from tamid.testing.histories import PIN

CAME = ev.DataAccepted(key="k", source="rows", batch="w.csv", fingerprint="f", pin=PIN, rows=1300)
BROKEN = {"plan: not allowed": 2, "age: below min": 2}


def test_rows_that_were_set_aside_are_not_called_accepted() -> None:
    """One row may break several rules, so rows are counted, and rules beside them."""
    event = replace(CAME, aside=3, quarantined=BROKEN, new=1300)
    assert accepted_words(event) == (
        "1 300 rows from w.csv: 1 297 accepted, 3 set aside (age: below min 2, plan: not allowed 2)"
    )


def test_a_batch_without_a_bad_row_is_accepted_whole() -> None:
    """And says what was new in it."""
    event = replace(CAME, new=100)
    assert accepted_words(event) == ("1 300 rows accepted from w.csv (100 new, 1 200 repeated)")


def test_records_from_before_bad_rows_were_counted_claim_no_number_of_rows() -> None:
    """What is known of them is how often each rule was broken."""
    told = accepted_words(replace(CAME, quarantined=BROKEN))
    assert told.startswith("1 300 rows came from w.csv; 4 rule breaks set aside (")


def test_a_version_in_canary_is_no_lower_rung() -> None:
    """Its answers are those of a release that goes on; the rest below the champion is another."""
    answered = {"1/champion": 480, "2/canary": 450, "0/default": 20}
    told = answers_words(
        ev.AnswersTaken(key="k", claim="c", segments=1, rows=950, answered=answered)
    )
    assert told == (
        "950 answers given online, 950 kept, 450 by a version in canary, 20 by a lower rung"
    )
