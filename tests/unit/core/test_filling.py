"""When a period that is not over has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tamid.core import events as ev
from tamid.core.filling import has_come
from tamid.core.periods import period_rule, shift
from tamid.core.values import TablePin, instant
from tamid.testing.histories import Story

RULE = period_rule(UTC, timedelta(weeks=1), "monday")
FIRST = "2026-01-05"
PAST = tuple(shift(RULE, FIRST, n) for n in range(6))
NOW = shift(RULE, FIRST, 6)


def story(days: float, rows: int, usual: float = 6.9) -> Story:
    """Return weeks of 700 rows, the last of them after `usual` days, and one of so many."""
    found = Story()
    weeks = [(p, usual, 700) for p in PAST] + [(NOW, days, rows)]
    for period, last, count in weeks:
        moment = datetime.fromisoformat(period).replace(tzinfo=UTC) + timedelta(days=last)
        found.tell(
            ev.DataAccepted(
                source="rows", batch=f"{period}.csv", fingerprint=period, rows=count,
                pin=TablePin(table="rows", version=0, digest="d"), periods=(period,),
                latest={period: instant(moment)}, volume={period: count},
            )
        )  # fmt: skip
    return found


@pytest.mark.parametrize(
    ("days", "rows", "come"),
    [(1.9, 200, False), (4.9, 500, False), (6.6, 680, True), (6.6, 340, False), (6.9, 400, True)],
)
def test_rows_of_day_after_day_make_a_week_only_at_its_end(
    days: float, rows: int, come: bool
) -> None:
    """Half of the rows at least, and up to about where the last row of a week usually lies."""
    assert has_come(story(days, rows).state, RULE, PAST, NOW) is come


def test_what_comes_at_once_has_come_on_the_first_day() -> None:
    """Everybody is scored at the beginning of the week."""
    assert has_come(story(0.0, 700, usual=0.0).state, RULE, PAST, NOW)
