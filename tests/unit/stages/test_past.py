"""When things became known, and the story of a replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tamid.core import events as ev
from tamid.core.chain import Draft, chain
from tamid.core.contract.model import Contract
from tamid.core.values import Role
from tamid.stages.past import Week, happening, known_events, known_labels, known_rows, means_of
from tamid.workshop import parse

DAY = datetime(2026, 1, 5, tzinfo=UTC)


def contract(label: str, source: str = "{path: rows.csv}", tables: str = "{}") -> Contract:
    """A weekly contract with the given label block."""
    return parse(
        "tamid: 1\nname: shop\ntask: binary\ndata:\n"
        f"  source: {source}\n  entity: id\n  time: at\n  label: {label}\n"
        f"  schema: {{x: {{type: number}}}}\n  tables: {tables}\n"
    )


def frame() -> pl.DataFrame:
    """One row with every column that could say when something was known."""
    return pl.DataFrame(
        {
            "at": [DAY],
            "seen": [DAY + timedelta(days=3)],
            "told": [DAY + timedelta(days=9)],
            "left": [DAY + timedelta(days=5)],
        }
    )


def test_a_row_is_known_at_its_own_time() -> None:
    """Without a column that says otherwise."""
    plain = contract("{column: y, positive: 1}")
    assert known_rows(plain, frame()).to_list() == [DAY]


def test_a_column_may_say_when_a_row_was_known() -> None:
    """The contract names it."""
    late = contract("{column: y, positive: 1}", "{path: rows.csv, known_at: seen}")
    assert known_rows(late, frame()).to_list() == [DAY + timedelta(days=3)]


@pytest.mark.parametrize(
    ("label", "after"),
    [
        ("{column: y, positive: 1, horizon: 7d, reporting_lag: 2d}", 9),
        ("{column: y, positive: 1, source: {path: l.csv, known_at: told}}", 9),
        (
            "{column: y, horizon: 7d, reporting_lag: 2d, absence: negative, "
            "source: {path: l.csv}, event_time: left}",
            7,
        ),
    ],
)
def test_a_label_is_known_when_it_was_told(label: str, after: int) -> None:
    """After horizon and lag; by the source's column; an event after the lag alone."""
    assert known_labels(contract(label), frame()).to_list() == [DAY + timedelta(days=after)]


def test_an_event_of_a_table_is_known_when_it_happens() -> None:
    """By the table's own time column."""
    with_table = contract(
        "{column: y, positive: 1}", tables="{calls: {path: c.csv, entity: id, time: left}}"
    )
    assert known_events(with_table, "calls", frame()).to_list() == [DAY + timedelta(days=5)]


def week(period: str, served: float, **others: float) -> Week:
    """A judged week."""
    return Week(period=period, rows=9, version=1, served=served, low=0, high=1, others=others)


def test_means_are_taken_over_weeks_that_all_have() -> None:
    """A rival that had not begun yet takes its weeks out of everybody's mean."""
    weeks = [week("2026-01-05", 0.1, frozen=0.9), week("2026-01-12", 0.6, frozen=0.4, always=0.8)]
    found = means_of(weeks, ("frozen", "always"))
    assert found == {"served": 0.6, "frozen": 0.4, "always": 0.8}
    assert means_of([], ("frozen",)) == {}


def test_what_happened_is_told_and_routine_is_not() -> None:
    """A release is told with its reason, a tick is not."""
    promoted = ev.Promoted(number=2, previous=1, reason="passed shadow", evidence="")
    draft = Draft(event=promoted, at=DAY, actor="tamid", role=Role.CONTROLLER, reason="")
    told = happening(chain("shop", 1, draft, ""))
    assert told is not None
    assert (told.kind, told.text) == ("release", "version 2 goes live: passed shadow")
    ticked = Draft(
        event=ev.Ticked(tick="t"), at=DAY, actor="tamid", role=Role.CONTROLLER, reason=""
    )
    assert happening(chain("shop", 1, ticked, "")) is None


@pytest.mark.parametrize(("budget", "end"), [("at most 1 a year", " (at most 1 a year)"), ("", "")])
def test_an_alarm_is_told_with_its_budget(budget: str, end: str) -> None:
    """Wherever an alarm is read, it is said how many false ones were to be expected."""
    alarm = ev.AlarmRaised(
        alarm="quality/1/2026-01-05", signal="quality", failure="model_failure",
        severity="critical", period="2026-01-05", noticed_by="labels", message="f1 fell",
        budget=budget,
    )  # fmt: skip
    draft = Draft(event=alarm, at=DAY, actor="tamid", role=Role.CONTROLLER, reason="")
    told = happening(chain("shop", 1, draft, ""))
    assert told is not None
    assert (told.kind, told.text) == ("alarm", f"f1 fell{end}")
