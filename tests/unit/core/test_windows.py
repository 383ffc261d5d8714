"""Windows: which there are, and which lack a season of the coming month."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tamid.core.windows import YEAR, out_of_season, quarter, windows


def weeks(first: date, count: int) -> list[str]:
    """Return so many Sundays."""
    return [(first + timedelta(weeks=k)).isoformat() for k in range(count)]


def test_a_window_of_winter_is_not_offered_for_the_spring() -> None:
    """With a spring in all data, eight weeks of winter are no candidate in late March."""
    periods = weeks(date(2025, 3, 2), 54)
    found = out_of_season(windows(periods, "auto"), "2026-03-20")
    assert found == ("long", "short")
    # In the middle of a quarter the last weeks know what comes.
    assert out_of_season(windows(periods, "auto"), "2026-02-05") == ()


def test_what_nobody_has_seen_excludes_nothing() -> None:
    """A first spring is new to every window: none may be left out for it."""
    periods = weeks(date(2025, 9, 7), 27)
    assert out_of_season(windows(periods, "auto"), "2026-03-20") == ()


def test_a_window_that_a_person_chose_is_kept() -> None:
    """One window alone is an order, no choice."""
    periods = weeks(date(2025, 3, 2), 54)
    assert out_of_season(windows(periods, "short"), "2026-03-20") == ()
    assert out_of_season({}, "2026-03-20") == ()


@given(st.integers(1, 150), st.integers(0, 400))
def test_the_default_is_always_offered_and_a_year_knows_every_season(
    count: int, ahead: int
) -> None:
    """Whatever the history and the day."""
    first = date(2023, 1, 1)
    periods = weeks(first, count)
    today = first + timedelta(weeks=count, days=ahead)
    candidates = {**windows(periods, "auto"), "year": tuple(periods[-YEAR:])}
    found = out_of_season(candidates, today.isoformat())
    assert "all" not in found
    if count >= YEAR:
        assert "year" not in found
    coming = {quarter((today + timedelta(weeks=k)).isoformat()) for k in range(4)}
    for name in found:
        missing = coming - {quarter(p) for p in candidates[name]}
        assert missing & {quarter(p) for p in periods}
