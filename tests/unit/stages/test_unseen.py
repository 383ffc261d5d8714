"""An event table that brought nothing is missing data, and no news that nothing happened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from weekly import number, with_calls

from tamid.adapters.memory_tables import MemoryTables
from tamid.core import events as ev
from tamid.core.contract.model import Contract, Delivery
from tamid.core.rules.incidents import incidents
from tamid.core.signals import Signals
from tamid.core.values import ARRIVED, ENTITY, PERIOD, RULE, TIME, Role, TablePin, VersionRef
from tamid.stages.feeds import ROWS
from tamid.stages.lacking import set_aside
from tamid.stages.missing import missing
from tamid.stages.unseen import quiet, unseen
from tamid.testing.histories import Story

FIRST = datetime(2026, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)
WEEKS = 8
LAST = "2026-02-22"


def week(n: int) -> str:
    """Return the name of the n-th week."""
    return f"{FIRST + 7 * n * DAY:%Y-%m-%d}"


@dataclass
class World:
    """Rows of a week come as it begins; calls of a week come as it ends, or `late`."""

    contract: Contract = field(
        default_factory=lambda: replace(
            with_calls(number("count")), delivery=Delivery(by="Sunday 06:00")
        )
    )
    tables: MemoryTables = field(default_factory=MemoryTables)
    story: Story = field(default_factory=lambda: Story(now=FIRST))

    def live(self) -> World:
        """Tell of a champion that is live since the first week."""
        ref = VersionRef(number=1, bundle="b", overlay="o")
        self.story.tell(
            ev.ContractAdopted(contract="c"),
            ev.VersionRegistered(ref=ref, run="run-0001", contract="c"),
            ev.Promoted(number=1, previous=0, reason="r", evidence=""),
        )
        return self

    def put(self, source: str, n: int, arrived: datetime, rows: int) -> TablePin:
        """Store one week of rows or calls, and tell of it."""
        frame = pl.DataFrame(
            {
                ENTITY: [f"c{i}" for i in range(rows)],
                TIME: [FIRST + 7 * n * DAY] * rows,
                PERIOD: [week(n)] * rows,
                ARRIVED: [arrived] * rows,
                RULE: pl.Series([None] * rows, dtype=pl.String),
            }
        )
        name = f"{source}-{n}-{arrived:%m%d%H}"
        pin = self.tables.write(f"churn.{source}", frame, key=name, token=1, mode="append")
        self.story.now = arrived
        self.story.tell(
            ev.DataAccepted(source=source, batch=name, fingerprint="f", pin=pin, rows=rows,
                            periods=(week(n),))
        )  # fmt: skip
        return pin

    def lived(self, lost: Collection[int] = (), late: Mapping[int, timedelta] | None = None,
              calls: int = 40, strays: int = 0) -> World:  # fmt: skip
        """Tell of all weeks; the calls of some are lost, or come later than the rows after them."""
        self.live()
        for n in range(WEEKS):
            began = FIRST + 7 * n * DAY
            if n and n - 1 not in lost:
                self.put("calls", n - 1, began + (late or {}).get(n - 1, timedelta()), calls)
            if n and n - 1 in lost and strays:
                self.put("calls", n - 1, began - 7 * DAY, strays)
            self.put(ROWS, n, began + timedelta(hours=1), 30)
        return self

    def unseen(self, n: int) -> dict[str, str]:
        """Return what the rows of a week could not see."""
        return unseen(self.tables, self.contract, self.story.state, week(n))

    def told(self, now: datetime) -> list[str]:
        """Tell the story what is missing at a moment; return the alarms raised and cleared."""
        self.story.now = now
        silent = quiet(self.tables, self.contract, self.story.state, now)
        found = list(missing(self.contract, self.story.state, now, (), (), silent))
        self.story.tell(*found)
        return [f"{type(e).__name__} {e.alarm}" for e in found
                if isinstance(e, ev.AlarmRaised | ev.AlarmCleared)]  # fmt: skip

    def judged(self, n: int) -> None:
        """Tell that a week was found to lack its calls."""
        self.story.tell(
            ev.PeriodChecked(period=week(n), suspected=True, owner=Role.MLOPS_ENGINEER,
                             columns=("count",), reasons=tuple(self.unseen(n).values()))
        )  # fmt: skip


def test_a_week_whose_events_did_not_come_is_named_with_what_is_usual() -> None:
    """The last week's rows could see no call of the week before, as all others could."""
    world = World().lived(lost={WEEKS - 2})
    assert world.unseen(WEEKS - 1) == {
        "calls": "hardly an event of 2026-02-15 was there when the rows came; "
        "each of 4 earlier ones had 40 or more"
    }
    assert World().lived().unseen(WEEKS - 1) == {}


@pytest.mark.parametrize(("strays", "silent"), [(4, True), (5, False)])
def test_a_few_events_that_strayed_in_from_the_file_before_hide_nothing(
    strays: int, silent: bool
) -> None:
    """A tenth of what is usual: where the file is cut by days of another clock than the week."""
    world = World().lived(lost={WEEKS - 2}, strays=strays)
    assert bool(world.unseen(WEEKS - 1)) == silent
    world.judged(WEEKS - 1)
    assert bool(world.told(FIRST + 7 * WEEKS * DAY - DAY)) == silent


@pytest.mark.parametrize(
    "world",
    [
        World().lived(lost={WEEKS - 2}, calls=5),
        World().lived(lost={WEEKS - 2, WEEKS - 4}),
        World().lived(late={n: timedelta(hours=5) for n in range(WEEKS)}),
    ],
    ids=["few", "gaps", "always later"],
)
def test_silence_that_is_usual_is_none(world: World) -> None:
    """A few events a week, a gap of late, or events that never come before the rows."""
    assert world.unseen(WEEKS - 1) == {}


def test_events_that_come_after_the_rows_do_not_mend_what_these_saw() -> None:
    """They count for no row that was there before; the alarm is over all the same."""
    world = World().lived(late={WEEKS - 2: 2 * DAY})
    assert set(world.unseen(WEEKS - 1)) == {"calls"}
    world.judged(WEEKS - 1)
    assert not quiet(world.tables, world.contract, world.story.state, world.story.now)


def test_a_silent_table_is_an_alarm_until_events_come_again() -> None:
    """From the hour on at which its rows were due; also while the silence goes on for months."""
    world = World().lived(lost={WEEKS - 2})
    due = FIRST + 7 * (WEEKS - 1) * DAY + timedelta(hours=6)
    assert world.told(due + DAY) == [], "its rows are not checked yet"
    world.judged(WEEKS - 1)
    assert world.told(due) == []
    assert world.told(due + DAY) == [f"AlarmRaised source/calls/{LAST}"]
    message = world.story.state.alarms[f"source/calls/{LAST}"].raised.message
    assert "and are missing: hardly an event of 2026-02-15 was there" in message
    (opened,) = incidents(world.story.policy, world.story.state, Signals(), world.story.now)
    assert "counts for later rows" in getattr(opened, "response", "")
    for n in range(WEEKS, WEEKS + 8):
        world.judged(n - 1)
        world.put(ROWS, n, FIRST + 7 * n * DAY, 30)
        assert world.unseen(n)["calls"].startswith(f"hardly an event of {week(n - 1)}")
        assert world.told(world.story.now + DAY) == []
    world.put("calls", WEEKS + 7, FIRST + 7 * (WEEKS + 8) * DAY, 40)
    assert world.told(world.story.now) == [f"AlarmCleared source/calls/{LAST}"]


def test_a_person_who_takes_the_weeks_as_sound_ends_the_silence() -> None:
    """It is then how the table is: the next week without events is no finding."""
    world = World().lived(lost={WEEKS - 2})
    world.judged(WEEKS - 1)
    opened = ev.CaseOpened(case=1, role=Role.MLOPS_ENGINEER, kind="bug", title="t", report="",
                           about=f"suspected/{LAST}")  # fmt: skip
    world.story.tell(opened)
    world.put(ROWS, WEEKS, FIRST + 7 * WEEKS * DAY, 30)
    assert set(world.unseen(WEEKS)) == {"calls"}
    state = replace(world.story.state, taken_as_sound=frozenset({LAST}))
    assert unseen(world.tables, world.contract, state, week(WEEKS)) == {}


@pytest.mark.parametrize(
    ("spared", "rules"),
    [((), ["count: missing value"] * 2), (("count", "x"), ["count: missing value", "x: too high"])],
)
def test_rows_that_saw_nothing_are_for_the_model_that_does_without(
    spared: tuple[str, ...], rules: list[str]
) -> None:
    """Each breaks the contract in the number over the table; those of a sound week do not."""
    world = World().lived(lost={WEEKS - 2})
    contract = replace(world.contract, training=replace(world.contract.training, reduced=spared))
    rows = pl.DataFrame({ENTITY: ["a", "b"], RULE: [None, "x: too high"]})
    assert set_aside(contract, world.story.state, LAST, rows).equals(rows)
    world.judged(WEEKS - 1)
    told = set_aside(contract, world.story.state, LAST, rows)
    assert told.get_column(RULE).to_list() == rules
