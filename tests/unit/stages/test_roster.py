"""A batch that came in part is not the truth about who is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from weekly import weekly

from tamid.adapters.memory_source import MemorySource
from tamid.adapters.memory_tables import MemoryTables
from tamid.core.contract.model import Contract, Delivery, Quarantine
from tamid.core.decide import decide
from tamid.core.events import DataAccepted
from tamid.core.policy import policy_of
from tamid.core.signals import Signals
from tamid.core.state import State
from tamid.stages import data, roster
from tamid.stages.feeds import feeds

WEEK = datetime(2026, 1, 4, tzinfo=UTC)
LATER = timedelta(weeks=1)
EVERYBODY = [f"c{n:03}" for n in range(200)]


def contract(**more: Any) -> Contract:
    """Return a contract of weekly customers, due on Sunday at six."""
    return replace(weekly(**more), delivery=Delivery(by="Sunday 06:00"))


class World:
    """Weeks of rows, taken in one by one, and the state that follows."""

    def __init__(self, rules: Contract) -> None:
        self.rules = rules
        self.tables = MemoryTables()
        self.state = State()
        self.weeks = 0

    def week(self, names: Iterable[str]) -> World:
        """Take in the rows of the next week."""
        names = list(names)
        frame = pl.DataFrame({"id": names, "week": [self.at] * len(names), "x": [1.0] * len(names)})
        source = MemorySource()
        source.put(f"{self.weeks}", frame, self.at)
        for event in data.ingest(
            feeds(self.rules)[0], source, self.tables, known={}, now=self.at, token=1
        ):
            assert isinstance(event, DataAccepted)
            self.state = replace(
                self.state,
                pins={event.pin.table: event.pin},
                periods={**self.state.periods, **dict.fromkeys(event.periods, 1)},
                volume={**self.state.volume, **event.volume},
            )
        self.weeks += 1
        return self

    @property
    def at(self) -> datetime:
        """Return the moment of the next week's rows."""
        return WEEK + self.weeks * LATER

    def seen(self) -> roster.Turnout:
        """Return who stayed away from the last week."""
        period = max(self.state.periods)
        return roster.turnout(self.tables, self.rules, self.state, period, self.at)

    def active(self) -> list[str]:
        """Return who is answered without a row in the last week."""
        return self.seen().absent.to_list()

    def short(self) -> str:
        """Return what the last week lacks."""
        period = max(self.state.periods)
        return roster.shortfall(self.tables, self.rules, self.state, period, self.at)


def months(world: World, weeks: int = 5) -> World:
    """Let some whole weeks pass in which one in fifty leaves, unheard of."""
    for week in range(weeks):
        world.week(EVERYBODY[4 * week :])
    return world


def test_who_is_missing_from_a_half_batch_is_answered() -> None:
    """Everybody of the last whole week without a row gets a declared outcome."""
    world = months(World(contract())).week(EVERYBODY[20:100])
    assert world.active() == EVERYBODY[16:20] + EVERYBODY[100:]


def test_how_many_stayed_away_is_counted() -> None:
    """In the week itself, and of the earlier ones as many as it took to know what is usual."""
    world = months(World(contract()))
    found = world.week(EVERYBODY[30:]).seen()
    assert (found.lost, found.of) == ((14, 4, 4, 4), (184, 188, 192, 196))
    calm = months(World(contract())).week(EVERYBODY[20:]).seen()
    assert (calm.lost, calm.of) == ((4, 4), (184, 188))
    assert World(contract()).week(EVERYBODY).seen().of == ()


def test_usual_leavers_are_gone() -> None:
    """As many as stay away every week are not called back by a lower rung."""
    assert months(World(contract())).week(EVERYBODY[20:]).active() == []


def test_nobody_vanishes_from_a_steady_panel() -> None:
    """Where nobody ever stays away, a single missing row is noticed."""
    world = World(contract())
    for _ in range(4):
        world.week(EVERYBODY)
    assert world.week(EVERYBODY[1:]).active() == EVERYBODY[:1]


def test_a_week_that_came_in_part_is_no_measure() -> None:
    """After one half week the whole week before it says who is there."""
    world = World(contract())
    for _ in range(4):
        world.week(EVERYBODY)
    world.week(EVERYBODY[:50]).week(EVERYBODY[:60])
    assert world.active() == EVERYBODY[60:]


def test_things_that_come_once_are_not_awaited() -> None:
    """A booking has one row in its life: fewer bookings are fewer bookings."""
    world = World(contract())
    for week in range(5):
        world.week(f"{week}-{n}" for n in range(100))
    world.week(["late-1"])
    assert (world.active(), world.short()) == ([], "")


def test_far_fewer_rows_than_usual_are_told() -> None:
    """The contract's share of the usual rows is the limit; without history nothing is said."""
    world = months(World(contract())).week(EVERYBODY[20:100])
    assert world.short() == "2026-02-08 has 80 rows, usually about 192 come"
    alone = months(World(contract())).week(EVERYBODY[:1])
    assert alone.short() == "2026-02-08 has 1 row, usually about 192 come"
    assert months(World(contract())).week(EVERYBODY[20:150]).short() == ""
    assert World(contract()).week(EVERYBODY).week(EVERYBODY[:1]).short() == ""
    lenient = contract(quarantine=Quarantine(least_rows=0.1))
    assert months(World(lenient)).week(EVERYBODY[20:100]).short() == ""


@pytest.mark.parametrize("due", [False, True])
def test_a_short_period_waits_or_is_an_incident(due: bool) -> None:
    """Before its hour the rest is awaited; when it must be scored all the same, that is told."""
    signals = Signals(due=("p",) if due else (), short={"p": "p has 1 rows"})
    found = decide(policy_of(contract()), State(contract="c"), signals, WEEK)
    opened = [a for a in found.actions if a.key == "incident/short/p"]
    assert bool(opened) is due
    assert any("the rest is awaited" in text for text in found.waiting) is not due
