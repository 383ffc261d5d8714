"""Windows: which there are, and which lack a season of the coming month."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tamid.core.windows import YEAR, offered_as, out_of_season, quarter, reach, windows


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


def test_half_a_year_or_as_many_weeks_as_hold_20_000_rows() -> None:
    """Few rows a week make the long window longer; a third of it is short, half the half-life."""
    assert reach([769] * 40 + [770] * 26) == {"long": 26, "short": 8, "decay": 13}
    assert reach([400] * 100)["long"] == 50
    # Where all rows there are do not suffice, the long window is all there is, and none of its own.
    few = weeks(date(2025, 3, 2), 60)
    assert list(windows(few, "auto", reach([10] * 60))) == ["all", "short", "decay:30"]
    assert len(windows(few, "auto", reach([10] * 60))["short"]) == 20
    # Weeks whose rows nobody counted are weeks all the same.
    assert reach([0] + [5000] * 99)["long"] == 26


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=150))
def test_the_long_window_holds_what_it_promises_and_no_week_more(rows: list[int]) -> None:
    """Whatever the weeks: 20,000 rows and half a year, or all."""
    back = reach(rows)
    long = back["long"]
    assert long >= 26
    assert long >= len(rows) or sum(rows[-long:]) >= 20_000
    assert long == 26 or sum(rows[-(long - 1) :]) < 20_000
    assert back == {"long": long, "short": long // 3, "decay": long // 2}


def test_a_window_by_weights_holds_all_periods_and_keeps_its_kind() -> None:
    """Its season is that of all data; its half-life moves with the rows, and it stays in force."""
    periods = weeks(date(2025, 3, 2), 54)
    found = windows(periods, "auto", reach([900] * 54))
    assert found["decay:13"] == found["all"]
    assert out_of_season(found, "2026-03-20") == ("long", "short")
    assert list(windows(periods, "decay", reach([900] * 54))) == ["decay:13"]
    assert offered_as("decay:20", found) == "decay:13"
    assert offered_as("recent", found) == ""
    # A year's weights hardly differ where the half-life is longer than the history.
    assert list(windows(periods[:12], "auto", reach([900] * 12))) == ["all", "short"]


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
